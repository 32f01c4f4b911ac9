"""
Splits a story into paragraphs and words: the input of app/text/chunks.py.

All functions are generators over character positions of the source. They run in linear time and hold no
more than one word at a time.
"""

import re
from collections.abc import Iterator
from itertools import islice

from app.text.characters import joins
from app.text.spans import Span

_MAX_WORD = 400
"""Characters. A longer run without white space is not a word; it is cut so that no stage holds all of it."""

_JUDGED_LINES = 100
"""How many lines of a paragraph decide whether its lines are wrapped or intended."""

NEWLINE = r"(?:\r\n|\r(?!\n)|[\n\v\f\x1c-\x1e\x85\u2028])"
_PARAGRAPH_END = re.compile(
    rf"(?:\u2029|{NEWLINE}[^\S\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:{NEWLINE}|\u2029))\s*"
)
_LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028]")
_LINE_BREAK = re.compile(rf"{NEWLINE}\s*")
_CUT_WORD = re.compile(rf"(?<=[^\W\d_])[-\u00ad\u2010][^\S\n\r]*{NEWLINE}[^\S\n\r]*[^\W\d_]")
_RUN = re.compile(r"\S+")
SPEAKABLE = re.compile(r"[^\W_]")
"""A letter or digit: text without one is silent."""

# Scripts written without spaces: each character is a word; marks that may not begin a line stay with it.
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
    # after a dash between two words, before the quotes that open the second
    rf"(?:(?<=[\u2014\u2015\u2e3a\u2e3b])|(?<=--))(?=[{re.escape(_OPENERS)}\"']{{0,4}}\w)"
    # before an ideograph and the brackets that open before it
    rf"|(?<![{re.escape(_OPENERS)}])(?=[{re.escape(_OPENERS)}]{{0,4}}[{_IDEOGRAPHS}])"
    # after an ideograph or a closing mark behind it, before a word of another script
    rf"|(?<=[{_IDEOGRAPHS}\u3001\u3002\u300d\u300f\u3011\uff09\uff01\uff0c\uff1f])(?=[A-Za-z0-9\u00c0-\u024f])"
)


def paragraphs(source: str) -> Iterator[Span]:
    """Yield the stretches between blank lines; some may be empty or white space."""
    start = 0
    for gap in _PARAGRAPH_END.finditer(source):
        yield Span(start, gap.start())
        start = gap.end()
    yield Span(start, len(source))


def words(source: str, paragraph: Span) -> Iterator[Span]:
    """
    Yield the words of a paragraph in order, each with its punctuation.

    Together they cover every character that is not white space. A word of more than 400 characters comes in
    parts.
    """
    for word in _whole_words(source, paragraph):
        rest = word
        while rest.end - rest.start > _MAX_WORD:
            head, rest = split_word(source, rest, rest.start + _MAX_WORD)
            yield head
        yield rest


def split_word(source: str, word: Span, at: int) -> tuple[Span, Span]:
    """Cut a word of two characters or more near `at`, but not between a letter and its combining marks."""
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


def is_word_break(source: str, at: int) -> bool:
    """Whether two words meet at `at` without a space by the rules of their script, not by a cut."""
    return _BREAK_IN_RUN.match(source, at) is not None


def ends_line(gap: str) -> bool:
    """Whether the white space between two words holds a line break."""
    return _LINE_END.search(gap) is not None


def is_cut_word(source: str, end: int) -> bool:
    """Whether the word that ends at `end` is cut by a hyphen, and goes on in the next line."""
    cut = _CUT_WORD.match(source, end - 1) if end else None
    return cut is not None and source[cut.end() - 1].islower()


def keeps_lines(source: str, paragraph: Span) -> bool:
    """
    Whether the line breaks of a paragraph are intended (a list, a verse), rather than wrapped to a width.

    Wrapped text breaks a line where the next word did not fit. If the next word would have fitted on a third
    of the lines, measured by the longest line, the breaks are intended. Only the first 100 lines are judged.
    Where a word is cut by a hyphen at the end of a line, lines are wrapped.
    """
    start, end = paragraph.start, paragraph.end
    if any(source[cut.end() - 1].islower() for cut in _CUT_WORD.finditer(source, start, end)):
        return False
    lines: list[tuple[int, int]] = []
    begin = start
    for newline in islice(_LINE_BREAK.finditer(source, start, end), _JUDGED_LINES):
        lines.append((newline.start() - begin, newline.end()))
        begin = newline.end()
    if not lines:
        return False
    longest = max(length for length, _ in lines)
    if len(lines) < _JUDGED_LINES:
        longest = max(longest, end - begin)
    intended = 0
    for length, following in lines:
        word = _RUN.match(source, following, min(end, following + longest))
        intended += word is not None and length + 1 + word.end() - following <= longest
    return intended >= len(lines) / 3


def _pieces(source: str, paragraph: Span) -> Iterator[Span]:
    """Yield the runs between white space, cut where words meet without any."""
    for run in _RUN.finditer(source, paragraph.start, paragraph.end):
        begin = run.start()
        for cut in _BREAK_IN_RUN.finditer(source, run.start(), run.end()):
            if cut.start() > begin:
                yield Span(begin, cut.start())
                begin = cut.start()
        yield Span(begin, run.end())


def _whole_words(source: str, paragraph: Span) -> Iterator[Span]:
    """Yield each piece with a letter or digit, and the pieces of punctuation that belong to it."""
    word: Span | None = None
    held: Span | None = None
    for piece in _pieces(source, paragraph):
        if SPEAKABLE.search(source, piece.start, piece.end):
            if word:
                yield word
            word = Span(held.start if held else piece.start, piece.end)
            held = None
        elif held:
            held = Span(held.start, piece.end)
        elif word and not _belongs_to_next(source, piece, paragraph.end):
            word = Span(word.start, piece.end)
        else:
            held = piece
    if held:
        word = Span(word.start if word else held.start, held.end)
    if word:
        yield word


def _belongs_to_next(source: str, marks: Span, end: int) -> bool:
    """Whether marks without a letter belong to the word after them: attached to it, opening, or a bullet."""
    if marks.end < end and not source[marks.end].isspace():
        return True
    if source[marks.end - 1] in _OPENERS:
        return True
    before = marks.start
    while before > 0 and source[before - 1].isspace():
        before -= 1
    return bool(_LINE_END.search(source, before, marks.start))
