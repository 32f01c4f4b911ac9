"""What the threat model leans on is there: every file that it names, and every test."""

import ast
import re

import pytest

from tests.tree import ROOT

TEXT = (ROOT / "docs/threat-model.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))
FILES = sorted(set(re.findall(r"`((?:app|stack|ops|make|requirements|tests)/[\w./-]+)`", TEXT)))


@pytest.mark.parametrize(("path", "name"), TESTS)
def test_every_test_that_it_names_exists(path: str, name: str) -> None:
    """A defence whose test was renamed or removed is a defence that nobody keeps."""
    assert name in {getattr(node, "name", "") for node in ast.parse((ROOT / path).read_text()).body}


@pytest.mark.parametrize("path", FILES)
def test_every_file_that_it_names_exists(path: str) -> None:
    """Where a defence is said to stand there is a file."""
    assert (ROOT / path).is_file()


def test_every_table_of_threats_names_what_keeps_it() -> None:
    """No row of a table that speaks of defences goes without a file or a test."""
    tables = re.findall(r"\|[^\n]*kept by \|\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT)
    rows = [row for table in tables for row in table.splitlines()]
    unkept = [row for row in rows if not re.search(r"`(app|stack|ops|make|tests|requirements)/", row)]

    assert len(rows) > 20
    assert unkept == []
