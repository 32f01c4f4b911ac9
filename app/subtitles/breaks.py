"""Splits words into atoms, the units of layout, and rates how well a line or cue may end after each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from app.text.characters import joins, width
from app.text.spans import Boundary, Word


class Break(IntEnum):
    """How well a line or a cue may end here; lower is better. Source: Netflix and BBC, line treatment."""

    PARAGRAPH = 0
    SENTENCE = 1
    CLAUSE = 2
    """After a comma, semicolon, colon, dash or bracket."""
    PHRASE = 3
    """Before a conjunction or preposition, or before an article and its noun."""
    WORD = 4
    BOUND = 5
    """Between words that belong together: article and noun, preposition and object, the parts of a name."""
    INSIDE = 6
    """Within a word too long for a line."""


@dataclass(frozen=True, slots=True)
class Atom:
    """A word, or part of a word that is too long for a line. Never broken, at most one line wide."""

    text: str
    """With white space collapsed to single spaces."""
    columns: int
    start_secs: float
    end_secs: float
    spaced: bool
    """Whether white space precedes it in the source."""
    after: Break
    """How well a line or a cue may end after it."""


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CONJUNCTIONS = _listed(
    "and but or nor so yet for because although though while when where which who whom whose that if unless "
    "until since whether than as after before"
)
_PREPOSITIONS = _listed(
    "about above across after against along among around as at before behind below beneath beside between "
    "beyond by down during for from in inside into like near of off on onto out over past through to toward "
    "towards under until up upon with within without"
)
_DETERMINERS = _listed("a an the this that these those my your his her its our their some any no every each")
_ARTICLES = _listed("a an the")
_AUXILIARIES = _listed(
    "am is are was were be been have has had do does did will would shall should can could may might must "
    "not i you he she it we they i'm i'll i'd i've very"
)
_TITLES = _listed("mr mrs ms dr st prof rev sir lady lord miss captain col gen sgt capt mme")

_OPENS_PHRASE = _CONJUNCTIONS | _PREPOSITIONS | _DETERMINERS
_BINDS = _DETERMINERS | _PREPOSITIONS | _AUXILIARIES | _TITLES | {"and", "or", "but", "nor"}

_MARKS = "\"'*_()[]{}.,;:!?\u00ab\u00bb\u2018\u2019\u201c\u201d\u2013\u2014\u2026"
_QUOTES = "\"'*_}\u00bb\u2019\u201d\u203a\u300d\u300f "
_CLAUSE_ENDS = (
    *",;:.!?)]\u2013\u2014\u2015\u2026\u3001\u3002\uff0c\uff1b\uff1a\uff01\uff1f\uff09\u060c\u061b",
    "--",
)


def atoms(words: Iterable[Word], *, line_width: int) -> Iterator[Atom]:
    """Yield the atoms of `words`, looking one word ahead. Start times never decrease."""
    words = iter(words)
    word = next(words, None)
    spaced = False
    low = 0.0
    while word is not None:
        following = next(words, None)
        start = max(low, word.start_secs)
        low = start
        yield from _parts(word, start, spaced, _after(word, following), line_width)
        spaced = following is not None and following.span.start > word.span.end
        word = following


def _after(word: Word, following: Word | None) -> Break:
    if following is None or word.boundary is Boundary.PARAGRAPH:
        return Break.PARAGRAPH
    if word.boundary is Boundary.SENTENCE:
        return Break.SENTENCE
    if word.text.rstrip(_QUOTES).endswith(_CLAUSE_ENDS) and not _is_title(word.text):
        return Break.CLAUSE
    if following.span.start == word.span.end:
        return _between_unspaced(word.text, following.text)
    return _between(word.text, following.text)


def _is_title(text: str) -> bool:
    return text.endswith(".") and (text.strip(_MARKS).lower() in _TITLES or len(text) == 2)  # noqa: PLR2004 - an initial


def _between_unspaced(text: str, following: str) -> Break:
    """Rate a break between words without a space: ideographs, hyphenated words, or parts of a long run."""
    if width(text[-1]) == 2 or width(following[0]) == 2:  # noqa: PLR2004 - the columns of an ideograph
        return Break.WORD
    return Break.INSIDE


def _between(text: str, following: str) -> Break:
    first = text.strip(_MARKS)
    second = following.strip(_MARKS)
    lowered, next_lowered = first.lower(), second.lower()
    if lowered in _BINDS and not _is_object(lowered, next_lowered):
        return Break.BOUND
    if next_lowered in _OPENS_PHRASE:
        return Break.PHRASE
    is_name = first[:1].isupper() and second[:1].isupper() and text[-1:].isalnum()
    return Break.BOUND if is_name or first.isdigit() else Break.WORD


def _is_object(word: str, following: str) -> bool:
    """Whether a word that may bind to the next one ends its phrase: `saw her | at noon`, `went up | and`."""
    if following in _CONJUNCTIONS:
        return following not in _PREPOSITIONS
    return following in _PREPOSITIONS and following != "of" and word not in _ARTICLES


def _parts(word: Word, start: float, spaced: bool, after: Break, line_width: int) -> Iterator[Atom]:  # noqa: FBT001
    """Yield a word as one atom if a line can hold it, else as parts that share its time by width."""
    end = max(start, word.end_secs)
    text = " ".join(word.text.split())
    total = width(text)
    if total <= line_width:
        yield Atom(text, total, start, end, spaced, after)
        return
    pieces = [*_cut(text, line_width)]
    columns = [width(piece) for piece, _ in pieces]
    passed, time = 0, start
    for index, (piece, is_spaced) in enumerate(pieces):
        passed += columns[index]
        until = min(end, start + (end - start) * passed / sum(columns))
        is_last = index + 1 == len(pieces)
        inner = Break.WORD if not is_last and pieces[index + 1][1] else Break.INSIDE
        yield Atom(
            piece,
            columns[index],
            time,
            until,
            is_spaced or (index == 0 and spaced),
            after if is_last else inner,
        )
        time = until


def _cut(text: str, line_width: int) -> Iterator[tuple[str, bool]]:
    """Yield parts of `text`, each at most one line wide, and whether a space precedes each."""
    start = 0
    spaced = False
    while start < len(text):
        end = _fitting(text, start, line_width)
        if end < len(text):
            end = _better_cut(text, start, end)
        yield text[start:end], spaced
        spaced = end < len(text) and text[end] == " "
        start = end + spaced


def _fitting(text: str, start: int, line_width: int) -> int:
    """Return the end of the longest part that fits on a line, at least one character."""
    end, columns = start, 0
    while end < len(text):
        columns += width(text[end])
        if columns > line_width and end > start:
            break
        end += 1
    return end


def _better_cut(text: str, start: int, end: int) -> int:
    """Move a cut back to a space, else to after a hyphen or slash, else to a character boundary."""
    half = start + (end - start) // 2
    if text[end] == " ":
        return end
    space = text.rfind(" ", half, end)
    if space > start:
        return space
    mark = max(text.rfind(character, half, end) for character in "-/\u2010_.,=&?")
    if mark > start:
        return mark + 1
    cut = end
    while cut > start + 1 and joins(text[cut - 1], text[cut]):
        cut -= 1
    return end if joins(text[cut - 1], text[cut]) else cut
