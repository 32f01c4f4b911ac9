"""
The first stage of narration: a story's text cut lazily into paragraphs, sentences, words and chunks.

A chunk is what an engine speaks in one breath: whole sentences of one paragraph wherever they fit. The
stages are generators over character positions; beside the source itself they hold a window of a few
thousand characters, whatever the story looks like, and their time is linear in its length.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice

from app.text.characters import joins
from app.text.sentences import continues, ends_clause, starts_list_item
from app.text.spans import Boundary, Span

TINY_WORDS = 5
"""A chunk of this many words or fewer sounds wrong on its own: it is joined to a neighbour."""

_LONGEST_WORD = 400
"""A run longer than this, in characters, is no word: it is cut, so that no stage ever holds it whole."""

_LONGEST_PIECE = 1_000
"""A sentence is weighed in pieces of about this many characters, so that one without an end is no burden."""

_LIGHTEST = 0.1
"""The least that a character weighs, in the engine's units: what it deems silent still fills a chunk."""

_JUDGED_LINES = 100
"""Of a paragraph, the lines that tell whether it is wrapped."""

_NEWLINE = r"(?:\r\n|\r(?!\n)|[\n\v\f\x1c-\x1e\x85\u2028])"
_PARAGRAPH_END = re.compile(
    rf"(?:\u2029|{_NEWLINE}[^\S\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:{_NEWLINE}|\u2029))\s*"
)
_ENDS_LINE = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028]")
_LINE = re.compile(rf"{_NEWLINE}\s*")
_RUN = re.compile(r"\S+")
_SPEAKABLE = re.compile(r"[^\W_]")

# Scripts written without spaces: a character is a word; marks that may not begin a line stay with it.
_IDEOGRAPHS = (
    "\u3006\u3007\u3021-\u3029\u3042\u3044\u3046\u3048\u304a-\u3062\u3064-\u3082\u3084\u3086\u3088-\u308d"
    "\u308f-\u3094\u309f\u30a2\u30a4\u30a6\u30a8\u30aa-\u30c2\u30c4-\u30e2\u30e4\u30e6\u30e8-\u30ed"
    "\u30ef-\u30f4\u30f7-\u30fa\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66\uff71-\uff9d"
    "\U00020000-\U0003fffd"
)
_OPENERS = (
    "([{\u00a1\u00ab\u00bf\u2018\u201a\u201b\u201c\u201e\u201f\u2039"
    "\u3008\u300a\u300c\u300e\u3010\u3014\uff08\uff3b\uff5b\uff62"
)
_BREAK_IN_RUN = re.compile(
    # after a dash that joins two words, before the quotes that open the second
    rf"(?:(?<=[\u2014\u2015\u2e3a\u2e3b])|(?<=--))(?=[{re.escape(_OPENERS)}\"']{{0,4}}\w)"
    # before an ideograph with the brackets that open before it
    rf"|(?<![{re.escape(_OPENERS)}])(?=[{re.escape(_OPENERS)}]{{0,4}}[{_IDEOGRAPHS}])"
    # after an ideograph or what closes behind it, before a word of another script
    rf"|(?<=[{_IDEOGRAPHS}\u3001\u3002\u300d\u300f\u3011\uff09\uff01\uff0c\uff1f])(?=[A-Za-z0-9\u00c0-\u024f])"
)


@dataclass(frozen=True, slots=True)
class ChunkWord:
    """One word of a chunk with its punctuation."""

    span: Span
    """In the chunk's text."""
    boundary: Boundary
    """What ends with this word."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one paragraph, to be spoken in one go."""

    text: str
    """Exactly `source[start : start + len(text)]`, line breaks of the source included."""
    start: int
    """First character in the source."""
    words: tuple[ChunkWord, ...]
    """At least one; in order they cover every character of the text that is not white space."""

    @property
    def boundary(self) -> Boundary:
        """What ends with the chunk."""
        return self.words[-1].boundary

    @property
    def speakable(self) -> bool:
        """Whether there is a letter or digit to say; a chunk without any is heard as a silence."""
        return _SPEAKABLE.search(self.text) is not None


def chunks(source: str, *, measure: Callable[[str], int], limit: int, opening: int = 0) -> Iterator[Chunk]:
    """
    Cut `source` into chunks of at most `limit` units, lazily and in order, losing no word.

    `measure` gives the size of a text in the engine's units. It is called about twice a character in all
    and need not be additive. Sentences of a paragraph share a chunk where they fit; one that does not fit
    is cut at a clause, else between words, else within a word. A chunk exceeds the limit only where a
    single character does. A text without any character but white space has no chunks.

    The first chunk that is spoken ends with the first clause or sentence that is not tiny, where that is
    within `opening` units: who waits for the first sound waits for that much alone.
    """
    if limit < 1:
        raise ValueError(f"the limit of a chunk must be 1 or more, not {limit}")
    for start, end in _paragraphs(source):
        packer = _Packer(source, _sentences(source, start, end), measure, limit)
        for chunk in packer.chunks(opening=min(opening, limit)):
            yield chunk
            if opening and chunk.speakable:
                opening = 0


