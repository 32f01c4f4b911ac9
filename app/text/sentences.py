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

_PHRASE_OPENERS = _listed(
    "and or but nor so yet because although though while when where whereas if unless until till "
    "since after before as that which who whose whom than in on at by for from with without within "
    "into onto upon over under above below between among through during against about across along "
    "around behind beside beyond near toward towards to of off like despite except"
)
_DETERMINERS = _listed(
    "a an the this that these those my your his her its our their no every each some any i he she we "
    "they is was are were be been not very"
)
_COUNTED = _listed("act part chapter scene book volume section appendix article canto war stage phase")
_NUMERAL = re.compile(r"[IVX]+\.")
_NOTE = re.compile(r"(?:\[(?:\d{1,3}|[a-z*])\]|[\u00b9\u00b2\u00b3\u2070\u2074-\u2079\u2020\u2021])+$")
_ENDS_WITH_DIGIT = re.compile(r"[\d\u00bc-\u00be]$")
_QUANTITY = re.compile(
    r"[\d\u00bc-\u00be]|(?:million|billion|trillion|thousand|hundred|percent|per|kg|km|cm|mm|ft|lbs?|mph|"
    r"[ap]\.?m\b|miles|feet|pounds|dollars|january|february|march|april|may|june|july|august|september|october|november|"
    r"december)",
    re.IGNORECASE,
)
_FIRST_LETTER = re.compile(r"[^\W_]")
_NUMBERING = re.compile(r"[(\[]?(?:\d{1,3}|[A-Za-z]|[IVXLC]{1,5}|[ivxlc]{1,5})[.)\]]+")
_BULLET = re.compile(r"[-*+\u2022\u2023\u2043\u25aa\u25cf\u2013\u2014]\s")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")


def continues(word: str, following: str, *, opens_sentence: bool, previous: str = "") -> bool:
    """
    Whether the sentence continues between `word` and `following`, the next word of the paragraph.

    `opens_sentence`: `word` is the first of its sentence, where `2.` is the number of a list item.
    `previous` is the word before it: "V." ends a sentence behind "Act", and is an initial elsewhere.
    """
    core = _core(word)
    if core.endswith((*_FULL_STOPS, *_CJK_EXCLAMATIONS)):
        return False
    if not core.endswith((".", *_EXCLAMATIONS, *_ELLIPSES)):
        return True
    letter = _FIRST_LETTER.search(following)
    if letter and (letter.group().islower() or (letter.group().isdigit() and core.endswith(_ELLIPSES))):
        return True
    if core.endswith((*_EXCLAMATIONS, *_ELLIPSES)):
        return False
    if previous.lower() in _COUNTED and _NUMERAL.fullmatch(core):
        return False
    return _is_abbreviation(core, following, opens_sentence=opens_sentence)


def _core(word: str) -> str:
    """Return a word without closing marks and without the references to notes behind them."""
    core = word.rstrip()
    while (note := _NOTE.search(core)) and note.start():
        core = core[: note.start()]
    return core.rstrip(_STRIP)


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
    """Whether `word` ends with a comma, semicolon, colon, dash, closing bracket or ellipsis."""
    if word.rstrip(_STRIP).endswith(".") and not word.rstrip(_STRIP).endswith(_ELLIPSES):
        return False  # the dot of an abbreviation, for the sentence goes on
    return word.rstrip(_CLOSERS.replace(")", "").replace("]", "") + " ").endswith(_CLAUSE_ENDS)


def belongs_to_next(word: str, following: str) -> bool:
    """Whether `word` and `following` stay together: an abbreviation or initial, a number and its unit."""
    core = word.rstrip(_STRIP)
    if core.endswith(".") and not core.endswith(_ELLIPSES):
        return True
    return bool(_ENDS_WITH_DIGIT.search(word)) and bool(_QUANTITY.match(following))


def is_function_word(word: str) -> bool:
    """Whether `word` opens a phrase and does not end one: an article, a preposition, a conjunction."""
    return word.lower() in _PHRASE_OPENERS or word.lower() in _DETERMINERS


def opens_phrase(word: str) -> bool:
    """Whether a phrase begins with `word`, a conjunction or preposition."""
    return word.lower() in _PHRASE_OPENERS


def starts_list_item(line: str) -> bool:
    """Whether `line`, the first word of a line, marks the item of a list."""
    return bool(_BULLET.match(line) or (_NUMBERING.fullmatch(line) and line.lower() not in ("i.", "a)")))
