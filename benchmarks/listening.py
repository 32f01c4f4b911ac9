"""
Listens to narrated audio with Whisper, and compares what it hears with what the text says.

Texts and transcripts are brought to the same words: lower case, numbers spelled out, titles written in full,
without accents and apostrophes. These rules are kept apart from the project's own spoken forms, so that a
mistake there is heard as one.
"""

import difflib
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from num2words import num2words

_SIGNS = {
    "%": " percent ",
    "&": " and ",
    "@": " at ",
    "=": " equals ",
    "°c": " degrees celsius ",
    "°": " degrees ",
}
_CURRENCIES = {"$": ("dollars", "cents"), "£": ("pounds", "pence"), "€": ("euros", "cents")}
_WRITTEN = {
    r"mrs\b\.?": "missus", r"mr\b\.?": "mister", r"ms\.": "miss", r"dr\b\.?": "doctor",
    r"prof\.": "professor", r"capt\.": "captain", r"lt\.": "lieutenant", r"col\.": "colonel",
    r"sr\.": "senior", r"st\b\.?": "saint", r"mt\.": "mount", r"cannot\b": "can not", r"a\.m\b": "am",
    r"p\.m\b": "pm", r"i\.e\.": "that is", "abbott": "abbot", "bennett": "bennet", "brentley": "brently",
    "employd": "employed", "neighbour": "neighbor", "colour": "color", "honour": "honor", "favour": "favor",
    r"grey\b": "gray", r"ok\b": "okay", r"kg\b": "kilograms", r"ft\b\.?": "feet",
    r"km/h\b": "kilometers per hour", r"km\b": "kilometers", "kilometre": "kilometer", "metre": "meter",
}  # fmt: skip
"""Other spellings of the same sounds, and what transcripts abbreviate: pattern to words."""
_FRACTIONS = {"1/2": " a half ", "3/4": " three quarters ", "1/4": " a quarter "}
_SAME = {
    "dyou": "do you",
    "theydve": "theyd have",
    "em": "them",
    "tis": "it is",
    "twas": "it was",
    "hear": "here",
    "stair": "stare",
    "for": "four",
    "your": "youre",
    "their": "there",
    "two": "too",
}
"""Elisions and homophones."""
_ORDINALS = {str(num2words(number, to="ordinal")): str(num2words(number)) for number in range(1, 40)}
_ROMANS = {
    "i": 1,
    "ii": 2,
    "iii": 3,
    "iv": 4,
    "v": 5,
    "vi": 6,
    "vii": 7,
    "viii": 8,
    "ix": 9,
    "x": 10,
    "xi": 11,
    "xii": 12,
    "xiii": 13,
    "xiv": 14,
    "xv": 15,
    "xvi": 16,
}
_NUMBER_WORDS = {word for number in range(100) for word in str(num2words(number)).split("-")}
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+|\d+\.\d+|\d+")
_YEAR = re.compile(r"1[1-9]\d\d|20[0-2]\d")


class HeardWord(NamedTuple):
    """A word of a transcript."""

    text: str
    start_secs: float
    end_secs: float


class Difference(NamedTuple):
    """Where a transcript differs from the text."""

    kind: str
    """ "replaced", "missing" or "added"."""
    after: str
    """The word before it."""
    expected: str
    heard: str
    position: int
    """Index of the first word in the text."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences between a text and its transcript."""

    words: int
    """Words of the text."""
    differences: tuple[Difference, ...]

    @property
    def errors(self) -> int:
        """Words that are replaced, missing or added."""
        return sum(max(len(each.expected.split()), len(each.heard.split())) for each in self.differences)

    @property
    def rate(self) -> float:
        """The word error rate, as a share."""
        return self.errors / self.words if self.words else 0.0