def _paragraphs(source: str) -> Iterator[tuple[int, int]]:
    """Yield the stretches between blank lines."""
    start = 0
    for gap in _PARAGRAPH_END.finditer(source):
        yield start, gap.start()
        start = gap.end()
    yield start, len(source)


def _pieces(source: str, start: int, end: int) -> Iterator[Span]:
    """Yield the runs between white space, cut where words meet without any."""
    for run in _RUN.finditer(source, start, end):
        begin = run.start()
        for cut in _BREAK_IN_RUN.finditer(source, run.start(), run.end()):
            if cut.start() > begin:
                yield Span(begin, cut.start())
                begin = cut.start()
        yield Span(begin, run.end())


def _words(source: str, start: int, end: int) -> Iterator[Span]:
    """Yield one paragraph's words: each piece with a letter or digit, and the marks that belong to it."""
    word: Span | None = None
    held: Span | None = None
    for piece in _pieces(source, start, end):
        if _SPEAKABLE.search(source, piece.start, piece.end):
            if word:
                yield word
            word = Span(held.start if held else piece.start, piece.end)
            held = None
        elif held:
            held = Span(held.start, piece.end)
        elif word and not _leans_forward(source, piece, end):
            word = Span(word.start, piece.end)
        else:
            held = piece
    if held:
        word = Span(word.start if word else held.start, held.end)
    if word:
        yield word


def _leans_forward(source: str, marks: Span, end: int) -> bool:
    """Whether marks without a letter belong to the word after them: glued to it, opening, or a bullet."""
    if marks.end < end and not source[marks.end].isspace():
        return True
    if source[marks.end - 1] in _OPENERS:
        return True
    before = marks.start
    while before > 0 and source[before - 1].isspace():
        before -= 1
    return bool(_ENDS_LINE.search(source, before, marks.start))


def _bounded_words(source: str, start: int, end: int) -> Iterator[Span]:
    """Yield the words of a paragraph, those longer than any word is in parts."""
    for word in _words(source, start, end):
        rest = word
        while rest.end - rest.start > _LONGEST_WORD:
            head, rest = _split(source, rest, rest.start + _LONGEST_WORD)
            yield head
        yield rest


def _split(source: str, word: Span, at: int) -> tuple[Span, Span]:
    """Cut a word of two characters or more near `at`, not between a letter and the marks it carries."""
    cut = at
    while cut > word.start + 1 and joins(source[cut - 1], source[cut]):
        cut -= 1
    if joins(source[cut - 1], source[cut]):
        cut = at
    left, right = cut, cut
    while source[left - 1].isspace():
        left -= 1
    while source[right].isspace():
        right += 1
    return Span(word.start, left), Span(right, word.end)


class _Break(IntEnum):
    """How good it is to end a chunk after a word; the lower the better."""

    SENTENCE = 0
    CLAUSE = 1
    WORD = 2
    INSIDE = 3


@dataclass(frozen=True, slots=True)
class _Item:
    """A word as the packer sees it."""

    span: Span
    boundary: Boundary
    break_after: _Break
    weight: float = 0.0


def _sentences(source: str, start: int, end: int) -> Iterator[list[_Item]]:
    """Yield one paragraph's sentences, those longer than a piece in parts, between words."""
    keeps_lines = _keeps_lines(source, start, end)
    piece: list[_Item] = []
    sentence_start = start
    word: Span | None = None
    for following in _bounded_words(source, start, end):
        if word:
            item = _item(source, word, following, sentence_start, keeps_lines=keeps_lines)
            piece.append(item)
            if item.boundary is Boundary.SENTENCE:
                sentence_start = following.start
            if item.boundary is Boundary.SENTENCE or word.end - piece[0].span.start >= _LONGEST_PIECE:
                yield piece
                piece = []
        word = following
    if word:
        piece.append(_Item(word, Boundary.PARAGRAPH, _Break.SENTENCE))
        yield piece


def _keeps_lines(source: str, start: int, end: int) -> bool:
    """
    Whether the lines of a paragraph are set as they are (a list, a verse), not wrapped to a width.

    Wrapped text breaks a line where the next word found no room. Where a third of the lines end with room
    for it, measured by the longest, somebody broke them on purpose. A long paragraph is judged by its start.
    """
    lines: list[tuple[int, int]] = []
    begin = start
    for newline in islice(_LINE.finditer(source, start, end), _JUDGED_LINES):
        lines.append((newline.start() - begin, newline.end()))
        begin = newline.end()
    if not lines:
        return False
    longest = max(length for length, _ in lines)
    if len(lines) < _JUDGED_LINES:
        longest = max(longest, end - begin)
    deliberate = 0
    for length, following in lines:
        word = _RUN.match(source, following, min(end, following + longest))
        deliberate += word is not None and length + 1 + word.end() - following <= longest
    return deliberate >= len(lines) / 3


