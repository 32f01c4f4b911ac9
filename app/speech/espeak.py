"""
The built-in engine: espeak-ng through ctypes, with word times exact to the sample.

The package espeakng-loader brings the library and its data: no system package, no download. The native
interface is speak_lib.h of version 1.52: https://github.com/espeak-ng/espeak-ng/blob/1.52/src/include/espeak-ng/
"""

import ctypes
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from app.errors import EngineDiedError, RefusedTextError
from app.speech.base import Mark, Utterance
from app.speech.espeak_text import halves, mnemonics, pieces, weight
from app.speech.registry import find_voice
from app.speech.voices import ESPEAK_VOICES, language_tag
from app.text.characters import joins
from app.text.lexicon import NO_LEXICON, Lexicon
from app.text.spans import Span
from app.text.spoken.base import SpokenText
from app.text.spoken.form import spoken_form

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PHONEMES = 0x0100
_IPA = 0x02
_POS_CHARACTER = 1
_RATE = 1
_EVENT_LIST_END = 0
_EVENT_WORD = 1
_EVENT_PHONEME = 7

_BUFFER_MS = 2000
"""Milliseconds of audio per callback; large, because each callback crosses from C into Python."""
_WORDS_A_MINUTE = 155
"""At speed 1. Audiobooks have 150 to 160 words a minute; espeak's default of 175 is too fast for readers."""
_SLOWEST, _FASTEST = 80, 450
"""Limits of espeak's rate; factors of 0.5 to 2.0 lie within, but for one word a minute."""
_MIN_SECS = 0.02
"""Seconds of speech per unit of `weight` below which words were lost; usual is 0.05 to 0.08."""
_SEED = 1
_PAUSE = b"_"
"""Names of phonemes that are silence begin with this."""

# espeak reads control characters in the text as commands (0x01 changes the voice) or as its end (0x00).
# A space in place of each keeps all positions.
_CONTROL_TO_SPACE = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
_WORD = re.compile(r"\S*[^\W_]\S*")
_RUN = re.compile(r"\S*")
_SPOKEN = re.compile(r"[^\W_]+")
_INSIDE_WORDS = frozenset("'\N{RIGHT SINGLE QUOTATION MARK}.,:-")


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(slots=True)
class _WordEvent:
    """A word collected from events: its position in characters of the text, its times in samples."""

    position: int
    start: int
    end: int


