"""Texts that engines have lost words of, or died of: a line each, by kind."""

from tests.tree import ROOT

_FOLDER = ROOT / "tests/data/hard-to-say"


def hard_lines(kind: str) -> list[str]:
    """Return the lines of a kind: korean, burmese, apostrophes, digits or titles."""
    return (_FOLDER / f"{kind}.txt").read_text("utf-8").splitlines()