def _item(source: str, word: Span, following: Span, sentence_start: int, *, keeps_lines: bool) -> _Item:
    """Judge what ends between a word and the one that follows it in the paragraph."""
    text = source[word.start : word.end]
    gap = source[word.end : following.start]
    if not gap and not _is_seam(source, word.end):
        return _Item(word, Boundary.NONE, _Break.INSIDE)
    first = source[following.start : following.end]
    ends_line = _ENDS_LINE.search(gap) is not None and (keeps_lines or starts_list_item(first))
    if ends_line or not continues(text, first, opens_sentence=word.start == sentence_start):
        return _Item(word, Boundary.SENTENCE, _Break.SENTENCE)
    return _Item(word, Boundary.NONE, _Break.CLAUSE if ends_clause(text) else _Break.WORD)


def _is_seam(source: str, at: int) -> bool:
    """Whether words meet here without a space by the rules of their script, not by a cut within a word."""
    return _BREAK_IN_RUN.match(source, at) is not None


class _Packer:
    """Packs the sentences of one paragraph into chunks, looking ahead by two chunks at most."""

    def __init__(
        self, source: str, sentences: Iterator[list[_Item]], measure: Callable[[str], int], limit: int
    ) -> None:
        self._source = source
        self._sentences = sentences
        self._measure = measure
        self._limit = limit
        self._window: deque[_Item] = deque()
        self._weight = 0.0
        self._is_whole = False

    def chunks(self, *, opening: int) -> Iterator[Chunk]:
        self._fill()
        if count := self._opening(opening):
            yield self._take(count)
            self._fill()
        while self._window:
            yield self._take(self._fitting())
            self._fill()

    def _opening(self, allowed: int) -> int:
        """Return how many words the first chunk of a story takes, 0 where it is as any other."""
        taken = 0.0
        for count, item in enumerate(self._window, start=1):
            taken += item.weight
            if item.break_after <= _Break.CLAUSE and not self._tiny_cost(count):
                fits = taken <= allowed and self._measure(self._text(count)) <= allowed
                return count if fits else 0
        return 0

    def _fill(self) -> None:
        while not self._is_whole and self._weight <= 2 * self._limit:
            sentence = next(self._sentences, None)
            if sentence is None:
                self._is_whole = True
                return
            self._window.extend(self._weighed(sentence))

    def _weighed(self, sentence: list[_Item]) -> Iterator[_Item]:
        """Share the weight of a sentence among its words by their length: one call of `measure`, not many."""
        start, end = sentence[0].span.start, sentence[-1].span.end
        text = self._source[start:end]
        measured = self._measure(text) if _SPEAKABLE.search(text) else 0
        a_character = measured / sum(item.span.end - item.span.start for item in sentence)
        for item in sentence:
            weight = max(_LIGHTEST, a_character) * (item.span.end - item.span.start)
            self._weight += weight
            yield _Item(item.span, item.boundary, item.break_after, weight)

    def _fitting(self) -> int:
        """Return how many words the next chunk takes, as measured; shrink or cut words until they fit."""
        allowed = float(self._limit)
        while True:
            count = self._best_cut(allowed)
            text = self._text(count)
            if not _SPEAKABLE.search(text):
                return count
            measured = self._measure(text)
            if measured <= self._limit:
                return count
            if count > 1:
                taken = sum(self._window[i].weight for i in range(count))
                allowed = min(allowed, taken) * min(0.95, self._limit / measured)
            elif not self._halve_first():
                return 1

    def _best_cut(self, allowed: float) -> int:
        """Return how many words to take: the best place to end, of chunks alike in size, none tiny."""
        if self._is_whole and self._weight <= allowed:
            return len(self._window)
        ideal = allowed
        if self._is_whole:
            ideal = self._weight / -(-self._weight // allowed)
        best, best_cost = 1, float("inf")
        taken = 0.0
        for count, item in enumerate(self._window, start=1):
            taken += item.weight
            if taken > allowed:
                break
            cost = item.break_after + abs(taken - ideal) / allowed + self._tiny_cost(count)
            if cost <= best_cost:
                best, best_cost = count, cost
        return best

    def _tiny_cost(self, count: int) -> float:
        left = len(self._window) - count
        leaves_tiny = self._is_whole and 0 < left <= TINY_WORDS
        return 1.5 if count <= TINY_WORDS or leaves_tiny else 0.0

    def _halve_first(self) -> bool:
        """Cut the first word in two; False where it is a single character."""
        item = self._window[0]
        length = item.span.end - item.span.start
        if length == 1:
            return False
        head, tail = _split(self._source, item.span, item.span.start + length // 2)
        self._window.popleft()
        half = item.weight / 2
        self._window.appendleft(_Item(tail, item.boundary, item.break_after, half))
        self._window.appendleft(_Item(head, Boundary.NONE, _Break.INSIDE, half))
        return True

    def _text(self, count: int) -> str:
        return self._source[self._window[0].span.start : self._window[count - 1].span.end]

    def _take(self, count: int) -> Chunk:
        text = self._text(count)
        taken = [self._window.popleft() for _ in range(count)]
        self._weight -= sum(item.weight for item in taken)
        start = taken[0].span.start
        return Chunk(
            text,
            start,
            tuple(ChunkWord(Span(i.span.start - start, i.span.end - start), i.boundary) for i in taken),
        )
