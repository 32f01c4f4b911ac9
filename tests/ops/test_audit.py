"""`make audit`, against a database of advisories on loopback."""

import os
import re
import subprocess
from typing import Any

import pytest

from tests.ops.servers import Request, serve_json
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
    """Every pin of the locks is checked, and a finding names the release that fixes it."""
    asked: set[str] = set()

    def answer(request: Request) -> tuple[int, Any]:
        # As OSV answers: https://google.github.io/osv.dev/post-v1-query/
        asked.add(request.body["package"]["name"])
        return 200, {"vulns": [ADVISORY]} if request.body["package"]["name"] == "boto3" else {}

    with serve_json(answer) as address:
        done = audited(address)

    names = ("all.txt", "ministack.txt", "policies.txt")
    locks = "".join((ROOT / "requirements" / name).read_text() for name in names)
    pinned = set(re.findall(r"^([a-z0-9._-]+)==[^\s;]+ \\$", locks, re.MULTILINE))
    assert done.returncode != 0
    assert re.search(r"boto3 +\S+ +PYSEC-2026-1 +999", done.stdout)
    assert pinned - asked == set()


@pytest.mark.slow
def test_an_unreachable_database_fails_the_audit() -> None:
    """Without an answer the audit does not pass."""
    assert audited("http://127.0.0.1:9").returncode != 0
