"""`make audit`, against a database of advisories on loopback."""

import os
import re
import subprocess

import pytest

from tests.ops.advisories import advisories
from tests.tree import ROOT

ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "made up for this test",
    "affected": [
        {
            "package": {"name": "boto3", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
        }
    ],
}


def audited(address: str) -> subprocess.CompletedProcess[str]:
    """Run the audit against the database at `address`."""
    flags = f"--vulnerability-service osv --osv-url {address}"
    return subprocess.run(
        ["make", "audit"],
        cwd=ROOT,
        env=os.environ | {"AUDIT_FLAGS": flags},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_one_known_vulnerability_fails_the_audit() -> None:
    """Every pin of the lock is asked about, and a single finding is told with its mending release."""
    asked: set[str] = set()
    with advisories({"boto3": {"vulns": [ADVISORY]}}, asked) as address:
        done = audited(address)

    lock = (ROOT / "requirements" / "all.txt").read_text()
    pinned = set(re.findall(r"^([a-z0-9._-]+)==[^\s;]+ \\$", lock, re.MULTILINE))
    assert done.returncode != 0
    assert re.search(r"boto3 +\S+ +PYSEC-2026-1 +999", done.stdout)
    assert pinned - asked == set()


@pytest.mark.slow
def test_no_answer_is_no_good_news() -> None:
    """A database that cannot be reached fails the audit."""
    assert audited("http://127.0.0.1:9").returncode != 0
