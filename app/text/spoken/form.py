"""
Turns written text into spoken text: the one stage between the source and the engines.

Both engines and the spelling of the aligner use it. All languages get what is safe: straight apostrophes,
dashes, silent markup, bounded runs. English is read whole; the engines of other languages read their digits
themselves (espeak-ng has rules for them, and so has misaki for Japanese and Mandarin).
"""

from collections.abc import Sequence

from app.text.lexicon import NO_LEXICON, Lexicon
from app.text.spoken import (
    abbreviations,
    cardinals,
    dates,
    electronic,
    homographs,
    interjections,
    markup,
    measures,
    money,
    roman,
    telephone,
    times,
)
from app.text.spoken.base import Editor, Rule, SpokenText, Variant
from app.text.spoken.bounds import bound_runs
from app.text.spoken.capitals import read_capitals
from app.text.spoken.typography import invisible, repair

_ENGLISH: Sequence[Sequence[Rule]] = (
    telephone.RULES,
    dates.RULES,
    money.RULES,
    times.RULES,
    measures.RULES,
    roman.RULES,
    cardinals.RULES,
    abbreviations.RULES,
    homographs.RULES,
    interjections.RULES,
)


def spoken_form(text: str, *, language: str, lexicon: Lexicon = NO_LEXICON) -> SpokenText:
    """
    Return what is said for `text`, in time linear in its length.

    `language` is a tag such as "en-us", "en-gb" or "fr"; English other than American is read as British. The
    entries of `lexicon` win over all rules.
    """
    editor = Editor(repair(text))
    variant = Variant(british=not language.startswith("en-us"))
    is_english = language.partition("-")[0] == "en"
    for start, end in invisible(text):
        editor.replace(start, end, "")
    lexicon.apply(editor)
    if is_english:
        editor.apply(electronic.RULES, variant)
    editor.apply(markup.RULES, variant)
    if is_english:
        for rules in _ENGLISH:
            editor.apply(rules, variant)
        read_capitals(editor, variant)
    bound_runs(editor)
    return editor.result()