class EspeakEngine:
    """
    espeak-ng in this process.

    Its state is global: a second open engine raises RuntimeError. espeak keeps state between calls (the phase
    of its oscillators, its noise), so only a new or reset engine repeats the same samples for the same calls.
    Loading takes about a millisecond.
    """

    name = "espeak"
    max_chunk = 300
    """Characters, as `measure` counts them."""
    max_first_chunk = 0
    voices: Collection[str] = ESPEAK_VOICES.keys()
    variant = ""
    _is_open: ClassVar[bool] = False

    def __init__(self) -> None:
        if EspeakEngine._is_open:
            raise RuntimeError("espeak-ng has global state: close the engine that is open in this process")
        self._load()
        EspeakEngine._is_open = True

    def _load(self) -> None:
        import espeakng_loader  # type: ignore[import-untyped]

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Synth.argtypes = (
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        )
        self._library.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._library.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
        self.sample_rate: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            _BUFFER_MS,
            espeakng_loader.get_data_path().encode(),
            _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT,
        )
        if self.sample_rate <= 0:
            raise EngineDiedError(f"espeak-ng failed to start (code {self.sample_rate})")
        self._library.espeak_ng_SetRandSeed(_SEED)
        self._audio = bytearray()
        self._words: list[_WordEvent] = []
        # The library holds no reference that Python counts, so the engine must.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._set: tuple[str, int] = ("", 0)

    def close(self) -> None:
        """Unload the library and its state."""
        self._library.espeak_Terminate()
        _unload(self._library)
        EspeakEngine._is_open = False

    def reset(self) -> None:
        """Load the library anew."""
        self._library.espeak_Terminate()
        _unload(self._library)
        self._load()

    def measure(self, text: str, *, voice: str, lexicon: Lexicon = NO_LEXICON) -> int:
        """Return the characters of the spoken form; those of dense scripts and digits count several times."""
        return weight(self.spoken(text, voice=voice, lexicon=lexicon).text)

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """
        Synthesize one chunk, with a mark for each word as espeak divides the text, pauses excluded.

        If the marks of a piece of the text stop short of its end, it is spoken again in halves. Raises
        EngineDiedError if words still lack, RefusedTextError for half of a surrogate pair.
        """
        self._prepare(voice, speed)
        rendered = self.rendered(text, voice=voice, lexicon=lexicon)
        audio, words = bytearray(), list[_WordEvent]()
        for piece in pieces(rendered.text, self.max_chunk):
            self._speak_piece(rendered.text, piece, audio, words)
        samples = np.frombuffer(audio, dtype=np.int16).astype(np.float32)
        samples /= 32768
        marks = self._marks(rendered, words, len(samples))
        spoken = self.spoken(text, voice=voice, lexicon=lexicon)
        return Utterance(samples=samples, marks=tuple(marks), spoken=spoken)

    @staticmethod
    def spoken(text: str, *, voice: str, lexicon: Lexicon = NO_LEXICON) -> SpokenText:
        """Return what is said for `text`."""
        return spoken_form(text, language=language_tag(find_voice("espeak", voice)), lexicon=lexicon)

    @classmethod
    def rendered(cls, text: str, *, voice: str, lexicon: Lexicon = NO_LEXICON) -> SpokenText:
        """Return what espeak is given for `text`: in English voices phonemes are in its own notation."""
        spoken = cls.spoken(text, voice=voice, lexicon=lexicon)
        repaired = spoken.repaired.translate(_CONTROL_TO_SPACE).replace("[[", "[(")
        is_english = cls.takes_phonemes(voice)
        return SpokenText(
            repaired,
            (
                replace(each, text=mnemonics(each.phonemes)) if each.phonemes and is_english else each
                for each in spoken.replacements
            ),
        )

    @staticmethod
    def takes_phonemes(voice: str) -> bool:
        """Whether `voice` speaks given phonemes: those of English voices."""
        return language_tag(find_voice("espeak", voice)).partition("-")[0] == "en"

    def _speak_piece(self, text: str, piece: Span, audio: bytearray, words: list[_WordEvent]) -> None:
        """Append the audio and the words of a piece; in halves where espeak lost some of them."""
        part = text[piece.start : piece.end]
        self._synthesize(part)
        if _has_lost(part, self._words, len(self._audio) // 2, self._min_samples()) or self._lost_tail(part):
            both = halves(text, piece)
            if both:
                for half in both:
                    self._speak_piece(text, half, audio, words)
                return
            if not self._audio and self._translate(part):
                raise EngineDiedError("espeak-ng lost a word of a chunk")
        self._add_first_word(part)
        first = len(audio) // 2
        words += (
            _WordEvent(position=piece.start + word.position, start=first + word.start, end=first + word.end)
            for word in self._words
            if 0 <= word.position < len(part)
        )
        audio += self._audio

    def _add_first_word(self, part: str) -> None:
        """Add the event of the words that a piece begins with, if they are heard but have none."""
        end = self._words[0].start if self._words else len(self._audio) // 2
        limit = self._words[0].position if self._words else len(part)
        first = _WORD.search(part, 0, max(limit, 0))
        if first and end > 0:
            self._words.insert(0, _WordEvent(position=first.start(), start=0, end=end))

    def _lost_tail(self, part: str) -> bool:
        """Whether words at the end of a piece have no event, though they have one when spoken alone."""
        if not self._words:
            return False
        last = _RUN.match(part, max(word.position for word in self._words))
        tail = part[last.end() :] if last else ""
        if not _WORD.search(tail):
            return False
        audio, words = bytes(self._audio), list(self._words)
        self._synthesize(tail)
        has_events = bool(self._words)
        self._audio[:], self._words[:] = audio, words
        return has_events

    def _min_samples(self) -> float:
        """Return the least that a unit of `weight` takes at the current rate."""
        return _MIN_SECS * self.sample_rate * _WORDS_A_MINUTE / self._set[1]

    def _synthesize(self, text: str) -> None:
        """Speak `text` into `_audio` and `_words`, which begin empty."""
        self._audio.clear()
        self._words.clear()
        data = self._encoded(text)
        flags = _CHARS_UTF8 | (_PHONEMES if "[[" in text else 0)
        status = self._library.espeak_Synth(data, len(data) + 1, 0, _POS_CHARACTER, 0, flags, None, None)
        if status != 0:
            raise EngineDiedError(f"espeak-ng failed to synthesize (code {status})")
        _close(self._words, len(self._audio) // 2)

    def phonemes(self, text: str, *, voice: str) -> str:
        """Return the IPA of `text`, as `voice` speaks it."""
        self._prepare(voice, 1.0)
        parts = (self._translate(text[piece.start : piece.end]) for piece in pieces(text, self.max_chunk))
        return " ".join(part for part in parts if part)

    def _translate(self, text: str) -> str:
        """Return the IPA of one piece in the voice that is set."""
        found = []
        buffer = ctypes.create_string_buffer(self._encoded(text))
        pointer = ctypes.c_void_p(ctypes.addressof(buffer))
        while pointer.value:
            clause = self._library.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, _IPA)
            found.append((clause or b"").decode("utf-8", "replace").strip())
        return " ".join(clause for clause in found if clause)

    def _prepare(self, voice: str, speed: float) -> None:
        native = find_voice(self.name, voice).native
        rate = min(max(round(_WORDS_A_MINUTE * speed), _SLOWEST), _FASTEST)
        if (native, rate) == self._set:
            return
        if self._library.espeak_SetVoiceByName(native.encode()) != 0:
            raise EngineDiedError(f"espeak-ng failed to load the voice {native}")
        self._library.espeak_SetParameter(_RATE, rate, 0)
        self._set = (native, rate)

    @staticmethod
    def _encoded(text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise RefusedTextError(
                "the text holds half of a surrogate pair, which is not a character"
            ) from None

    def _receive(self, wave: int | None, count: int, events: Any) -> int:
        """Callback of espeak for each buffer: append its samples and collect words from its events."""
        if wave and count:
            self._audio += ctypes.string_at(wave, 2 * count)
        words, index = self._words, 0
        while (kind := events[index].type) != _EVENT_LIST_END:
            event = events[index]
            index += 1
            if kind == _EVENT_WORD:
                _close(words, event.sample)
                words.append(_WordEvent(position=event.text_position - 1, start=event.sample, end=-1))
            elif kind == _EVENT_PHONEME and words:
                # A word ends where the silence after it starts; sound after silence reopens it.
                if event.id.string.startswith(_PAUSE):
                    _close(words, event.sample)
                else:
                    words[-1].end = -1
        return 0

    def _marks(self, rendered: SpokenText, words: Sequence[_WordEvent], total: int) -> Iterator[Mark]:
        """Yield marks in positions of the source; words that speak one replacement share a mark."""
        text, last = rendered.text, None
        merged = list(_merged(text, words))
        for index, word in enumerate(merged):
            following = merged[index + 1].position if index + 1 < len(merged) else len(text)
            source = rendered.source_span(word.position, _end_of_word(text, word.position, following))
            start = source.start
            start_secs = min(word.start, total) / self.sample_rate
            end_secs = min(max(word.start, word.end), total) / self.sample_rate
            if last is not None and source.start < last.end:
                start, start_secs = last.start, last.start_secs
                source = Span(start, max(source.end, last.end))
                end_secs = max(end_secs, last.end_secs)
            elif last is not None:
                yield last
            last = Mark(start=start, end=source.end, start_secs=start_secs, end_secs=end_secs)
        if last is not None:
            yield last


def _has_lost(text: str, words: Sequence[_WordEvent], total: int, min_samples: float) -> bool:
    """
    Whether espeak dropped words: there is text without events, and no time for it either.

    Some words have no event though they are spoken, in Korean those that begin with a nasal.
    """
    ordered = sorted(words, key=lambda word: word.position)
    events = [(word.position, word.start) for word in ordered]
    if ordered:
        total = ordered[-1].end  # without the silence behind it
    events = [(0, 0), *(event for event in events if 0 <= event[0] < len(text)), (len(text), total)]
    for (position, start), (following, end) in pairwise(events):
        spoken = "".join(_SPOKEN.findall(text, position, following))
        has_others = len(_WORD.findall(text, position, following)) > 1 or position == 0
        if has_others and end - start < min_samples * weight(spoken):
            return True
    return False


def _close(words: list[_WordEvent], sample: int) -> None:
    """Set the end of the last word to `sample`, unless a silence has ended it before."""
    if words and words[-1].end < 0:
        words[-1].end = sample


def _merged(text: str, words: Sequence[_WordEvent]) -> Iterator[_WordEvent]:
    """Merge words that espeak speaks separately but the text writes as one: "1234", "e.g."."""
    last: _WordEvent | None = None
    for word in words:
        if last is not None and _same_word(text, last, word):
            last.end = max(last.end, word.end)
            continue
        if last is not None:
            yield last
        last = word
    if last is not None:
        yield last


def _same_word(text: str, last: _WordEvent, word: _WordEvent) -> bool:
    if word.position <= last.position or text[word.position].isspace():
        return True
    if joins(text[word.position - 1], text[word.position]):
        return True
    between = text[last.position : word.position]
    return all(character.isalnum() or character in _INSIDE_WORDS for character in between)


def _end_of_word(text: str, start: int, limit: int) -> int:
    """
    Return the end of the word that starts at `start`: the next white space, or `limit`.

    Words up to `limit` that espeak spoke without an event of their own, such as "the" of "in the", share it.
    """
    end = start
    while end < limit and not text[end].isspace():
        end += 1
    for word in _WORD.finditer(text, end, limit):
        end = word.end()
    return max(end, start + 1)


def _unload(library: ctypes.CDLL) -> None:
    from _ctypes import dlclose

    dlclose(library._handle)  # noqa: SLF001 - there is no public handle
