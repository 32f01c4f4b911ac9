"""
Lexicon files, and folders of them with one or more files per language.

A file is a JSON object (word: pronunciation) or a document of the W3C Pronunciation Lexicon Specification
(https://www.w3.org/TR/pronunciation-lexicon/).
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from app.errors import ConfigurationError
from app.text.lexicon import NO_LEXICON, Lexicon

_MAX_FILE = 1 << 20
"""Bytes of a lexicon file."""
_SUFFIXES = frozenset({".json", ".pls"})


@dataclass(frozen=True, slots=True)
class Lexicons:
    """Lexicons by language."""

    by_language: tuple[tuple[str, Lexicon], ...] = ()
    """(language tag such as "en" or "en-us", lexicon)."""

    def of(self, language: str) -> Lexicon:
        """Return the lexicon of `language`, a tag: entries of "en-us" win over those of "en"."""
        tags = {language, language.partition("-")[0]}
        found = sorted((tag, lexicon) for tag, lexicon in self.by_language if tag in tags)
        merged = NO_LEXICON
        for _, lexicon in found:
            merged = merged.merged(lexicon)
        return merged


NO_LEXICONS = Lexicons()


def read_lexicon(path: Path) -> Lexicon:
    """Read a JSON or PLS file. Raises ConfigurationError if it cannot be read or is not valid."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {str(error.strerror).lower()}") from error
    if len(data) > _MAX_FILE:
        raise ConfigurationError(f"{path}: a lexicon file has at most {_MAX_FILE} bytes")
    try:
        mapping = _pls(data) if data.lstrip().startswith(b"<") else _json(data)
        return Lexicon.from_mapping(mapping)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}") from None


def read_lexicons(folder: Path, *, languages: Collection[str]) -> Lexicons:
    """
    Read the files of `folder`, named by language: `en-us.json`, `fr.pls`. Hidden files are left out.

    `languages` are the tags of the voices; a file may also name their first part. Raises ConfigurationError
    if a file cannot be read, is not valid, or is for no language.
    """
    try:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise ConfigurationError(f"{folder}: {str(error.strerror).lower()}") from error
    known = {*languages, *(tag.partition("-")[0] for tag in languages)}
    for path in files:
        if path.suffix not in _SUFFIXES or path.stem not in known:
            raise ConfigurationError(
                f"{path}: a lexicon is named by a language of the voices, such as en-us.json or fr.pls"
            )
    return Lexicons(tuple((path.stem, read_lexicon(path)) for path in files))


def _json(data: bytes) -> dict[str, str]:
    try:
        mapping = json.loads(data)
    except (ValueError, RecursionError):
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
