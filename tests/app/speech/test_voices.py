"""The closed sets of voices, and what a user hears who misses one."""

import subprocess
import sys

import pytest

from app.errors import ConfigurationError, UnknownVoiceError
from app.speech.registry import ENGINES, VoiceNames, engine_spec, find_voice
from app.speech.voices import ESPEAK_VOICES, KOKORO_VOICES


def test_kokoro_has_its_54_voices() -> None:
    """The set is Kokoro 1.0's, a count a language as its VOICES.md gives it."""
    counts = {letter: sum(name[0] == letter for name in KOKORO_VOICES) for letter in "abefhijpz"}
    assert counts == {"a": 20, "b": 8, "e": 3, "f": 1, "h": 4, "i": 2, "j": 5, "p": 3, "z": 8}


def test_espeak_speaks_for_every_kokoro_voice() -> None:
    """A job that names a voice of Kokoro's runs on the embedded engine, in the same language and sex."""
    for name, voice in KOKORO_VOICES.items():
        assert (voice.language, voice.sex) == (ESPEAK_VOICES[name].language, ESPEAK_VOICES[name].sex)


def test_espeak_has_languages_of_its_own() -> None:
    """Languages that Kokoro lacks have a voice."""
    assert {"en-us", "en-gb", "de", "fr", "nl", "pl", "sv", "cmn"} <= ESPEAK_VOICES.keys()


def test_a_near_miss_gets_a_suggestion() -> None:
    """A slip of the keyboard is answered with the voice that was meant."""
    with pytest.raises(UnknownVoiceError, match="did you mean af_heart"):
        find_voice("kokoro", "af_haert")


def test_a_hostile_name_is_quoted_in_one_short_line() -> None:
    """A name from outside cannot break a log's line or fill it."""
    with pytest.raises(UnknownVoiceError) as caught:
        find_voice("espeak", "../\n\x1b[31m" + "x" * 100_000)
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


def test_an_unknown_engine_is_named() -> None:
    """Engines form a closed set too, and the message lists it."""
    with pytest.raises(ConfigurationError, match=", ".join(ENGINES)):
        engine_spec("festival")


def test_asking_for_voices_loads_nothing_heavy() -> None:
    """The parent and the command line ask for voices without numpy, native code or a model."""
    code = (
        "import sys, app.speech.voices; sys.exit(any(m in sys.modules for m in ('numpy', 'ctypes', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_job_may_ask_for_a_blend() -> None:
    """What a worker takes for a voice is what its engine speaks by: voices, and of Kokoro their blends."""
    kokoro, espeak = VoiceNames("kokoro"), VoiceNames("espeak")
    assert "af_heart" in kokoro
    assert "af_heart(3)+am_adam" in kokoro
    assert "af_heart" in espeak
    for nobody in ("af_nobody", "af_heart+", "af_heart(0)", "../af_heart", "", None):
        assert nobody not in kokoro
    assert "af_heart+am_adam" not in espeak
