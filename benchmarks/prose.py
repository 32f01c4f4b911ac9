"""Prose of any length for measurements: shuffled sentences in the public domain."""

import random
import re

from tests.tree import ROOT

_SOURCES = ("app/local/stories/*.txt", "tests/data/passages/*.txt")
_SENTENCES_A_PARAGRAPH = 6
CHARACTERS_A_MINUTE = 900
"""Kokoro at normal speed: about 920 phonemes."""


def prose(characters: int, *, seed: int = 1) -> str:
    """Return at least `characters` characters of paragraphs, the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  # order of sentences, no secret
    text = "\n\n".join(path.read_text("utf-8") for pattern in _SOURCES for path in sorted(ROOT.glob(pattern)))
    sentences = [" ".join(sentence.split()) for sentence in re.split(r"(?<=[.!?])\s+", text)]
    paragraphs: list[str] = []
    length = 0
    while length < characters:
        paragraph = " ".join(chance.sample(sentences, _SENTENCES_A_PARAGRAPH))
        paragraphs.append(paragraph)
        length += len(paragraph) + 2
    return "\n\n".join(paragraphs)
