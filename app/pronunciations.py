"""
Pronunciations that a job or a lexicon gives for words: their bounds and their phonemes.

A pronunciation is IPA between slashes, Kokoro's phonemes, or a respelling in plain letters (`shi-vawn`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_ENTRIES = 2_000
MAX_WORD = 64
"""Characters of a word or phrase."""
MAX_PRONUNCIATION = 128
"""Characters of a pronunciation."""

PHONEMES = frozenset("AIOQTWYabdefhijklmnoprstuvwxzæçðøŋœɐɑɒɔəɚɛɜɟɡɣɥɨɪɬɯɲɳɴɸɹɾʁʂʃʈʊʋʌʎʒʔʝʣʤʥʦʧʨʲˈˌːᵊᵻβθχ̃ʰ -")
"""The phonemes that an entry may hold, after IPA of several letters became Kokoro's own."""
_IPA_SIGNS = re.compile("[æçðøŋœɐɑɒɔəɚɛɜɝɟɡɣɪɬɹɾʁʂʃʊʋʌʒʔʤʧˈˌːᵊᵻθ]")
# Kokoro's English phonemes (misaki, EN_PHONES.md) for common IPA, longest first
_FROM_IPA = (
    ("t͡ʃ", "ʧ"), ("d͡ʒ", "ʤ"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("oʊ", "O"), ("əʊ", "Q"),
    ("eɪ", "A"), ("aɪ", "I"), ("aʊ", "W"), ("ɔɪ", "Y"), ("ɝ", "ɜɹ"), ("ɚ", "əɹ"),
    ("r", "ɹ"), ("g", "ɡ"), (".", ""), ("'", "ˈ"), ("ʼ", "ˈ"),
)  # fmt: skip
_WORD = re.compile(r"[^\x00-\x1f\x7f<>\[\]{}\ud800-\udfff]*")
_LETTER = re.compile(r"[^\W_]")
_RESPELLING = re.compile(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an entry."""

    entry: int
    """Its number, from 1."""
    word: str
    """The word, shortened, safe to print."""
    reason: str


def first_fault(mapping: Mapping[Any, Any]) -> Fault | None:
    """Return the first entry that is no word and pronunciation, or is too much; None if all are valid."""
    for number, (word, pronunciation) in enumerate(mapping.items(), 1):
        if number > MAX_ENTRIES:
            reason = f"there are at most {MAX_ENTRIES} entries, not {len(mapping)}"
        else:
            reason = _reason(word, pronunciation)
        if reason:
            return Fault(number, ascii(str(word)[:MAX_WORD]), reason)
    return None


def phonemes_of(pronunciation: str) -> str | None:
    """
    Return Kokoro's phonemes of a pronunciation, None if it is a respelling.

    Raises ValueError for a character that is no phoneme, with its position.
    """
    inner = pronunciation
    is_ipa = len(inner) > 1 and inner[0] == inner[-1] == "/"
    if is_ipa:
        inner = inner[1:-1]
    elif not _IPA_SIGNS.search(inner):
        return None
    shift = 2 if is_ipa else 1
    for position, character in enumerate(inner):
        if character not in PHONEMES and character not in "gɝ.'ʼ͡":
            message = f"character {position + shift}, {character!a}, is not a phoneme"
            raise ValueError(message)
    for ipa, own in _FROM_IPA:
        inner = inner.replace(ipa, own)
    inner = inner.replace("͡", "").strip()
    if not any(character.isalpha() and character not in "ˈˌː" for character in inner):
        message = "there is no phoneme in it"
        raise ValueError(message)
    return inner


def _reason(word: object, pronunciation: object) -> str:
    if not isinstance(word, str) or not isinstance(pronunciation, str):
        return "words and pronunciations must be text"
    if not 0 < len(word) <= MAX_WORD or not _WORD.fullmatch(word) or not _LETTER.search(word):
        return f"a word has 1 to {MAX_WORD} characters, with a letter among them"
    if not 0 < len(pronunciation) <= MAX_PRONUNCIATION:
        return f"a pronunciation has 1 to {MAX_PRONUNCIATION} characters"
    try:
        is_respelling = phonemes_of(pronunciation) is None
    except ValueError as error:
        return str(error)
    if is_respelling and not _RESPELLING.fullmatch(pronunciation):
        return (
            "a respelling is words of letters, with spaces, hyphens or apostrophes between them; "
            "IPA stands between slashes"
        )
    return ""
