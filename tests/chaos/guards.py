"""
Removes each safety check of the worker in turn, in a copy of the tree, and runs the tests that must fail.

`make guards` runs it over tests/chaos/guards.txt and prints a table; it ends with 1 where no test noticed. A
check that no test misses is either not needed or not tested. An entry of the list:

    # what the check does
    @ a test that must fail without it; there may be several
    -the text that is removed, which occurs once in app/
    +the text in its place, if any
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.tree import ROOT, copy_of

LIST = Path(__file__).with_suffix(".txt")
_TIMEOUT_SECS = 400
_VERDICTS = {0: "MISSED", 1: "caught"}
"""By pytest's exit code; with any other no test ran."""


class Guard(NamedTuple):
    """A safety check, the tests that must fail without it, and the edit that removes it."""

    name: str
    tests: list[str]
    old: str
    new: str

    def edit(self, root: Path) -> tuple[Path, str]:
        """Return the file of `root` that holds the check, and its text without it."""
        texts = {path: path.read_text() for path in (root / "app").rglob("*.py")}
        found = [path for path, text in texts.items() for _ in range(text.count(self.old))]
        if len(found) != 1:
            message = f"{self.name}: its text must be in app/ once, and is in {[str(path) for path in found]}"
            raise ValueError(message)
        return found[0], texts[found[0]].replace(self.old, self.new)


def guards() -> list[Guard]:
    """Return the guards of the list."""
    found = []
    for block in LIST.read_text().strip().split("\n\n"):
        name, tests, old, new = (
            [line[1:] for line in block.splitlines() if line[0] == mark] for mark in "#@-+"
        )
        found.append(Guard(name[0].strip(), [test.strip() for test in tests], "\n".join(old), "\n".join(new)))
    return found


def address(test: str) -> str:
    """Return the pytest address of a test that is named without its file."""
    definition = re.compile(rf"^ *def {test.partition('[')[0]}\(", re.MULTILINE)
    texts = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    ((path, match),) = [(path, match) for path, text in texts.items() if (match := definition.search(text))]
    classes = re.findall(r"^class (\w+)", texts[path][: match.start()], re.MULTILINE)
    inside = [classes[-1]] if match[0].startswith(" ") else []
    return "::".join([str(path.relative_to(ROOT)), *inside, test])


def judge(guard: Guard, test: str) -> str:
    """Run a test on a copy of the tree without the guard; return the verdict, and why it is none."""
    with tempfile.TemporaryDirectory(prefix="story-tts-guards-") as folder:
        copy = copy_of(("app", "tests", "pyproject.toml"), Path(folder))
        (copy / ".tools").symlink_to(ROOT / ".tools")
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
    return _VERDICTS.get(result.returncode, f"BROKEN: {result.stdout[-300:]}")


def main() -> int:
    """Judge the guards whose names hold the first argument; return 0 where tests noticed every removal."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    cases = [(guard, test) for guard in guards() if part in guard.name for test in guard.tests]
    print("| guard removed | test that fails | verdict |\n|---|---|---|", flush=True)
    verdicts = []
    for guard, test in cases:
        verdicts.append(judge(guard, test))
        print(f"| {guard.name} | {test} | {verdicts[-1]} |", flush=True)
    caught = verdicts.count("caught")
    print(f"{caught} of {len(cases)} are noticed", flush=True)
    return 0 if caught == len(cases) else 1


if __name__ == "__main__":
    sys.exit(main())
