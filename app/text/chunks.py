"""
Packs the words of a story into chunks, the units that an engine synthesizes in one call.

A chunk holds whole sentences of one paragraph wherever they fit. The stages are generators over character
positions: they hold a window of a few thousand characters beside the source, and take linear time.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from app.text.headings import Heading, heading_of
from app.text.sentences import (
    belongs_to_next,
    continues,
    ends_clause,
    is_function_word,
    opens_phrase,
    starts_list_item,
)
from app.text.spans import Boundary, Span
from app.text.words import (
    SPEAKABLE,
    ends_line,
    is_cut_word,
    is_word_break,
    keeps_lines,
    paragraphs,
    split_word,
    words,
)

LINE_SEPARATOR = "\u2028"

_MAX_HEADING = 200
"""Characters. A longer paragraph is no heading."""

TINY_WORDS = 5
"""A chunk of this many words or fewer sounds wrong on its own: it is joined to a neighbour."""

_MAX_PIECE = 1_000
"""Characters. A sentence is measured in pieces of about this length, because it may never end."""

_MIN_CHARACTER_WEIGHT = 0.1
"""In the engine's units. Characters that the engine measures as silent still fill a chunk."""


@dataclass(frozen=True, slots=True)
class ChunkWord:
    """One word of a chunk with its punctuation."""

    span: Span
    """In the chunk's text."""
    boundary: Boundary
    """What ends after this word."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of one paragraph that an engine synthesizes in one call."""

    text: str
    """Exactly `source[start : start + len(text)]`, line breaks included."""
    start: int
    """First character in the source."""
    words: tuple[ChunkWord, ...]
    """One or more; in order, they cover every character of the text that is not white space."""
    heading: Heading = Heading.NONE
    """What kind of heading the chunk is part of."""
    line_ends: tuple[int, ...] = ()
    """Positions in the text of the line breaks that are intended, as in a list or a verse."""

    @property
    def engine_text(self) -> str:
        """The text with a LINE SEPARATOR for each intended line break; same length, so same positions."""
        if not self.line_ends:
            return self.text
        characters = list(self.text)
        for position in self.line_ends:
            characters[position] = LINE_SEPARATOR
        return "".join(characters)

    @property
    def boundary(self) -> Boundary:
        """What ends after the last word."""
        return self.words[-1].boundary

    @property
    def speakable(self) -> bool:
        """Whether there is a letter or digit; a chunk without one becomes a silence."""
        return SPEAKABLE.search(self.text) is not None


def chunks(
    source: str, *, measure: Callable[[str], int], limit: int, first_limit: int = 0
) -> Iterator[Chunk]:
    """
    Cut `source` into chunks of at most `limit` units, lazily, in order, without losing a word.

    `measure` returns the size of a text in the engine's units. In total it sees each character about twice;
    it need not be additive. Sentences of a paragraph share a chunk where they fit. A sentence that does not
    fit is cut at a clause, else between words, else within a word. Only a single character may exceed the
    limit. A text of white space has no chunks.

    The first speakable chunk ends after the first clause or sentence of more than `TINY_WORDS` words, if that
    measures `first_limit` or less, so that the first sound comes early. Raises ValueError if `limit` is below
    1.
    """
    if limit < 1:
        raise ValueError(f"the limit of a chunk must be 1 or more, not {limit}")
    for paragraph in paragraphs(source):
        heading = _heading(source, paragraph)
        packer = _Packer(source, _sentences(source, paragraph), measure, limit, heading)
        for chunk in packer.chunks(first_limit=min(first_limit, limit)):
            yield chunk
            if first_limit and chunk.speakable:
                first_limit = 0


