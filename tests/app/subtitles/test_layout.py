"""Cues follow the reading rules for prose, and the invariants for any text."""

from collections.abc import Iterator
from itertools import chain, pairwise, repeat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.subtitles import layout
from app.subtitles.base import Cue
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.text.chunks import chunks
from app.text.spans import Boundary, Span, Word
from tests.reading_rules import CORPUS, fast, faults, spoken

texts = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            "  \n\n.,;!?-\N{EM DASH}\"'abcdefgXYZ019\u3002\u3042\u4e16\u0301\u200d\N{GRINNING FACE}"
        ),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=400,
)
UNLESS_TOO_FAST = {"shortest", "unclosed"}
"""Rules that may be relaxed for words that are spoken too fast or too slowly."""


def lay(source: str, style: Style | None = None, **pace: float) -> list[Cue]:
    """Return the cues of a text spoken at a steady pace."""
    return [*Layout(style).cues(spoken(source, **pace))]


def lines(source: str) -> list[tuple[str, ...]]:
    """Return the lines of each cue."""
    return [cue.lines for cue in lay(source)]


def timed(source: str, times: list[tuple[float, float]]) -> Iterator[Word]:
    """Yield the words of a text with the given (pause, duration) each, by default (0, 0.1) seconds."""
    now = 0.0
    paces = chain(times, repeat((0.0, 0.1)))
    for chunk in chunks(source, measure=len, limit=80):
        for word, (pause, duration) in zip(chunk.words, paces, strict=False):
            now += pause
            span = Span(chunk.start + word.span.start, chunk.start + word.span.end)
            yield Word(source[span.start : span.end], now, now + duration, span, word.boundary)
            now += duration


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("columns_a_second", [12.0, 15.0, 17.0])
def test_prose_keeps_every_rule(path: Path, columns_a_second: float) -> None:
    """At a reader's pace, the shipped story and the passages keep all hard rules and the reading speed."""
    source = path.read_text("utf-8")
    cues = lay(source, columns_a_second=columns_a_second)
    assert faults(cues, source, Style()) == {}
    assert fast(cues, Style()) <= 0.005 * len(cues)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_prose_keeps_the_hard_rules_at_any_speed(path: Path, speed: float) -> None:
    """At other speeds only the reading speed is relaxed."""
    source = path.read_text("utf-8")
    assert faults(lay(source, speed=speed), source, Style()) == {}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_children_have_more_time(path: Path) -> None:
    """The style for children keeps 17 columns per second at a slow reader's pace."""
    style = Style.for_children()
    assert style.speed == 17.0
    source = path.read_text("utf-8")
    cues = lay(source, style, columns_a_second=13.0)
    assert faults(cues, source, style) == {}
    assert fast(cues, style) <= 0.005 * len(cues)


@settings(deadline=None)
@given(texts, st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), max_size=80))
def test_any_text_at_any_pace_keeps_the_invariants(source: str, times: list[tuple[float, float]]) -> None:
    """Text, lines, order, gaps, longest time and paragraphs hold for any text and any times."""
    cues = [*Layout().cues(timed(source, times))]
    paragraphs = source.replace("\r", "").isprintable()  # `faults` knows one kind of blank line
    assert set(faults(cues, source, Style())) - UNLESS_TOO_FAST <= (set() if paragraphs else {"paragraph"})


@settings(deadline=None)
@given(texts, st.integers(2, 60), st.floats(0.02, 0.5))
def test_lines_hold_for_any_style(source: str, line_width: int, secs: float) -> None:
    """For any line width, no text is lost and no line is wider."""
    style = Style(line_width=line_width)
    cues = [*Layout(style).cues(timed(source, [(0.0, secs)] * len(source)))]
    assert not {"text", "width", "lines", "order", "gap", "longest"} & set(faults(cues, source, style))


