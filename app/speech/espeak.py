"""
The embedded engine: espeak-ng, called by ctypes, whose word times are known to the sample.

Library and data come from the package espeakng-loader: no system package, no download. The native interface
is that of speak_lib.h, version 1.52: https://github.com/espeak-ng/espeak-ng/blob/1.52/src/include/espeak-ng/
"""

import ctypes
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from app.errors import EngineDiedError, RefusedTextError
from app.speech.base import Mark, Utterance
from app.speech.registry import find_voice
from app.speech.voices import ESPEAK_VOICES

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 0x0001
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE = 1
_EVENT_LIST_END = 0
_EVENT_WORD = 1
_EVENT_PHONEME = 7

_BUFFER_MS = 2000
"""Of audio a callback brings: large, for each one crosses from C into Python and back."""
_WORDS_A_MINUTE = 155
"""At speed 1: what recorded books are read at, 150 to 160 a minute; espeak's own 175 outruns subtitles."""
_SLOWEST, _FASTEST = 80, 450
"""What espeak speaks; factors of 0.5 to 2.0 lie within, but for a hair."""
_SEED = 1
_PAUSE = b"_"
"""With this begin the names of phonemes that are silence."""

# Within text, espeak takes control characters as commands (0x01 changes the voice) or as its end (0x00).
# A blank in the place of each keeps the positions of all others.
_BLANKED = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
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
class _Sounding:
    """A word as it is being gathered from events; in characters of the text and samples of the audio."""

    position: int
    start: int
    end: int


class EspeakEngine:
    """
    espeak-ng in this process; one at a time, for its state is global: RuntimeError where one is open.

    The same calls in the same order on a new engine give the same samples: what it keeps between calls (the
    phase of its oscillators, its noise) is loaded afresh with it, which takes about a millisecond.
    """

    name = "espeak"
    max_chunk = 300
    """Characters. It speaks any length alike; this bounds what a chunk takes in memory and in alignment."""
    opening = 0
    voices: Collection[str] = ESPEAK_VOICES.keys()
    _is_open: ClassVar[bool] = False

    def __init__(self) -> None:
        if EspeakEngine._is_open:
            raise RuntimeError("espeak-ng's state is global: close the engine that this process has")
        import espeakng_loader  # type: ignore[import-untyped]

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_Synth.argtypes = (
            *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
            *(ctypes.c_void_p, ctypes.c_void_p),
        )
        self._library.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
        self.sample_rate: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS,
            _BUFFER_MS,
            espeakng_loader.get_data_path().encode(),
            _INITIALIZE_PHONEME_EVENTS | _INITIALIZE_DONT_EXIT,
        )
        if self.sample_rate <= 0:
            raise EngineDiedError(f"espeak-ng did not start (code {self.sample_rate})")
        EspeakEngine._is_open = True
        self._library.espeak_ng_SetRandSeed(_SEED)
        self._audio = bytearray()
        self._words: list[_Sounding] = []
        # Kept here, for the library holds no reference that Python would count.
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)
        self._set: tuple[str, int] = ("", 0)

    def close(self) -> None:
        """Give the library back, and its state with it; the engine speaks no more."""
        self._library.espeak_Terminate()
        _unload(self._library)
        EspeakEngine._is_open = False

    def measure(self, text: str, *, voice: str) -> int:  # noqa: ARG002 - all voices measure alike
        """Return the number of characters."""
        return len(text)

    def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
        """Speak one chunk; a mark for each word as espeak divides them, its end where its last sound ends."""
        self._prepare(voice, speed)
        self._audio.clear()
        self._words.clear()
        data = self._encoded(text)
        status = self._library.espeak_Synth(
            data, len(data) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != 0:
            raise EngineDiedError(f"espeak-ng could not speak (code {status})")
        samples = np.frombuffer(self._audio, dtype=np.int16).astype(np.float32)
        samples /= 32768
        return Utterance(samples=samples, marks=tuple(self._marks(text, len(samples))))

    def _prepare(self, voice: str, speed: float) -> None:
        native = find_voice(self.name, voice).native
        rate = min(max(round(_WORDS_A_MINUTE * speed), _SLOWEST), _FASTEST)
        if (native, rate) == self._set:
            return
        if self._library.espeak_SetVoiceByName(native.encode()) != 0:
            raise EngineDiedError(f"espeak-ng could not load its voice {native}")
        self._library.espeak_SetParameter(_RATE, rate, 0)
        self._set = (native, rate)

    @staticmethod
    def _encoded(text: str) -> bytes:
        try:
            return text.translate(_BLANKED).encode()
        except UnicodeEncodeError:
            raise RefusedTextError("the text holds half a surrogate pair, which is no character") from None

    def _receive(self, wave: int | None, count: int, events: Any) -> int:
        """What espeak calls with each buffer: keep its samples, and fold its events into words."""
        if wave and count:
            self._audio += ctypes.string_at(wave, 2 * count)
        words, index = self._words, 0
        while (kind := events[index].type) != _EVENT_LIST_END:
            event = events[index]
            index += 1
            if kind == _EVENT_WORD:
                _close(words, event.sample)
                words.append(_Sounding(position=event.text_position - 1, start=event.sample, end=-1))
            elif kind == _EVENT_PHONEME and words:
                # The end of a word is the start of the silence after it; sound after silence reopens it.
                if event.id.string.startswith(_PAUSE):
                    _close(words, event.sample)
                else:
                    words[-1].end = -1
        return 0

    def _marks(self, text: str, total: int) -> Iterator[Mark]:
        _close(self._words, total)
        starts = [word for word in self._words if 0 <= word.position < len(text)]
        gathered = list(_gathered(text, starts))
        for index, word in enumerate(gathered):
            following = gathered[index + 1].position if index + 1 < len(gathered) else len(text)
            yield Mark(
                start=word.position,
                end=_end_of_word(text, word.position, following),
                start_secs=min(word.start, total) / self.sample_rate,
                end_secs=min(max(word.start, word.end), total) / self.sample_rate,
            )


def _close(words: list[_Sounding], sample: int) -> None:
    """End the last word at `sample`, unless silence has ended it before."""
    if words and words[-1].end < 0:
        words[-1].end = sample


def _gathered(text: str, words: Sequence[_Sounding]) -> Iterator[_Sounding]:
    """Join what espeak speaks as several words but the text writes as one: "1234", "e.g."."""
    last: _Sounding | None = None
    for word in words:
        if last is not None and _same_word(text, last, word):
            last.end = max(last.end, word.end)
            continue
        if last is not None:
            yield last
        last = word
    if last is not None:
        yield last


def _same_word(text: str, last: _Sounding, word: _Sounding) -> bool:
    if word.position <= last.position or text[word.position].isspace():
        return True
    between = text[last.position : word.position]
    return all(character.isalnum() or character in _INSIDE_WORDS for character in between)


def _end_of_word(text: str, start: int, limit: int) -> int:
    """The character after the last of the word that begins at `start`: before white space, or the next."""
    end = start
    while end < limit and not text[end].isspace():
        end += 1
    return max(end, start + 1)


def _unload(library: ctypes.CDLL) -> None:
    from _ctypes import dlclose

    dlclose(library._handle)  # noqa: SLF001 - nor to learn its handle
