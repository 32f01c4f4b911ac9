"""What is written is said as a reader would say it, and every spoken word knows its place in the source."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.spoken.form import spoken_form

CASES = sorted(Path("tests/data/spoken-forms").glob("*.tsv"))


def rows() -> list[tuple[str, str, str]]:
    r"""Return (class, written form, spoken form) of all cases; `\n` in a case is a line break."""
    return [
        (path.stem, *line.replace("\\n", "\n").split("\t"))  # type: ignore[misc]
        for path in CASES
        for line in path.read_text("utf-8").splitlines()
    ]


def say(text: str, language: str = "en-us") -> str:
    """Return the spoken form, white space joined."""
    return " ".join(spoken_form(text, language=language).text.split())


@pytest.mark.parametrize(("kind", "written", "spoken"), rows())
def test_written_forms_are_said_in_words(kind: str, written: str, spoken: str) -> None:
    """Each case of tests/data/spoken-forms is said as its row has it."""
    assert kind
    assert spoken == say(written)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("123 men", "one hundred and twenty three men"),
        ("on 3/4/2021", "on the third of April twenty twenty one"),
        ("Lt. Fry", "Leftenant Fry"),
        ("2,005 days", "two thousand and five days"),
    ],
)
def test_british_english_differs(written: str, spoken: str) -> None:
    """British voices say "and" before tens, put the day first, and know leftenants."""
    assert spoken == say(written, "en-gb")


@pytest.mark.parametrize(
    ("language", "written", "spoken"),
    [
        ("fr-fr", "C’est *l’été* : 3 jours.[1]", "C'est l'été : 3 jours."),
        ("es", "Dijo -- en voz baja -- que no.", "Dijo \N{EM DASH} en voz baja \N{EM DASH} que no."),
        ("de", "Der **alte** Kahn, Nr. 5", "Der alte Kahn, Nr. 5"),
        ("it", "L’uomo, 2 1/2 chili", "L'uomo, 2 1/2 chili"),
        ("ja", "今日は「元気」です。", "今日は「元気」です。"),
    ],
)
def test_other_languages_get_what_is_safe(language: str, written: str, spoken: str) -> None:
    """Apostrophes, dashes and markup are mended in every language; digits are left to its engine."""
    assert spoken == say(written, language)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("One line\N{LINE SEPARATOR}another line", "One line; another line"),
        ("One line.\N{LINE SEPARATOR}Another", "One line. Another"),
        ("wrapped at\nthis width", "wrapped at this width"),
    ],
)
def test_intended_line_breaks_are_pauses(written: str, spoken: str) -> None:
    """A line of a list or verse ends with a pause; a wrapped line does not."""
    assert spoken == say(written)


@pytest.mark.parametrize(
    ("text", "spoken", "source"),
    [
        ("He paid $5 for it.", "five dollars", "$5"),
        ("He paid $5 for it.", "it.", "it."),
        ("2 1/2 eggs and 3 cups", "two and a half", "2 1/2"),
        ("2 1/2 eggs and 3 cups", "cups", "cups"),
        ("a *big* lamp", "big", "big"),
        ("the carpen-\nter slept", "carpenter", "carpen-\nter"),
        ("Dr. Evil left", "Evil", "Evil"),
        ("I\u200bmp\u00adish boys", "boys", "boys"),
    ],
)
def test_spoken_words_know_their_source(text: str, spoken: str, source: str) -> None:
    """What is said for some characters is traced back to exactly these characters."""
    form = spoken_form(text, language="en-us")
    start = form.text.index(spoken)
    span = form.source_span(start, start + len(spoken))
    assert source == text[span.start : span.end]


texts = st.text(
    alphabet=st.one_of(
        st.sampled_from("0123456789 .,:/-$£%'’*_#[]()@+=&\n\u2028\u2014½²IVXAMPMkgfts"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=120,
)


@given(texts, st.sampled_from(["en-us", "en-gb", "fr-fr", "ko"]))
def test_any_text_has_a_spoken_form(text: str, language: str) -> None:
    """Spans of spoken words lie in the source, in order, whatever the text."""
    form = spoken_form(text, language=language)
    assert len(form.repaired) == len(text)
    last = 0
    for position in range(len(form.text)):
        span = form.source_span(position, position + 1)
        assert 0 <= span.start < span.end <= len(text)
        assert last <= span.start
        last = span.start


@given(st.text(alphabet="0123456789.,:/-$£% ap", max_size=40))
def test_no_digit_is_left_in_english(text: str) -> None:
    """English is spelled out whole: an aligner and an engine meet no digit."""
    assert not any(character.isdigit() for character in spoken_form(text, language="en-us").text)


@pytest.mark.parametrize(
    "unit", ["a/b/", "s'", "x-", "[a](b)", "\"'", "a,b;", "1.2.3.", "MIX ", "$1 ", "Dr. "]
)
def test_runs_are_bounded(unit: str) -> None:
    """No run without white space is longer than an engine can take, however the text is made."""
    spoken = spoken_form(unit * 400, language="en-us").text
    assert max(map(len, spoken.split()), default=0) <= 64
