"""
Removes each safety check of the worker in turn, in a copy of the tree, and runs the test that must fail.

`make guards` runs it over tests/chaos/guards.txt and prints a table; it ends with 1 where no test noticed. A
check that no test misses is either not needed or not tested. An entry of the list:

    # what the check does
    @ a test that must fail without it; there may be several
    -the text that is removed, which occurs once in app/
    +the text in its place, if any
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.tree import ROOT, copy_of

LIST = Path(__file__).with_suffix(".txt")
_TIMEOUT_SECS = 400
_VERDICTS = {0: "MISSED", 1: "caught"}
"""By pytest's exit code; with any other no test ran."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A safety check, the edit that removes it, and the tests that must fail then."""

    name: str
    tests: tuple[str, ...]
    old: str
    new: str

    def edit(self, root: Path) -> tuple[Path, str]:
        """Return the file of `root` that holds the check, and its text without it."""
        found = [
            (path, text) for path in (root / "app").rglob("*.py") if self.old in (text := path.read_text())
        ]
        if sum(text.count(self.old) for _, text in found) != 1:
            message = (
                f"{self.name}: its text must be in app/ once, and is in {[str(path) for path, _ in found]}"
            )
            raise ValueError(message)
        ((path, text),) = found
        return path, text.replace(self.old, self.new)


def guards() -> list[Guard]:
    """Return the guards of the list."""
    entries = []
    for block in LIST.read_text().strip().split("\n\n"):
        lines = [(line[:1], line[1:]) for line in block.splitlines()]
        name, tests, old, new = ([text for mark, text in lines if mark == wanted] for wanted in "#@-+")
        entries.append(
            Guard(name[0].strip(), tuple(test.strip() for test in tests), "\n".join(old), "\n".join(new))
        )
    return entries


def address(test: str, root: Path = ROOT) -> str:
    """Return the pytest address of a test that is named without its file."""
    definition = re.compile(rf"^ *def {test.partition('[')[0]}\(", re.MULTILINE)
    (path,) = (path for path in (root / "tests").rglob("test_*.py") if definition.search(path.read_text()))
    return f"{path.relative_to(root)}::{test}"


def judge(guard: Guard, test: str) -> tuple[str, str]:
    """Run a test on a copy of the tree without the guard; return the verdict and the test's last word."""
    with tempfile.TemporaryDirectory(prefix="story-tts-guards-") as folder:
        copy = copy_of(("app", "tests", "pyproject.toml"), Path(folder))
        path, text = guard.edit(copy)
        path.write_text(text)
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", "--tb=line", address(test)],
            cwd=copy,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECS,
            check=False,
        )
    reasons = [line for line in result.stdout.splitlines() if "Error" in line or "FAILED" in line]
    return _VERDICTS.get(result.returncode, "BROKEN"), (reasons or [result.stdout[-300:]])[0].strip()


def main() -> int:
    """Print the table, one line per guard and test; return 0 where tests noticed every removal."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.guards", description=__doc__)
    parser.add_argument("--only", default="", help="guards whose name holds this")
    only = parser.parse_args().only
    cases = [(guard, test) for guard in guards() if only in guard.name for test in guard.tests]
    print("| guard removed | test that fails | verdict |\n|---|---|---|", flush=True)
    caught = 0
    for guard, test in cases:
        began = time.monotonic()
        verdict, reason = judge(guard, test)
        caught += verdict == "caught"
        print(f"| {guard.name} | {test} | {verdict} ({time.monotonic() - began:.0f} s) |", flush=True)
        if verdict != "caught":
            print(f"  {reason}", flush=True)
    print(f"{caught} of {len(cases)} are noticed", flush=True)
    return 0 if caught == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
