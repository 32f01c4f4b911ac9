"""Texts that engines have lost words of, or died of, and paragraphs of many languages."""

from tests.tree import ROOT

_FOLDER = ROOT / "tests/data/hard-to-say"


def paragraphs() -> dict[str, str]:
    """Return a paragraph of its language for each of espeak's own voices."""
    lines = (ROOT / "tests/data/languages.tsv").read_text("utf-8").splitlines()
    return {voice: text for voices, text in (line.split("\t") for line in lines) for voice in voices.split()}


def hard_lines(kind: str) -> list[str]:
    """Return the lines of a kind: korean, burmese, apostrophes, digits or titles."""
    return (_FOLDER / f"{kind}.txt").read_text("utf-8").splitlines()