@settings(deadline=None)
@given(texts, st.lists(st.tuples(st.floats(0, 2), st.floats(0, 1)), max_size=80))
def test_the_report_counts_relaxed_rules(source: str, times: list[tuple[float, float]]) -> None:
    """The report has the exact number of cues that are too fast or too short."""
    laid = Layout()
    cues = [*laid.cues(timed(source, times))]
    found = (laid.report.cues, laid.report.fast, laid.report.short)
    assert found == (len(cues), fast(cues, Style()), faults(cues, source, Style())["shortest"])


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.05, 1)), min_size=1, max_size=60))
def test_a_cue_stays_no_longer_than_it_may(times: list[tuple[float, float]]) -> None:
    """A cue stays longer than half a second after its last word only to reach the shortest time."""
    style = Style()
    source = " ".join(["Word, or two."] * (len(times) // 3 + 1))
    words = [*timed(source, times)]
    cues = [*Layout().cues(iter(words))]
    position = 0
    for cue in cues:
        count = len(" ".join(cue.lines).split())
        spoken_until = words[position + count - 1].end_secs
        position += count
        shown = cue.end_secs - cue.start_secs
        assert (
            cue.end_secs <= spoken_until + style.linger_ms / 1000 + 0.001
            or shown <= style.shortest_ms / 1000 + 0.5
        )


def test_a_cue_starts_with_its_first_word() -> None:
    """At a reader's pace no cue starts late."""
    source = CORPUS[0].read_text("utf-8")
    laid = Layout()
    words = [*spoken(source)]
    starts = {round(word.start_secs * 1000) for word in words}
    assert {round(cue.start_secs * 1000) for cue in laid.cues(iter(words))} <= starts
    assert laid.report.late == 0


def test_a_short_text_is_one_line() -> None:
    """What fits a line is not broken."""
    assert lines("She would have no one follow her.") == [("She would have no one follow her.",)]


def test_cues_end_with_sentences() -> None:
    """Two sentences that are long enough are two cues, though they would fit one."""
    assert lines("He left the house at dawn that day. She did not see him go at all.") == [
        ("He left the house at dawn that day.",),
        ("She did not see him go at all.",),
    ]


def test_cues_end_with_clauses_where_a_sentence_is_too_long() -> None:
    """A long sentence is cut after its commas, not within a clause."""
    source = (
        "When the storm of grief had finally spent itself at last, she went away to her own room alone, "
        "and she would have no one at all come and follow her there."
    )
    assert [cue[-1][-1] for cue in lines(source)] == [",", ",", "."]


def test_lines_are_balanced_and_break_before_a_preposition() -> None:
    """Two lines have similar lengths, and the first does not end with an article or preposition."""
    assert lines("The notes of a distant song reached Ann from the far end of the street.") == [
        ("The notes of a distant song reached Ann", "from the far end of the street.")
    ]


@pytest.mark.parametrize("word", ["the", "a", "of", "with", "her", "Mr."])
def test_no_line_ends_with_a_word_that_binds(word: str) -> None:
    """An article, preposition, possessive or title stays with the next word if another break is possible."""
    source = f"Something came slowly down from {word} Mountain to a quiet valley."
    for cue in lines(source):
        assert not cue[0].endswith(f" {word}")


def test_paragraphs_never_share_a_cue() -> None:
    """Even a short paragraph has its own cue."""
    assert lines('"No."\n\n"Yes."') == [('"No."',), ('"Yes."',)]


def test_a_word_too_long_for_a_line_is_split() -> None:
    """A long word continues on the next line without an added space or hyphen."""
    word = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbeamtengesellschaft"
    assert "".join("".join(cue) for cue in lines(word)) == word
    url = "https://example.org/a-rather-long-path/with-several/parts-of-it/and-more"
    assert lines(url)[0][0].endswith(("-", "/"))


def test_wide_characters_take_two_columns() -> None:
    """A line holds half as many ideographs as letters."""
    for cue in lines("\u4e16\u754c\u306f" * 30):
        assert max(map(len, cue)) <= 21


def test_a_closing_bracket_never_begins_a_line() -> None:
    """Closing marks stay with the character before them, opening marks with the one after."""
    source = "\u300c\u4eca\u65e5\u306f\u3001\u3044\u3044\u5929\u6c17\u3067\u3059\u3002\u300d" * 12
    for cue in lines(source):
        for line in cue:
            assert line[0] not in "\u3001\u3002\u300d"
            assert line[-1] != "\u300c"


def test_line_breaks_of_the_source_are_spaces() -> None:
    """Line breaks within a paragraph are ignored."""
    assert lines("one\ntwo\r\n three") == [("one two three",)]


def test_a_long_pause_separates_cues() -> None:
    """Words after a long silence are in a new cue."""
    words = [
        Word("Wait", 0, 1, Span(0, 4)),
        Word("for", 1, 1.3, Span(5, 8)),
        Word("it", 5, 5.5, Span(9, 11)),
        Word("now.", 5.5, 6.4, Span(12, 16), Boundary.PARAGRAPH),
    ]
    assert [cue.lines for cue in Layout().cues(words)] == [("Wait for",), ("it now.",)]


def test_a_long_word_is_shown_for_the_longest_time() -> None:
    """A word of ten seconds is shown for seven."""
    cue = next(Layout().cues([Word("Oh.", 1, 11, Span(0, 3), Boundary.PARAGRAPH)]))
    assert (cue.start_secs, cue.end_secs) == (1.0, 8.0)


def test_short_cries_make_the_next_one_late() -> None:
    """If words leave less than the shortest time, the next cue is delayed within bounds, and counted."""
    source = "\n\n".join(["No!"] * 40)
    laid = Layout()
    cues = [*laid.cues(timed(source, [(0.1, 0.2)] * 40))]
    style = Style()
    assert laid.report.latest_ms <= style.late_ms
    assert laid.report.late > 0
    assert laid.report.short > 0
    assert set(faults(cues, source, style)) <= {"shortest"}


@pytest.mark.parametrize(
    "sentence", ["The quick brown fox jumps over it. ", "word ", "\u4e16", "x" * 60 + " "]
)
def test_cues_are_streamed(sentence: str) -> None:
    """Cues of a single long paragraph are produced while words arrive, from a bounded window."""
    taken = 0

    def words() -> Iterator[Word]:
        nonlocal taken
        for word in spoken(sentence * (6_000 // len(sentence))):
            taken += 1
            yield word

    shown = 0
    for cue in Layout().cues(words()):
        shown += len(" ".join(cue.lines).split()) if " " in sentence else len("".join(cue.lines))
        assert taken - shown <= 700


def test_a_long_paragraph_has_the_same_cues_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paragraph longer than the window has the same cues as with an unlimited window."""
    source = " ".join(CORPUS[0].read_text("utf-8").split()) * 2
    in_steps = lay(source)
    monkeypatch.setattr(layout, "_HORIZON", 10_000)
    assert in_steps == lay(source)


@pytest.mark.parametrize(
    "numbers",
    [
        {"line_width": 1},
        {"shortest_ms": 8_000},
        {"shortest_ms": 0},
        {"gap_ms": 600},
        {"speed": 0.0},
        {"late_ms": -1},
    ],
)
def test_an_impossible_style_is_refused(numbers: dict[str, int]) -> None:
    """Parameters that contradict each other raise an error."""
    with pytest.raises(ValueError, match="must"):
        Style(**numbers)


def test_times_are_those_of_the_files() -> None:
    """Times are whole milliseconds, so that writing them does not round."""
    for before, after in pairwise(lay(CORPUS[0].read_text("utf-8"))):
        assert round(after.start_secs * 1000) - round(before.end_secs * 1000) >= Style().gap_ms
        assert before.start_secs == round(before.start_secs, 3)
