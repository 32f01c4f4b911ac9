"""Rules that decide, from a word and the next one, whether a sentence or a clause ends between them."""

import re

# May follow a full stop without cancelling it: quotes, brackets, marks of emphasis.
_CLOSERS = "\"'*_~)]}\u00bb\u2019\u201d\u203a\u300b\u300d\u300f\u3009\u3011\u3015\uff09\uff3d\uff5d\uff63"
_STRIP = _CLOSERS + " \t\n\r\v\f\u00a0\u2013\u2014"

_FULL_STOPS = tuple("\u3002\uff61\uff0e\u0964\u0965\u1362\u0589\u06d4\u104b\u17d4")
"""Full stops of scripts that use them for nothing else: they always end a sentence."""
_CJK_EXCLAMATIONS = tuple("\uff01\uff1f")
_EXCLAMATIONS = tuple("!?\u203c\u203d\u2047\u2048\u2049\u061f")
_ELLIPSES = ("...", "\u2026", ". .")

_CLAUSE_ENDS = tuple(",;:\u2013\u2014\u2015\u2026\u3001\uff0c\uff1b\uff1a\u060c\u061b)]!?.")


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TITLES = _listed(
    "mr mrs ms messrs mme mlle mm dr prof rev hon st ste fr sr sra gen col capt cpt lt maj sgt cpl pvt adm "
    "cmdr gov pres sen rep supt insp det vs viz cf e.g i.e ca approx esp mt ft"
)
"""Abbreviations that a name or an example follows: they never end a sentence."""
_BEFORE_NUMBERS = _listed(
    "no nos nr vol vols p pp ch chap fig figs sec art bk pt par "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
"""Abbreviations only before a number; otherwise the dot is a full stop (`No.`)."""
_MAY_END = _listed("etc jr sr inc ltd co corp bros esq a.m p.m u.s u.k u.n ph.d m.d b.a m.a d.c b.c a.d")
"""Abbreviations that end a sentence only before a word that commonly begins one."""
_STARTERS = _listed(
    "the a an he she it they we you i this that these those there then but and so yet if when while after "
    "before as in on at for from with what who why how where his her its their our my your no not one"
)

_FIRST_LETTER = re.compile(r"[^\W_]")
_NUMBERING = re.compile(r"[(\[]?(?:\d{1,3}|[A-Za-z]|[IVXLC]{1,5}|[ivxlc]{1,5})[.)\]]+")
_BULLET = re.compile(r"[-*+\u2022\u2023\u2043\u25aa\u25cf\u2013\u2014]\s")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")


def continues(word: str, following: str, *, opens_sentence: bool) -> bool:
    """
    Whether the sentence continues between `word` and `following`, the next word of the paragraph.

    `opens_sentence`: `word` is the first of its sentence, where `2.` is the number of a list item.
    """
    core = word.rstrip(_STRIP)
    if core.endswith(_FULL_STOPS):
        return False
    if core.endswith(_CJK_EXCLAMATIONS):
        return False
    if not core.endswith((".", *_EXCLAMATIONS, *_ELLIPSES)):
        return True
    letter = _FIRST_LETTER.search(following)
    if letter and (letter.group().islower() or (letter.group().isdigit() and core.endswith(_ELLIPSES))):
        return True
    if core.endswith((*_EXCLAMATIONS, *_ELLIPSES)):
        return False
    return _is_abbreviation(core, following, opens_sentence=opens_sentence)


def _is_abbreviation(core: str, following: str, *, opens_sentence: bool) -> bool:
    """Whether the dot at the end of `core` marks an abbreviation and does not end the sentence."""
    if opens_sentence and _NUMBERING.fullmatch(core):
        return True
    letter = _FIRST_LETTER.search(core)
    stem = core[letter.start() if letter else 0 :].rstrip(".")
    stem = re.split(r"[-\u2013\u2014]", stem)[-1]
    name = stem.lower()
    if name in _TITLES:
        return True
    if name in _BEFORE_NUMBERS:
        first = _FIRST_LETTER.search(following)
        return first is not None and first.group().isdigit()
    if name in _MAY_END or _DOTTED.fullmatch(stem):
        return not _begins_sentence(following)
    return len(stem) == 1 and stem.isupper() and stem != "I"


def _begins_sentence(word: str) -> bool:
    letters = re.search(r"[^\W\d_]+", word)
    return letters is not None and letters.group().lower() in _STARTERS


def ends_clause(word: str) -> bool:
    """Whether `word` ends with a comma, semicolon, colon, dash, closing bracket or full stop."""
    return word.rstrip(_CLOSERS.replace(")", "").replace("]", "") + " ").endswith(_CLAUSE_ENDS)


def starts_list_item(line: str) -> bool:
    """Whether `line`, the first word of a line, marks the item of a list."""
    return bool(_BULLET.match(line) or (_NUMBERING.fullmatch(line) and line.lower() not in ("i.", "a)")))
