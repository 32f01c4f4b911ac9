"""
Pronunciations that a job, a voice or a user gives for words: a lexicon, validated and bounded.

A pronunciation is IPA between slashes, Kokoro's phonemes, or a respelling in plain letters (`shi-vawn`).
Files are JSON objects (word: pronunciation) or documents of the W3C Pronunciation Lexicon Specification
(https://www.w3.org/TR/pronunciation-lexicon/). espeak-ng takes phonemes in English voices
only; in others it reads the word as it is written.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

from app.errors import ConfigurationError
from app.text.spoken.base import Editor, Spoken

MAX_ENTRIES = 2_000
MAX_WORD = 64
"""Characters of a word or phrase."""
MAX_PRONUNCIATION = 128
"""Characters of a pronunciation."""
_MAX_FILE = 1 << 20
"""Bytes of a lexicon file."""

PHONEMES = frozenset("AIOQTWYabdefhijklmnoprstuvwxzæçðøŋœɐɑɒɔəɚɛɜɟɡɣɥɨɪɬɯɲɳɴɸɹɾʁʂʃʈʊʋʌʎʒʔʝʣʤʥʦʧʨʲˈˌːᵊᵻβθχ̃ʰ -")
"""The phonemes that an entry may hold, after IPA of several letters became Kokoro's own."""
_IPA_SIGNS = re.compile("[æçðøŋœɐɑɒɔəɚɛɜɝɟɡɣɪɬɹɾʁʂʃʊʋʌʒʔʤʧˈˌːᵊᵻθ]")
# Kokoro's English phonemes (misaki, EN_PHONES.md) for common IPA, longest first
_FROM_IPA = (
    ("t͡ʃ", "ʧ"), ("d͡ʒ", "ʤ"), ("tʃ", "ʧ"), ("dʒ", "ʤ"), ("oʊ", "O"), ("əʊ", "Q"),
    ("eɪ", "A"), ("aɪ", "I"), ("aʊ", "W"), ("ɔɪ", "Y"), ("ɝ", "ɜɹ"), ("ɚ", "əɹ"),
    ("r", "ɹ"), ("g", "ɡ"), (".", ""), ("'", "ˈ"), ("ʼ", "ˈ"),
)  # fmt: skip
_TOKEN = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_WORD = re.compile(r"[^\x00-\x1f\x7f<>\[\]{}]*[^\W_][^\x00-\x1f\x7f<>\[\]{}]*")
_RESPELLING = re.compile(r"[^\W\d_]+(?:[ '’-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words and how they are said; hashable, and of plain values, so that it travels as JSON."""

    entries: tuple[tuple[str, str], ...] = ()
    """(word or phrase, pronunciation as it was given)."""

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> Self:
        """Validate `mapping`. Raises ConfigurationError, which names the entry and the position at fault."""
        if len(mapping) > MAX_ENTRIES:
            raise ConfigurationError(f"a lexicon has at most {MAX_ENTRIES} entries, not {len(mapping)}")
        for word, pronunciation in mapping.items():
            _check(word, pronunciation)
        return cls(tuple(mapping.items()))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a JSON or PLS file. Raises ConfigurationError if it cannot be read or is not valid."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{path}: {str(error.strerror).lower()}") from error
        if len(data) > _MAX_FILE:
            raise ConfigurationError(f"{path}: a lexicon file has at most {_MAX_FILE} bytes")
        try:
            mapping = _pls(data) if data.lstrip().startswith(b"<") else _json(data)
            return cls.from_mapping(mapping)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.message}") from None

    def merged(self, other: "Lexicon") -> "Lexicon":
        """Return the entries of both; those of `other` win."""
        return Lexicon(tuple((dict(self.entries) | dict(other.entries)).items()))

    def apply(self, editor: Editor) -> None:
        """Replace the words of the lexicon; longer phrases win over shorter ones."""
        phrases = _compiled(self)
        if not phrases:
            return
        tokens = list(_tokens(editor.text))
        for index, (start, _, word) in enumerate(tokens):
            for length, words, spoken in phrases.get(word, ()):
                found = tokens[index : index + length]
                end = found[-1][1]
                if tuple(text for _, _, text in found) == words and editor.is_free(start, end):
                    _replace(editor, start, end, spoken)
                    break


NO_LEXICON = Lexicon()


