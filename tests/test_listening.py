"""What the word error counts: words that sound otherwise, not other spellings of the same sounds."""

import pytest

pytest.importorskip("num2words")  # of the speech extra

from benchmarks.listening import Difference, compare, words_of


@pytest.mark.parametrize(
    ("text", "transcript"),
    [
        ("“Don’t,” said Mr. Hale.", "Don't said Mister Hale"),
        ("at nine thirty, or ten oh five", "At 9:30 or 10-05."),
        ("one thousand two hundred and fifty dollars and five cents", "$1,250.05"),
        ("the first of May eighteen ninety seven", "the 1st of May 1897"),
        ("Henry the eighth", "Henry VIII"),
        ("three to four hours", "3-4 hours"),
        ("any one of them", "anyone of them"),
        ("two and a half miles, three quarters", "2 and 1/2 miles, 3/4"),
        ("in the nineteen twenties", "in the 1920s"),
        ("’Tis ten percent", "It is 10%"),
        ("Café, grey", "cafe gray"),
    ],
)
def test_the_same_sounds_are_no_error(text: str, transcript: str) -> None:
    """Whisper writes numbers, titles and accents in its own way."""
    assert compare(words_of(text), words_of(transcript)).differences == ()


@pytest.mark.parametrize(
    ("transcript", "expected", "errors"),
    [
        ("the old man sat down", (), 0),
        ("the man sat down", (Difference("missing", "the", "old", "", 1),), 1),
        ("the old old man sat down", (Difference("added", "the", "", "old", 1),), 1),
        ("the cold man sat", (
            Difference("replaced", "the", "old", "cold", 1),
            Difference("missing", "sat", "down", "", 4),
        ), 2),
    ],
)  # fmt: skip
def test_every_other_word_is_an_error(transcript: str, expected: tuple[Difference, ...], errors: int) -> None:
    """A missing, an added and a replaced word count one each, and are told with their places."""
    comparison = compare(words_of("The old man sat down."), words_of(transcript))
    assert comparison.differences == expected
    assert (comparison.errors, comparison.rate) == (errors, errors / 5)
