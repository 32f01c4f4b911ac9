"""Words in capitals: words where they are shouted or head a chapter, else for the engine to decide."""

import re

from app.text.spoken.base import Editor, Variant, listed

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_FUNCTION_WORDS = listed(
    "THE A AN AND OR BUT NOT NO YES OF TO IN ON AT BY FOR FROM WITH UP DOWN OUT OFF OVER IT HE SHE WE "
    "YOU THEY ME HIM HER US THEM MY YOUR HIS ITS OUR THEIR I IS ARE WAS WERE BE AM DO DID DOES GO "
    "COME GET LET IF AS SO THIS THAT WHAT WHO WHY HOW WHEN WHERE ALL NOW THEN HERE THERE WILL CAN HAS "
    "HAD HAVE ONE TWO TEN SIX MAN MEN OLD NEW END DAY WAY ANY"
)
_ALONE = listed(
    "GO NO SO WE HE ME MY BY DO UP ON OF TO AT AS IF OR AN BE IS THE AND BUT NOT YES YOU SHE HER HIM ALL"
)
_ACRONYMS = listed(
    "NASA NATO UNESCO UNICEF FBI CIA BBC CNN USA UK UN EU USSR TV DVD CD PC IBM ATM DNA RNA GPS NBA "
    "NFL NHL MIT UCLA MBA PHD CEO CFO CTO FAQ HIV AIDS IRS KGB SS RAF RN HMS USS UFO VIP AKA ASAP "
    "RSVP DIY OK LA DC AD BC PM SOS IOU IQ ID AI NYPD LAPD MI5 MI6 WWI WWII BMW GMT EST PST UTC "
    "YMCA NAACP AWOL POW MP PS JFK FDR LGBT HTTP HTTPS WWW HTML NVIDIA CUDA DGX SSN"
)
_NUMERAL = re.compile("[IVX]{2,}")
_VOWEL = re.compile("[AEIOUY]")


def read_capitals(editor: Editor, _variant: Variant) -> None:
    """Write the words of runs of capitals in lower case, so that engines read them as words."""
    run: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(editor.text):
        if match.group().isupper() and match.group().isascii():
            run.append(match.span())
            continue
        _lower(editor, run)
        run = []
    _lower(editor, run)


def _lower(editor: Editor, run: list[tuple[int, int]]) -> None:
    words = [editor.text[start:end] for start, end in run]
    shouted = sum(len(word) > 1 for word in words) > 1 and any(map(_is_word, words))
    for index, ((start, end), word) in enumerate(zip(run, words, strict=True)):
        if word == "I" or not editor.is_free(start, end) or _is_glued(editor.text, start, end):
            continue
        if (shouted and _reads_as_word(word, index, words)) or word in _ALONE:
            editor.replace(start, end, word.lower())


def _is_glued(text: str, start: int, end: int) -> bool:
    """Whether a word belongs to an abbreviation such as AT&T or F-16."""
    return text[max(0, start - 1) : start] in ("&", "/") or text[end : end + 1] in ("&", "/")


def _is_word(word: str) -> bool:
    """Whether a word in capitals is certainly no abbreviation."""
    if word in _ACRONYMS:
        return False
    return word in _FUNCTION_WORDS - {"US", "IT", "I", "A"} or (len(word) > 3 and bool(_VOWEL.search(word)))


def _reads_as_word(word: str, index: int, words: list[str]) -> bool:
    if word == "A":
        return index + 1 < len(words)
    if word in _ACRONYMS or len(word) == 1 or _NUMERAL.fullmatch(word):
        return False
    return bool(_VOWEL.search(word))
