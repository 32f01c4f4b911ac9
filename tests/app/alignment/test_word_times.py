"""Each word gets a time from whatever marks there are, in order and inside the chunk."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alignment.word_times import time_words
from app.speech.base import Mark
from app.text.spans import Span

TEXT = "One two three four."
WORDS = [Span(0, 3), Span(4, 7), Span(8, 13), Span(14, 19)]

wild = st.builds(Mark, st.integers(-5, 70), st.integers(-5, 70), st.floats(), st.floats())
tame = st.builds(Mark, st.integers(0, 60), st.integers(0, 60), st.floats(0, 5), st.floats(0, 5))


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 2)), max_size=20),
    st.lists(st.one_of(st.none(), wild, tame), max_size=20),
    st.floats(0, 10),
)
def test_times_are_in_order_and_inside(
    shape: list[tuple[int, int]], marks: list[Mark | None], secs: float
) -> None:
    """Whatever the marks say, words follow one another within the chunk's duration."""
    words, position = [], 0
    for length, gap in shape:
        words.append(Span(position, position + length))
        position += length + gap
    timed = time_words(words, marks, text="x" * position, duration_secs=secs)
    assert len(words) == len(timed.times)
    before = 0.0
    for start, end in timed.times:
        assert before <= start <= end <= secs
        before = end


def test_marks_of_words_are_kept() -> None:
    """Marks of exactly the words are their times, and nothing is interpolated."""
    marks = [Mark(w.start, w.end, i, i + 0.5) for i, w in enumerate(WORDS)]
    timed = time_words(WORDS, marks, text=TEXT, duration_secs=4)
    assert [*timed.times] == [(0, 0.5), (1, 1.5), (2, 2.5), (3, 3.5)]
    assert (timed.interpolated, timed.proportional) == (0, False)


def test_a_mark_without_punctuation_times_the_whole_word() -> None:
    """An engine marks letters only; the word with its full stop takes their time."""
    timed = time_words([Span(0, 4)], [Mark(0, 3, 0.2, 0.7)], text="Hey.", duration_secs=1)
    assert [*timed.times] == [(0.2, 0.7)]


def test_parts_of_a_word_are_joined() -> None:
    """Marks of the parts of a word span it together."""
    marks = [Mark(0, 4, 0.1, 0.4), Mark(5, 10, 0.5, 0.9)]
    assert [*time_words([Span(0, 10)], marks, text="well-known", duration_secs=1).times] == [(0.1, 0.9)]


def test_a_mark_over_words_is_shared_by_characters() -> None:
    """One mark over two words gives each its part of the time."""
    timed = time_words([Span(0, 5), Span(5, 10)], [Mark(0, 10, 1, 2)], text="abcdefghij", duration_secs=3)
    assert [*timed.times] == [(1, 1.5), (1.5, 2)]
    assert timed.interpolated == 0


def test_a_missing_word_lies_between_its_neighbours() -> None:
    """A word without a mark fills the room between the words around it; it is counted."""
    marks = [Mark(0, 3, 0, 0.5), None, Mark(8, 13, 1.5, 2), Mark(14, 19, 2, 3)]
    timed = time_words(WORDS, marks, text=TEXT, duration_secs=3)
    assert timed.times[1] == (0.5, 1.5)
    assert (timed.interpolated, timed.proportional) == (1, False)


def test_missing_words_share_the_room_by_length() -> None:
    """Two words without a mark divide the room by their characters."""
    marks = [Mark(0, 3, 0, 0.5), None, None, Mark(14, 19, 2.1, 3)]
    timed = time_words(WORDS, marks, text=TEXT, duration_secs=3)
    assert [pytest.approx((0.5, 1.1)), pytest.approx((1.1, 2.1))] == list(timed.times[1:3])


def test_a_swallowed_mark_takes_time_from_the_word_before() -> None:
    """Where the neighbours leave no room, the word before gives some of its time: no word lasts nothing."""
    marks = [Mark(0, 3, 0, 1), Mark(8, 13, 1, 2), Mark(14, 19, 2, 3)]
    timed = time_words(WORDS, marks, text=TEXT, duration_secs=3)
    assert [*timed.times] == [(0, 0.5), (0.5, 1), (1, 2), (2, 3)]


def test_a_first_word_without_room_takes_time_from_the_next() -> None:
    """At the start of a chunk the word after gives."""
    timed = time_words(WORDS[:2], [Mark(4, 7, 0, 1)], text="One two", duration_secs=1)
    assert [*timed.times] == [(0, 0.5), (0.5, 1)]


def test_without_marks_time_goes_by_length() -> None:
    """The last resort: characters in proportion, and it is said so."""
    timed = time_words([Span(0, 3), Span(4, 5)], [], text="abc d", duration_secs=4)
    assert [*timed.times] == [(0, 3), (3, 4)]
    assert (timed.interpolated, timed.proportional) == (2, True)


def test_a_mark_out_of_order_is_left_out() -> None:
    """One mark that contradicts all others does not move them."""
    marks = [Mark(0, 3, 0, 0.5), Mark(4, 7, 2.9, 3), Mark(8, 13, 1.5, 2), Mark(14, 19, 2, 3)]
    timed = time_words(WORDS, marks, text=TEXT, duration_secs=3)
    assert [*timed.times] == [(0, 0.5), (0.5, 1.5), (1.5, 2), (2, 3)]
    assert timed.interpolated == 1


@pytest.mark.parametrize("secs", [math.nan, math.inf, -math.inf])
def test_a_mark_without_a_finite_time_is_none(secs: float) -> None:
    """An aligner that divides by zero says nothing about its word."""
    timed = time_words([Span(0, 1)], [Mark(0, 1, secs, secs)], text="a", duration_secs=1)
    assert timed.proportional


def test_no_words_have_no_times() -> None:
    """An empty chunk is no last resort."""
    timed = time_words([], [], text="", duration_secs=1)
    assert (timed.times, timed.interpolated, timed.proportional) == ((), 0, False)