def phonemes_of(pronunciation: str) -> str | None:
    """
    Return Kokoro's phonemes of a pronunciation, None if it is a respelling.

    Raises ConfigurationError for a character that is no phoneme, with its position.
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
            raise ConfigurationError(f"character {position + shift}, {character!a}, is not a phoneme")
    for ipa, own in _FROM_IPA:
        inner = inner.replace(ipa, own)
    inner = inner.replace("͡", "").strip()
    if not any(character.isalpha() and character not in "ˈˌː" for character in inner):
        raise ConfigurationError("there is no phoneme in it")
    return inner


def _replace(editor: Editor, start: int, end: int, spoken: Spoken) -> None:
    """Say `spoken` for a word; phonemes include those of a possessive "'s" behind it."""
    if spoken.phonemes:
        phonemes = spoken.phonemes
        if editor.text[end : end + 2].lower() == "'s" and editor.is_free(end, end + 2):
            end += 2
            phonemes += _possessive(phonemes)
        spoken = Spoken(editor.text[start:end], phonemes)
    editor.replace(start, end, spoken)


def _possessive(phonemes: str) -> str:
    if phonemes[-1] in "sz\u0283\u0292\u02a7\u02a4":
        return "\u1d7bz"
    return "s" if phonemes[-1] in "ptkf\u03b8" else "z"


def _check(word: object, pronunciation: object) -> None:
    if not isinstance(word, str) or not isinstance(pronunciation, str):
        raise ConfigurationError("words and pronunciations must be text")
    name = ascii(word[:MAX_WORD])
    if not 0 < len(word) <= MAX_WORD or not _WORD.fullmatch(word) or not _TOKEN.search(word):
        raise ConfigurationError(f"{name}: a word has 1 to {MAX_WORD} characters, with a letter among them")
    if not 0 < len(pronunciation) <= MAX_PRONUNCIATION:
        raise ConfigurationError(f"{name}: a pronunciation has 1 to {MAX_PRONUNCIATION} characters")
    try:
        is_respelling = phonemes_of(pronunciation) is None
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error.message}") from None
    if is_respelling and not _RESPELLING.fullmatch(pronunciation):
        raise ConfigurationError(
            f"{name}: a respelling is words of letters, with spaces, hyphens or apostrophes between them; "
            "IPA stands between slashes"
        )


def _tokens(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, key) of the words; a possessive "'s" is no part of a word."""
    for match in _TOKEN.finditer(text):
        key = match.group().casefold()
        end = match.end()
        if key.endswith("'s") and len(key) > 2:  # noqa: PLR2004
            key, end = key[:-2], end - 2
        yield match.start(), end, key


@lru_cache(maxsize=16)
def _compiled(lexicon: Lexicon) -> dict[str, list[tuple[int, tuple[str, ...], Spoken]]]:
    """Return the phrases by their first word, the longest first."""
    phrases: dict[str, list[tuple[int, tuple[str, ...], Spoken]]] = {}
    for word, pronunciation in lexicon.entries:
        words = tuple(key for _, _, key in _tokens(word.replace("\u2019", "'")))
        phonemes = phonemes_of(pronunciation)
        # hyphens part the syllables of a respelling; engines read them as pauses
        spoken = Spoken(pronunciation.replace("-", " ")) if phonemes is None else Spoken("", phonemes)
        phrases.setdefault(words[0], []).append((len(words), words, spoken))
    for candidates in phrases.values():
        candidates.sort(key=lambda candidate: -candidate[0])
    return phrases


def _json(data: bytes) -> dict[str, str]:
    try:
        mapping = json.loads(data)
    except ValueError:
        raise ConfigurationError("it is neither a JSON object nor a PLS document") from None
    if not isinstance(mapping, dict):
        raise ConfigurationError("a JSON lexicon is an object of words and pronunciations")
    return mapping


def _pls(data: bytes) -> dict[str, str]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ConfigurationError("a PLS document must not declare a DOCTYPE or entities")
    try:
        root = ET.fromstring(data)  # noqa: S314 - no DOCTYPE: nothing to expand or fetch
    except ET.ParseError as error:
        raise ConfigurationError(f"not well-formed XML: {error}") from None
    alphabet = root.get("alphabet", "ipa")
    mapping: dict[str, str] = {}
    for lexeme in root.findall(".//{*}lexeme"):
        pronunciation = _pronunciation(lexeme, alphabet)
        for grapheme in lexeme.findall("{*}grapheme"):
            mapping[(grapheme.text or "").strip()] = pronunciation
    if not mapping:
        raise ConfigurationError("the PLS document has no lexeme")
    return mapping


def _pronunciation(lexeme: ET.Element, alphabet: str) -> str:
    alias = lexeme.find("{*}alias")
    if alias is not None:
        return (alias.text or "").strip()
    phoneme = lexeme.find("{*}phoneme")
    if phoneme is None:
        raise ConfigurationError("a lexeme needs a phoneme or an alias")
    if phoneme.get("alphabet", alphabet) != "ipa":
        raise ConfigurationError("only the alphabet ipa is supported")
    return f"/{(phoneme.text or '').strip()}/"
