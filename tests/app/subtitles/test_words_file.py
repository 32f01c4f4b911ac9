"""words.json is read back as it was written, and a damaged file is refused."""

from pathlib import Path

import pytest

from app.errors import InvalidMediaError
from app.media import WORDS
from app.subtitles.formats import SubtitleFiles
from app.subtitles.words_file import read_words, text_of
from app.text.words import paragraphs
from tests.reading_rules import CORPUS, spoken

TEXT = CORPUS[0].read_text("utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the words of the shipped story."""
    with SubtitleFiles(tmp_path) as files:
        for word in spoken(TEXT):
            files.write_word(word)
    return files.paths[WORDS]


def test_words_are_read_back(file: Path) -> None:
    """Text, span, boundary and times, to the millisecond."""
    for read, written in zip(read_words(file), spoken(TEXT), strict=True):
        assert (read.text, read.span, read.boundary) == (written.text, written.span, written.boundary)
        assert read.start_secs == pytest.approx(written.start_secs, abs=0.0006)
        assert read.end_secs == pytest.approx(written.end_secs, abs=0.0006)


@pytest.mark.parametrize("text", [TEXT, "One.\u2029Two  three.\n \nFour."])
def test_a_text_is_restored_from_its_words(text: str) -> None:
    """The restored text has every word at its span, and the paragraphs of the source."""
    restored = text_of(spoken(text))
    assert [restored[word.span.start : word.span.end] for word in spoken(text)] == [
        word.text for word in spoken(text)
    ]
    assert len(list(paragraphs(restored))) == len(list(paragraphs(text.strip())))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:0],
        lambda text: text[:30],
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text[: len(text) // 2],
        lambda text: text.removesuffix("\n]}\n"),
        lambda text: text.replace('"span": [0, 3]', '"span": [0]'),
        lambda text: text.replace('"text": "The", ', ""),
        lambda text: text.replace('"ends": "paragraph"', '"ends": "world"'),
    ],
)
def test_a_damaged_file_is_refused(file: Path, damage: "object") -> None:
    """What is not a complete words.json is named, whatever is wrong with it."""
    assert callable(damage)
    text = file.read_text(encoding="utf-8")
    file.write_text(damage(text), encoding="utf-8")
    assert file.read_text(encoding="utf-8") != text
    with pytest.raises(InvalidMediaError, match=r"words\.json"):
        list(read_words(file))
