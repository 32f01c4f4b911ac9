"""Computes the time of each word of a chunk from the marks of an engine or an aligner."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from app.speech.base import Mark
from app.text.spans import Span

_MIN_CHARACTER_SECS = 0.02
"""Seconds per character of fast speech. A gap with less time than this has no room for its words."""

_Times = tuple[float, float]


@dataclass(frozen=True, slots=True)
class WordTimes:
    """The times of the words of a chunk, and how many were interpolated."""

    times: tuple[_Times, ...]
    """(start, end) of each word in seconds from the start of the chunk, in order, without overlap."""
    interpolated: int
    """Words without a mark, placed between their neighbours by length."""
    proportional: bool
    """Whether no word had a mark, so that all were placed by length."""


def time_words(
    words: Sequence[Span], marks: Sequence[Mark | None], *, text: str, duration_secs: float
) -> WordTimes:
    """
    Return a start and an end from 0 to `duration_secs` for each of `words`, ordered spans of `text`.

    A mark may cover part of a word or several words; a word gets the times of the characters that it shares
    with marks, and the time within a mark is proportional to characters. Marks that are None, not finite or
    out of order are dropped, times out of bounds are clamped.
    """
    duration = max(0.0, duration_secs) if math.isfinite(duration_secs) else 0.0
    usable = _in_order([m for m in marks if m is not None and _is_valid(m)])
    observed = _observed(words, usable, duration)
    lengths = [_length(text, word) for word in words]
    missing = sum(times is None for times in observed)
    if missing == len(words):
        return WordTimes(tuple(_share(0.0, duration, lengths)), missing, bool(words))
    return WordTimes(tuple(_separated(_filled(observed, lengths, duration))), missing, proportional=False)


def _is_valid(mark: Mark) -> bool:
    return mark.start < mark.end and math.isfinite(mark.start_secs) and math.isfinite(mark.end_secs)


def _in_order(marks: list[Mark]) -> list[Mark]:
    """Return the longest subsequence of marks, sorted by position, whose start times do not decrease."""
    marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
    tails: list[float] = []
    ends: list[int] = []
    before: list[int] = []
    for index, mark in enumerate(marks):
        place = bisect_right(tails, mark.start_secs)
        before.append(ends[place - 1] if place else -1)
        tails[place : place + 1] = [mark.start_secs]
        ends[place : place + 1] = [index]
    kept: list[Mark] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        kept.append(marks[index])
        index = before[index]
    return kept[::-1]


def _observed(words: Sequence[Span], marks: list[Mark], duration: float) -> list[_Times | None]:
    """Return the times of each word from the marks that share characters with it, in one pass."""
    result: list[_Times | None] = []
    first = 0
    for word in words:
        while first < len(marks) and marks[first].end <= word.start:
            first += 1
        starts: list[float] = []
        ends: list[float] = []
        index = first
        while index < len(marks) and marks[index].start < word.end:
            mark = marks[index]
            if mark.end > word.start:
                starts.append(_time_at(mark, max(word.start, mark.start)))
                ends.append(_time_at(mark, min(word.end, mark.end)))
            index += 1
        if starts:
            start = _clamp(min(starts), 0.0, duration)
            result.append((start, _clamp(max(ends), start, duration)))
        else:
            result.append(None)
    return result


def _time_at(mark: Mark, position: int) -> float:
    share = (position - mark.start) / (mark.end - mark.start)
    return mark.start_secs + share * max(0.0, mark.end_secs - mark.start_secs)


def _filled(observed: list[_Times | None], lengths: list[int], duration: float) -> list[_Times]:
    """
    Place each run of words without times between its neighbours.

    If there is no room between them, because the engine reported no mark for a word, the run shares the time
    of the word before it, or of the word after it at the start of the chunk.
    """
    result: list[_Times] = []
    index = 0
    while index < len(observed):
        times = observed[index]
        if times is not None:
            result.append(times)
            index += 1
            continue
        first, last = index, index
        while last < len(observed) and observed[last] is None:
            last += 1
        following = observed[last] if last < len(observed) else None
        low = result[-1][1] if result else 0.0
        high = following[0] if following else duration
        if high - low < _MIN_CHARACTER_SECS * sum(lengths[first:last]):
            if result:
                first -= 1
                low = result.pop()[0]
            elif following:
                last += 1
                high = following[1]
        result += _share(low, max(low, high), lengths[first:last])
        index = last
    return result


def _separated(times: list[_Times]) -> list[_Times]:
    """Remove overlaps: a word starts no earlier than the previous one and ends before the next one starts."""
    result: list[_Times] = []
    low = 0.0
    for index, (start, end) in enumerate(times):
        low = max(low, start)
        limit = max(low, times[index + 1][0]) if index + 1 < len(times) else end
        high = max(low, min(end, limit))
        result.append((low, high))
        low = high
    return result


def _share(start: float, end: float, lengths: list[int]) -> list[_Times]:
    """Divide the time from `start` to `end` in proportion to `lengths`, without gaps."""
    total = sum(lengths)
    result: list[_Times] = []
    passed = 0
    low = start
    for length in lengths:
        passed += length
        high = max(low, min(end, start + (end - start) * passed / total))
        result.append((low, high))
        low = high
    return result


def _length(text: str, word: Span) -> int:
    """Return the number of characters that are not white space, at least 1."""
    return max(1, sum(not c.isspace() for c in text[word.start : word.end]))


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
