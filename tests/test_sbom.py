"""The bill of materials lists what the locks install, and one lock stands for all in the audit."""

import json
import re
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ops.errors import OpsError
from ops.sbom import IMAGES, bill_of
from tests.tree import ROOT

LOCKS = ROOT / "requirements"
DIGEST = "a" * 64
LOCK = f"""\
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:{DIGEST}
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:{"b" * 64} \\
    --hash=sha256:{DIGEST}
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:{DIGEST}
"""


def pins(lock: Path) -> set[tuple[str, str]]:
    """Return the names and versions that a lock holds; a label such as +cpu tells builds apart, not code."""
    return {
        (name, version.partition("+")[0])
        for name, version in re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE)
    }


@pytest.mark.parametrize("image", IMAGES)
def test_every_bill_is_cyclonedx_and_holds_what_the_locks_pin(image: str) -> None:
    """A bill keeps the schema to the letter; its packages are the locks', and so are their digests."""
    locks = [LOCKS / f"{name}.txt" for name in IMAGES[image]]
    text = bill_of(image, locks)
    spelled = "".join(lock.read_text() for lock in locks)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = json.loads(text)["components"]
    assert {(part["name"], part["version"].partition("+")[0]) for part in components} < {
        pin for lock in locks for pin in pins(lock)
    }
    assert "boto3" in {part["name"] for part in components}
    assert all(f"sha256:{found['content']}" in spelled for part in components for found in part["hashes"])


def test_a_bill_holds_what_the_image_installs_alone(tmp_path: Path) -> None:
    """Packages for other systems and other Pythons are left out; every digest of the others is listed."""
    lock = tmp_path / "lock.txt"
    lock.write_text(LOCK)

    (component,) = json.loads(bill_of("test", [lock]))["components"]

    assert component["purl"] == "pkg:pypi/numpy@2.4.6"
    assert {found["content"] for found in component["hashes"]} == {DIGEST, "b" * 64}


@pytest.mark.parametrize("line", ["numpy", "numpy>=2", "numpy==2.4.6"])
def test_a_loose_pin_is_no_bill(tmp_path: Path, line: str) -> None:
    """What a lock does not fix to a version and its digests cannot be listed, and is said by name."""
    lock = tmp_path / "lock.txt"
    lock.write_text(line)

    with pytest.raises(OpsError, match="numpy is not pinned"):
        bill_of("test", [lock])


def test_the_locks_that_are_audited_hold_every_other() -> None:
    """`make audit` asks about three locks: whatever another one installs stands in one of them, too."""
    audited = set().union(*(pins(LOCKS / f"{name}.txt") for name in ("all", "ministack", "policies")))
    others = {lock.name: pins(lock) - audited for lock in LOCKS.glob("*.txt")}

    assert {name: missing for name, missing in others.items() if missing} == {}
    assert len(audited) > len(pins(LOCKS / "demo.txt"))
