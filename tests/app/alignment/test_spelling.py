"""Words as an aligner hears them: letters alone, and every word that is said has some."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alignment.spelling import spelled, spelled_groups
from app.text.spans import Span
from app.text.spoken.form import spoken_form

pytest.importorskip("num2words", reason="of the speech extra; `make test` installs it")
pytestmark = pytest.mark.speech

LETTERS = "abcdefghijklmnopqrstuvwxyz'"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("“Hello,”", "hello"),
        ("don’t", "don't"),
        ("rock'n'roll", "rock'n'roll"),
        ("well-known", "well known"),
        ("1987", "nineteen eighty seven"),
        ("1987,", "nineteen eighty seven"),
        ("3000", "three thousand"),
        ("1,234", "one thousand two hundred and thirty four"),
        ("22nd", "twenty second"),
        ("3.14", "three point one four"),
        ("$5", "five dollars"),
        ("10%", "ten percent"),
        ("A&B", "a and b"),
        ("3.1.4", "three one four"),
        ("1" * 20, "one " * 20),
        ("café", "cafe"),
        ("٣٤", "thirty four"),
        ("你好", "**"),
        ("—", ""),
        ("😀", ""),
        ("'", ""),
    ],
)
def test_english_words_are_spelled(word: str, expected: str) -> None:
    """Digits and signs become words, accents fold, other scripts become wildcards, marks nothing."""
    assert expected.split() == spelled(word, language="en", letters=LETTERS)


def test_numbers_are_read_in_the_language(  # the same digits, other words
) -> None:
    """Each language has its own numbers, and keeps the letters that its network knows."""
    assert spelled("21", language="fr", letters=LETTERS) == ["vingt", "et", "un"]
    assert spelled("21", language="es", letters=LETTERS) == ["veintiuno"]
    assert spelled("l’été", language="fr", letters=LETTERS + "é") == ["l'été"]


@given(st.text(max_size=40))
def test_any_text_spells_to_letters_alone(text: str) -> None:
    """Whatever a story holds, the transcript has nothing but letters and wildcards, and no empty word."""
    for word in spelled(text, language="en", letters=LETTERS):
        assert word
        assert set(word) <= set(LETTERS) | {"*"}


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll", "Nd"]), min_size=1, max_size=20))
def test_letters_and_digits_are_always_said(text: str) -> None:
    """No word that is heard is left without something to hear."""
    assert spelled(text, language="en", letters=LETTERS)


def groups(text: str) -> list[tuple[int, int, str]]:
    """Return (first word, last word, spelling) of the groups of a text's words."""
    words = [Span(*match.span()) for match in re.finditer(r"\S+", text)]
    spoken = spoken_form(text, language="en-us")
    return [
        (group.first, group.last, " ".join(group.parts))
        for group in spelled_groups(spoken, words, language="en", letters=LETTERS)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("He paid $5 then", [(0, 0, "he"), (1, 1, "paid"), (2, 2, "five dollars"), (3, 3, "then")]),
        ("2 1/2 cups", [(0, 1, "two and a half"), (2, 2, "cups")]),
        ("the gar-\nden wall", [(0, 0, "the"), (1, 2, "garden"), (3, 3, "wall")]),
        ("so * it goes", [(0, 0, "so"), (2, 2, "it"), (3, 3, "goes")]),
        ("at 9:30 p.m.", [(0, 0, "at"), (1, 2, "nine thirty p m")]),
        ("", []),
    ],
)  # fmt: skip
def test_words_are_spelled_as_they_are_said(text: str, expected: list[tuple[int, int, str]]) -> None:
    """An aligner spells the spoken form; words that are said as one are one group."""
    assert expected == groups(text)
