"""Applies the timing rules to cues, in whole milliseconds, the resolution of the files."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

from app.subtitles.base import Cue
from app.subtitles.style import Style
from app.text.characters import width


@dataclass(frozen=True, slots=True)
class Slot:
    """The lines of a cue, and the time span of their words in the audio."""

    lines: tuple[str, ...]
    start_secs: float
    end_secs: float


@dataclass(slots=True)
class Report:
    """The number of cues, and of those for which a rule was relaxed."""

    cues: int = 0
    fast: int = 0
    """Cues above the reading speed, the first rule to be relaxed."""
    early: int = 0
    """Cues that start before their first word to allow enough reading time, by at most `Style.early_ms`."""
    late: int = 0
    """Cues that start after their first word, so that the previous cue can be read."""
    latest_ms: int = 0
    """The longest of these delays."""
    short: int = 0
    """Cues shown for less than the shortest time, because the words are spoken too fast."""


class Pacer:
    """
    Turns slots into cues, looking two slots ahead.

    Order and gaps are always kept. By default a cue starts with its first word and stays after its last
    word as long as the rules for gaps and lingering allow. A cue that needs more time, to be read or to
    reach the shortest time, starts earlier if the previous cue can spare the time, and then delays the next
    cue, both within the bounds of `Style`. If that is not enough, the reading speed or the shortest time is
    relaxed.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self.report = Report()

    def cues(self, slots: Iterable[Slot]) -> Iterator[Cue]:
        """Yield a cue for each slot, in order."""
        earliest = 0
        early = 0
        for slot, following, second in _triples(slots):
            start = max(_ms(slot.start_secs) - early, earliest)
            early = 0
            limit = None
            if following:
                spare = _ms(following.start_secs) - self._style.gap_ms - (start + self._needed(slot))
                early = max(0, min(self._style.early_ms, spare, self._lacking(following, second)))
                limit = _ms(following.start_secs) - early
            end = self._end(slot, start, limit)
            self._count(slot, start, end)
            yield Cue(slot.lines, start / 1000, end / 1000)
            earliest = end + self._style.gap_ms

    def _needed(self, slot: Slot) -> int:
        """Return the milliseconds needed to read a cue."""
        style = self._style
        reading = ceil(sum(map(width, slot.lines)) * 1000 / style.speed)
        return min(max(reading, style.shortest_ms), style.longest_ms)

    def _lacking(self, slot: Slot, following: Slot | None) -> int:
        """Return the milliseconds a cue lacks if it neither starts early nor delays the next cue."""
        start = _ms(slot.start_secs)
        room = _ms(following.start_secs) - self._style.gap_ms if following else start + self._style.longest_ms
        return self._needed(slot) - (min(room, _ms(slot.end_secs) + self._style.linger_ms) - start)

    def _end(self, slot: Slot, start: int, following: int | None) -> int:
        """Return the end of a cue that starts at `start`, if the next one should start at `following`."""
        style = self._style
        spoken = _ms(slot.end_secs)
        shortest = start + style.shortest_ms
        longest = start + style.longest_ms
        if following is None:
            return min(max(spoken + style.linger_ms, shortest), longest)
        room = following - style.gap_ms
        latest = room + style.late_ms
        readable = start + self._needed(slot)
        if readable > max(shortest, spoken + style.linger_ms):
            readable = shortest
        if room < readable <= latest:
            return readable
        if shortest > room:
            return max(start + 1, min(shortest, latest))
        base = max(spoken, readable if readable <= room else shortest)
        if following - base < style.closed_ms or room - spoken <= style.linger_ms:
            return min(room, longest)
        return min(max(base, min(spoken + style.linger_ms, following - style.closed_ms)), longest)

    def _count(self, slot: Slot, start: int, end: int) -> None:
        report = self.report
        report.cues += 1
        report.fast += sum(map(width, slot.lines)) * 1000 > self._style.speed * (end - start)
        report.short += end - start < self._style.shortest_ms
        delay = start - _ms(slot.start_secs)
        report.early += delay < 0
        report.late += delay > 0
        report.latest_ms = max(report.latest_ms, delay)


def _triples(slots: Iterable[Slot]) -> Iterator[tuple[Slot, Slot | None, Slot | None]]:
    """Yield each slot with the next two, None past the end of the story."""
    ahead: deque[Slot] = deque()
    for slot in slots:
        ahead.append(slot)
        if len(ahead) == 3:  # noqa: PLR2004 - a triple
            yield ahead.popleft(), ahead[0], ahead[1]
    while ahead:
        yield ahead.popleft(), ahead[0] if ahead else None, ahead[1] if len(ahead) > 1 else None


def _ms(secs: float) -> int:
    return round(secs * 1000)
