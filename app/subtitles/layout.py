"""Lays out words as cues: finds the line and cue breaks with the lowest total cost."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from app.subtitles.base import Cue
from app.subtitles.breaks import Atom, Break, atoms
from app.subtitles.pacing import Pacer, Report, Slot
from app.subtitles.style import Style
from app.text.spans import Word

_HORIZON = 600
"""Atoms of one paragraph that are laid out together. Longer paragraphs advance by `_SETTLED` atoms."""
_SETTLED = 400
"""Atoms at the start of a full horizon whose cues no longer depend on what follows."""

# Costs, in units of one more cue. Their order matters: reading speed is relaxed before a bad break is made.
_CUE = 1.0
_TWO_LINES = 0.15
_CUE_ENDS = {
    Break.PARAGRAPH: 0.0,
    Break.SENTENCE: 0.0,
    Break.CLAUSE: 0.9,
    Break.PHRASE: 2.2,
    Break.WORD: 3.6,
    Break.BOUND: 6.0,
    Break.INSIDE: 20.0,
}
_LINE_ENDS = {
    Break.PARAGRAPH: 0.0,
    Break.SENTENCE: 0.0,
    Break.CLAUSE: 0.1,
    Break.PHRASE: 0.4,
    Break.WORD: 1.1,
    Break.BOUND: 2.4,
    Break.INSIDE: 6.0,
}
_IMBALANCE = 1.6
_SENTENCE_WITHIN = 1.2
_BRIEF_SECS = 1.5
_BRIEF_A_SECOND = 1.0
"""Cost of cues shorter than `_BRIEF_SECS`, per second, so that they join a neighbour."""
_PAUSE_WITHIN_A_SECOND = 3.0
_PAUSE_SECS = 0.6
"""A silence of up to this length within a cue is free. A longer one would show words too early."""
_FAST, _FAST_A_SECOND = 1.0, 12.0
_BORROWED, _BORROWED_A_SECOND = 0.8, 6.0
_BORROWED_SECS = 0.3
"""Reading time that a cue can borrow from its neighbours. Beyond that it is too fast."""
_SHORT, _SHORT_A_SECOND = 8.0, 60.0


class Layout:
    """
    Lays out the words of one story as cues, in constant memory.

    Every cue has one or two lines of at most `style.line_width` columns, never crosses a paragraph and
    follows the timing rules of `Style`. The lines of all cues, joined, equal the words except for white
    space. A word too wide for a line is split. `report` counts the rules that could not be kept.
    """

    def __init__(self, style: Style | None = None) -> None:
        self._style = style or Style()
        self._pacer = Pacer(self._style)

    @property
    def report(self) -> Report:
        """The counts so far; complete once all cues have been consumed."""
        return self._pacer.report

    def cues(self, words: Iterable[Word]) -> Iterator[Cue]:
        """Yield the cues of `words` (in order) as soon as later words can no longer change them."""
        return self._pacer.cues(self._slots(words))

    def _slots(self, words: Iterable[Word]) -> Iterator[Slot]:
        window: list[Atom] = []
        for atom in atoms(words, line_width=self._style.line_width):
            if window and window[-1].after is Break.PARAGRAPH:
                yield from _cut(window, atom.start_secs, self._style)[0]
                window = []
            elif len(window) >= _HORIZON:
                slots, taken = _cut(window, atom.start_secs, self._style, settled=_SETTLED)
                yield from slots
                window = window[taken:]
            window.append(atom)
        if window:
            yield from _cut(window, float("inf"), self._style)[0]


def _cut(
    window: Sequence[Atom], next_start_secs: float, style: Style, *, settled: int | None = None
) -> tuple[list[Slot], int]:
    """
    Cut `window`, atoms of one paragraph, into slots. Return the slots and the number of atoms used.

    `settled` limits the result to slots that begin before that atom.
    """
    plan = _Plan(window, next_start_secs, style)
    slots: list[Slot] = []
    start = 0
    for end, line_end in plan.ends():
        if settled is not None and start >= settled:
            break
        slots.append(_slot(window, start, end, line_end))
        start = end
    return slots, start


def _slot(window: Sequence[Atom], start: int, end: int, line_end: int) -> Slot:
    lines = [window[start:line_end], window[line_end:end]] if line_end else [window[start:end]]
    last = max(atom.end_secs for atom in window[start:end])
    return Slot(tuple(map(_line, lines)), window[start].start_secs, last)


def _line(line: Sequence[Atom]) -> str:
    return line[0].text + "".join(f" {atom.text}" if atom.spaced else atom.text for atom in line[1:])


class _Plan:
    """Finds the cheapest way to cut one window, by dynamic programming over its atoms."""

    def __init__(self, window: Sequence[Atom], next_start_secs: float, style: Style) -> None:
        self._style = style
        self._window = window
        self._gap_secs = style.gap_ms / 1000
        self._shortest_secs = style.shortest_ms / 1000
        self._longest_secs = style.longest_ms / 1000
        self._linger_secs = style.linger_ms / 1000
        self._starts = [*(atom.start_secs for atom in window), next_start_secs]
        self._ends = [*accumulate((atom.end_secs for atom in window), max)]
        self._left, self._right = _columns(window)
        self._within = [*accumulate(map(_within, window, [*window[:1], *window]))]

    def ends(self) -> list[tuple[int, int]]:
        """Return the end of each cue and of its first line (0 for one line), as exclusive atom indices."""
        count = len(self._window)
        cost = [0.0] + [float("inf")] * count
        origin = [(0, 0)] * (count + 1)
        for start in range(count):
            for end, line_end, price in self._choices(start):
                total = cost[start] + price
                if total < cost[end]:
                    cost[end] = total
                    origin[end] = (start, line_end)
        result: list[tuple[int, int]] = []
        end = count
        while end:
            start, line_end = origin[end]
            result.append((end, line_end))
            end = start
        return result[::-1]

    def _choices(self, start: int) -> Iterator[tuple[int, int, float]]:
        """Yield the end, the first line's end and the price of every cue that may begin at `start`."""
        line_width = self._style.line_width
        left = self._left[start]
        last = len(self._window) - 1
        for end in range(start + 1, last + 2):
            columns = self._right[end - 1] - left
            is_single = end == start + 1
            if columns > 2 * line_width + 1:
                return
            if not is_single and self._ends[end - 1] - self._starts[start] > self._longest_secs:
                return
            line_end, lines_price = (0, 0.0) if columns <= line_width else self._best_line(start, end)
            if line_end < 0:
                continue
            ends_well = _CUE_ENDS[self._window[end - 1].after]
            inside = self._within[end - 1] - self._within[start]
            yield (
                end,
                line_end,
                _CUE + ends_well + lines_price + inside + self._time_price(start, end, columns),
            )

    def _best_line(self, start: int, end: int) -> tuple[int, float]:
        """Return the best end of the first of two lines and its price; -1 if two lines are not enough."""
        line_width = self._style.line_width
        left, right = self._left[start], self._right[end - 1]
        best, best_price = -1, float("inf")
        for line_end in range(max(start + 1, bisect_left(self._left, right - line_width, start, end)), end):
            upper = self._right[line_end - 1] - left
            if upper > line_width:
                break
            lower = right - self._left[line_end]
            uneven = (upper - lower) / line_width
            price = _TWO_LINES + _LINE_ENDS[self._window[line_end - 1].after] + _IMBALANCE * uneven * uneven
            if price < best_price:
                best, best_price = line_end, price
        return best, best_price

    def _time_price(self, start: int, end: int, columns: int) -> float:
        begin = self._starts[start]
        spoken = self._ends[end - 1] - begin
        room = self._starts[end] - self._gap_secs - begin
        shown = min(room, max(spoken + self._linger_secs, self._shortest_secs), self._longest_secs)
        price = _BRIEF_A_SECOND * max(0.0, _BRIEF_SECS - shown)
        if shown < self._shortest_secs:
            price += _SHORT + _SHORT_A_SECOND * (self._shortest_secs - shown)
        needed = columns / self._style.speed
        if needed > shown + _BORROWED_SECS:
            price += _FAST + _FAST_A_SECOND * (needed - shown)
        elif needed > shown:
            price += _BORROWED + _BORROWED_A_SECOND * (needed - shown)
        return price


def _columns(window: Sequence[Atom]) -> tuple[list[int], list[int]]:
    """Return the first and last column of each atom if all were on one line."""
    left: list[int] = []
    right: list[int] = []
    column = 0
    for atom in window:
        column += atom.spaced
        left.append(column)
        column += atom.columns
        right.append(column)
    return left, right


def _within(atom: Atom, before: Atom) -> float:
    """Return the price of having both `atom` and the atom before it in one cue."""
    price = _SENTENCE_WITHIN if before.after <= Break.SENTENCE and before is not atom else 0.0
    return price + _PAUSE_WITHIN_A_SECOND * max(0.0, atom.start_secs - before.end_secs - _PAUSE_SECS)