class Ears:
    """Whisper, by faster-whisper (https://github.com/SYSTRAN/faster-whisper), in int8 on the CPU."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Load the model in `folder`."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from faster_whisper import WhisperModel  # noqa: PLC0415  # seconds to import

        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def hear(self, audio: Any, *, beam: int = 5, language: str = "en") -> list[HeardWord]:
        """Return the words of `audio`, a path or float32 samples at 16 kHz."""
        source = str(audio) if isinstance(audio, Path) else audio
        segments, _ = self._model.transcribe(
            source,
            language=language,
            beam_size=beam,
            word_timestamps=True,
            condition_on_previous_text=False,
        )
        return [
            HeardWord(word.word, word.start, word.end) for segment in segments for word in segment.words or ()
        ]


def words_of(text: str) -> list[str]:
    """Return the words of a text or a transcript, brought to the same form."""
    return [word for run in text.split() for word in normalized(run)]


def compare(expected: Sequence[str], heard: Sequence[str]) -> Comparison:
    """Compare the words of a text with those of a transcript."""
    differences = []
    matcher = difflib.SequenceMatcher(None, expected, heard, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "equal" and not _sounds_like(expected[i:j], heard[k:m]):
            if [*expected[i:j], *heard[k:m]] == ["to"] and expected[i - 1] in _NUMBER_WORDS:
                continue  # transcripts write both 9:30 and nine to thirty as 9-30
            kind = {"replace": "replaced", "delete": "missing", "insert": "added"}[tag]
            after = expected[i - 1] if i else ""
            differences.append(Difference(kind, after, " ".join(expected[i:j]), " ".join(heard[k:m]), i))
    return Comparison(len(expected), tuple(differences))


def _sounds_like(expected: Sequence[str], heard: Sequence[str]) -> bool:
    return "".join(expected) == "".join(heard) or _sound(expected) == _sound(heard)


def _sound(words: Sequence[str]) -> str:
    """Return the same for the same sounds, such as "any one" and "anyone", or "the eighth" and "VIII"."""
    whole = [_SAME.get(word, word) for word in words if word != "the"]
    numbers = [_ORDINALS.get(word, word) for word in whole]
    return "".join(str(num2words(_ROMANS[word])) if word in _ROMANS else word for word in numbers).replace(
        " ", ""
    )


def normalized(run: str) -> list[str]:
    """Return the words of a run of characters without white space."""
    text = unicodedata.normalize("NFKC", run).replace("\u2019", "'").replace("\u2018", "'")
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()
    text = text.replace("\u2044", "/").replace("\u2013", "-")
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda m: f" {num2words(int(m[1]), to='ordinal')} ", text)
    text = re.sub(r"\b(\d\d)(\d)0s\b", lambda m: f" {_decade(m[1], m[2])} ", text)
    for patterns in (_FRACTIONS, _WRITTEN):
        for pattern, full in patterns.items():
            text = re.sub(rf"(?<![a-z/\d]){pattern}", f" {full} ", text)
    text = re.sub(r"(?<=\d)-(?=\d)", " to ", text)
    text = re.sub("[\u2014\u2026/-]+", " ", text)
    text = re.sub(r"([$£€])([\d,]+)(?:\.(\d\d))?", _money, text)
    text = re.sub(r"\b(\d{1,2}):(\d\d)\b", lambda m: f"{m[1]} {m[2]}" if m[2] != "00" else m[1], text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    text = _NUMBER.sub(lambda match: f" {_spelled(match[0])} ", text)
    return re.findall(r"[a-z]+", text.replace("'", ""))


def _money(match: re.Match[str]) -> str:
    whole, part = _CURRENCIES[match[1]]
    return f"{match[2]} {whole} and {int(match[3])} {part}" if match[3] else f"{match[2]} {whole}"


def _decade(century: str, tens: str) -> str:
    words = str(num2words(int(f"{century}{tens}0"), to="year"))
    return words.removesuffix("y") + "ies" if words.endswith("y") else f"{words}s"


def _spelled(number: str) -> str:
    if _YEAR.fullmatch(number):
        return str(num2words(int(number), to="year")).replace("oh-", "oh ")
    if number[0] == "0" and len(number) > 1 and number.isdigit():
        return f"oh {num2words(int(number))}"
    return str(num2words(number.replace(",", "")))