class _Break(IntEnum):
    """Cost of ending a chunk after a word, in halves of a chunk's length."""

    SENTENCE = 0
    CLAUSE = 2
    PHRASE = 3
    """Before a conjunction or preposition."""
    WORD = 4
    FUNCTION_WORD = 5
    """After an article, a preposition or another word that opens a phrase."""
    GLUED = 8
    """After an abbreviation, an initial, or a number before its unit."""
    INSIDE = 9


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with what the packer needs to know of it."""

    span: Span
    boundary: Boundary
    break_after: _Break
    ends_line: bool = False
    """Whether an intended line break follows."""
    weight: float = 0.0


def _sentences(source: str, paragraph: Span) -> Iterator[list[_Token]]:
    """Yield the sentences of a paragraph; those longer than a piece in parts, cut between words."""
    keeps = keeps_lines(source, paragraph)
    piece: list[_Token] = []
    sentence_start = paragraph.start
    previous, word = "", None
    for following in words(source, paragraph):
        if word:
            token = _token(source, word, following, sentence_start, previous, keeps_lines=keeps)
            previous = source[word.start : word.end]
            piece.append(token)
            if token.boundary is Boundary.SENTENCE:
                sentence_start = following.start
            if token.boundary is Boundary.SENTENCE or word.end - piece[0].span.start >= _MAX_PIECE:
                yield piece
                piece = []
        word = following
    if word:
        piece.append(_Token(word, Boundary.PARAGRAPH, _Break.SENTENCE))
        yield piece


def _token(
    source: str, word: Span, following: Span, sentence_start: int, previous: str, *, keeps_lines: bool
) -> _Token:
    """Decide what ends between `word` and `following`, the next word of the paragraph."""
    text = source[word.start : word.end]
    gap = source[word.end : following.start]
    if is_cut_word(source, word.end) or (not gap and not is_word_break(source, word.end)):
        return _Token(word, Boundary.NONE, _Break.INSIDE)
    first = source[following.start : following.end]
    is_line_end = ends_line(gap) and (keeps_lines or starts_list_item(first))
    if is_line_end or not continues(
        text, first, opens_sentence=word.start == sentence_start, previous=previous
    ):
        return _Token(word, Boundary.SENTENCE, _Break.SENTENCE, ends_line=is_line_end)
    return _Token(word, Boundary.NONE, _break_between(text, first))


def _break_between(word: str, following: str) -> _Break:
    """Return the cost of ending a chunk between two words of a sentence."""
    if ends_clause(word):
        return _Break.CLAUSE
    if belongs_to_next(word, following):
        return _Break.GLUED
    if is_function_word(word):
        return _Break.FUNCTION_WORD
    return _Break.PHRASE if opens_phrase(following) else _Break.WORD


class _Packer:
    """Packs the sentences of one paragraph into chunks, looking ahead by two chunks at most."""

    def __init__(
        self,
        source: str,
        sentences: Iterator[list[_Token]],
        measure: Callable[[str], int],
        limit: int,
        heading: Heading,
    ) -> None:
        self._source = source
        self._heading = heading
        self._sentences = sentences
        self._measure = measure
        self._limit = limit
        self._window: deque[_Token] = deque()
        self._weight = 0.0
        self._is_whole = False

    def chunks(self, *, first_limit: int) -> Iterator[Chunk]:
        self._fill()
        if count := self._first_count(first_limit):
            yield self._take(count)
            self._fill()
        while self._window:
            yield self._take(self._next_count())
            self._fill()

    def _first_count(self, allowed: int) -> int:
        """Return how many words the first chunk of a story takes; 0 if it is an ordinary chunk."""
        taken = 0.0
        for count, token in enumerate(self._window, start=1):
            taken += token.weight
            if token.break_after <= _Break.CLAUSE and not self._tiny_cost(count):
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

    def _weighed(self, sentence: list[_Token]) -> Iterator[_Token]:
        """Divide the measured size of a sentence among its words by length, with one call of `measure`."""
        start, end = sentence[0].span.start, sentence[-1].span.end
        text = self._source[start:end]
        measured = self._measure(text) if SPEAKABLE.search(text) else 0
        per_character = measured / sum(token.span.end - token.span.start for token in sentence)
        for token in sentence:
            weight = max(_MIN_CHARACTER_WEIGHT, per_character) * (token.span.end - token.span.start)
            self._weight += weight
            yield _Token(token.span, token.boundary, token.break_after, token.ends_line, weight)

    def _next_count(self) -> int:
        """Return how many words the next chunk takes; cut the first word if it alone exceeds the limit."""
        allowed = float(self._limit)
        while True:
            count = self._best_cut(allowed)
            text = self._text(count)
            if not SPEAKABLE.search(text):
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
        """Return how many words to take: cheap to end after, chunks of similar size, none tiny."""
        if self._is_whole and self._weight <= allowed:
            return len(self._window)
        ideal = allowed
        if self._is_whole:
            ideal = self._weight / -(-self._weight // allowed)
        best, best_cost = 1, float("inf")
        taken = 0.0
        for count, token in enumerate(self._window, start=1):
            taken += token.weight
            if taken > allowed:
                break
            cost = token.break_after / 2 + abs(taken - ideal) / allowed + self._tiny_cost(count)
            if cost <= best_cost:
                best, best_cost = count, cost
        return best

    def _tiny_cost(self, count: int) -> float:
        left = len(self._window) - count
        leaves_tiny = self._is_whole and 0 < left <= TINY_WORDS
        return 1.5 if count <= TINY_WORDS or leaves_tiny else 0.0

    def _halve_first(self) -> bool:
        """Cut the first word in two; return False if it is a single character."""
        token = self._window[0]
        length = token.span.end - token.span.start
        if length == 1:
            return False
        head, tail = split_word(self._source, token.span, token.span.start + length // 2)
        self._window.popleft()
        half = token.weight / 2
        self._window.appendleft(_Token(tail, token.boundary, token.break_after, token.ends_line, half))
        self._window.appendleft(_Token(head, Boundary.NONE, _Break.INSIDE, weight=half))
        return True

    def _text(self, count: int) -> str:
        return self._source[self._window[0].span.start : self._window[count - 1].span.end]

    def _take(self, count: int) -> Chunk:
        text = self._text(count)
        taken = [self._window.popleft() for _ in range(count)]
        self._weight -= sum(token.weight for token in taken)
        start = taken[0].span.start
        return Chunk(
            text,
            start,
            tuple(ChunkWord(Span(i.span.start - start, i.span.end - start), i.boundary) for i in taken),
            self._heading,
            tuple(token.span.end - start for token in taken[:-1] if token.ends_line),
        )


def _heading(source: str, paragraph: Span) -> Heading:
    """Return what kind of heading a paragraph is; the last paragraph of a text heads nothing."""
    if paragraph.end - paragraph.start > _MAX_HEADING or paragraph.end == len(source):
        return Heading.NONE
    return heading_of(source[paragraph.start : paragraph.end])
