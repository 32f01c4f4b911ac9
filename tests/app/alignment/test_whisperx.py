"""WhisperX's own alignment, on a network with random weights and on one whose emissions are known."""

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.alignment.whisperx import WhisperXAligner, has_model, language_of
from app.errors import ConfigurationError
from app.models.store import ModelStore
from app.speech.base import Mark, Utterance
from app.text.spans import Span
from tests.tree import ROOT

pytestmark = pytest.mark.speech

RATE = 24_000
FRAME_SECS = 0.02
LABELS = ("-", "|", *"ETAONIHSRDLUMWCFGYPBVK'XJQZ")


@pytest.fixture(scope="module")
def aligner(models: ModelStore) -> WhisperXAligner:
    """One aligner for all tests here."""
    return WhisperXAligner(models=models, language="en", threads=1)


class _Oracle:
    """In place of the network: emissions that say which letter is heard in which frame of 20 ms."""

    def __init__(self, frames: Sequence[str]) -> None:
        self._frames = frames

    def __call__(self, audio: Any, lengths: object = None) -> tuple[Any, None]:  # noqa: ARG002 - as networks are called
        assert (1, 16_000 * FRAME_SECS * len(self._frames)) == (audio.shape[0], audio.shape[1])
        import torch  # seconds to import

        logits = torch.full((1, len(self._frames), len(LABELS)), -10.0)
        for index, letter in enumerate(self._frames):
            logits[0, index, LABELS.index(letter.upper())] = 10.0
        return logits, None


class _Noise:
    """In place of the network: the emissions of any array, shape (frames, labels)."""

    def __init__(self, logits: np.ndarray) -> None:
        import torch  # seconds to import

        self._logits = torch.from_numpy(logits)[None]

    def __call__(self, audio: Any, lengths: object = None) -> tuple[Any, None]:  # noqa: ARG002 - as networks are called
        return self._logits, None


@pytest.fixture
def hear(aligner: WhisperXAligner, monkeypatch: pytest.MonkeyPatch) -> "type[_Hearing]":
    """Let the aligner hear what a test writes down, a letter a frame."""
    _Hearing.aligner, _Hearing.monkeypatch = aligner, monkeypatch
    return _Hearing


class _Hearing:
    aligner: WhisperXAligner
    monkeypatch: pytest.MonkeyPatch

    @classmethod
    def marks(cls, text: str, frames: str) -> Sequence[Mark | None]:
        """Align `text` to audio of which each frame sounds like the character of `frames`."""
        return cls.marks_of(text, _Oracle(frames), frames=len(frames))

    @classmethod
    def marks_of(cls, text: str, network: "_Oracle | _Noise", *, frames: int) -> Sequence[Mark | None]:
        """Align `text` to what `network` emits."""
        letters = {label.lower(): code for code, label in enumerate(LABELS)}
        from app.alignment.whisperx import _WildcardModel

        listener = _WildcardModel(network, kind="torchaudio", letters=letters)
        cls.monkeypatch.setattr(cls.aligner, "_letters", letters)
        cls.monkeypatch.setattr(cls.aligner, "_model", listener)
        cls.monkeypatch.setitem(cls.aligner._metadata, "dictionary", {**letters, "*": len(letters)})
        samples = np.zeros(round(frames * FRAME_SECS * RATE), dtype=np.float32)
        utterance = Utterance(samples=samples, marks=())
        return cls.aligner.align(utterance, text=text, words=_words(text), sample_rate=RATE)


def _words(text: str) -> list[Span]:
    return [Span(match.start(), match.end()) for match in re.finditer(r"\S+", text)]


def _starts(marks: Sequence[Mark | None]) -> list[int | None]:
    return [round(mark.start_secs / FRAME_SECS) if mark else None for mark in marks]


def test_words_begin_where_they_are_heard(hear: type[_Hearing]) -> None:
    """Each word starts in the frame of its first letter, to the frame."""
    marks = hear.marks("A cat sat.", "---a--|--c-a-t---|-s-a-t--")
    assert _starts(marks) == [3, 9, 19]


def test_marks_keep_the_words_spans(hear: type[_Hearing]) -> None:
    """A mark covers the word as written, punctuation included."""
    text = "“A cat’s”, he said…"
    marks = hear.marks(text, "-a-|-c-a-t-'-s-|--h-e-|-s-a-i-d--")
    assert [text[m.start : m.end] for m in marks if m] == ["“A", "cat’s”,", "he", "said…"]


def test_a_number_is_heard_as_its_words(hear: type[_Hearing]) -> None:
    """The time of 22 runs from the t of twenty to the end of two."""
    marks = hear.marks("At 22 he", "a-t-|--t-w-e-n-t-y-|-t-w-o-|-h-e-")
    number = marks[1]
    assert number is not None
    assert _starts(marks) == [0, 7, 29]
    assert 25 <= round(number.end_secs / FRAME_SECS) <= 27


def test_a_foreign_word_is_bounded_by_its_neighbours(hear: type[_Hearing]) -> None:
    """Letters that the network lacks match any sound, so the words around them stay where they are heard."""
    marks = hear.marks("he да me", "h-e-|--x-q--|-m-e")
    assert [_starts(marks)[0], _starts(marks)[2]] == [0, 14]
    middle = marks[1]
    assert middle is not None
    assert 5 <= middle.start_secs / FRAME_SECS <= 9


def test_what_is_not_said_has_no_time(hear: type[_Hearing]) -> None:
    """A dash or an emoji among words is left to be placed between them."""
    marks = hear.marks("he — me 😀", "h-e-|-m-e--")
    assert _starts(marks) == [0, None, 6, None]


@pytest.mark.parametrize("text", ["— … !", "😀 🎉"])
def test_a_text_without_letters_has_no_times(hear: type[_Hearing], text: str) -> None:
    """Nothing to hear is no error."""
    assert {None} == set(hear.marks(text, "-----"))


def test_a_text_too_long_for_its_audio_is_no_error(hear: type[_Hearing]) -> None:
    """More letters than frames cannot be aligned: the words come back without times."""
    assert {None} == set(hear.marks("supercalifragilistic expialidocious", "a-b"))


def test_the_text_reaches_no_log(
    hear: type[_Hearing], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """WhisperX logs sentences that it cannot align; not here."""
    with caplog.at_level(logging.DEBUG):
        hear.marks("supercalifragilistic expialidocious", "a-b")
    assert "supercali" not in caplog.text
    assert capfd.readouterr() == ("", "")


def _noise(text: str) -> np.ndarray:
    """Return emissions of which most frames are blank, as those of speech are."""
    noise = np.random.default_rng(1).normal(scale=2, size=(6 * len(text), len(LABELS))).astype(np.float32)
    noise[:, LABELS.index("-")] += 4
    return noise


RELEASES = json.loads((ROOT / "tests/data/times-of-whisperx-3.8.2.json").read_text("utf-8"))


@pytest.mark.parametrize("text", RELEASES)
def test_times_are_those_of_release_3_8_2(hear: type[_Hearing], text: str) -> None:
    """On emissions of noise, every word has the time that a release of known times gave it, to the frame."""
    noise = _noise(text)
    marks = hear.marks_of(text, _Noise(noise), frames=len(noise))
    assert [[round(mark.start_secs, 3), round(mark.end_secs, 3)] if mark else None for mark in marks] == (
        RELEASES[text]
    )


class _Sent(Exception):  # noqa: N818  # no error: ends a call that has shown what it was called with
    """What WhisperX was to align."""


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_letters_that_it_knows_are_sent(
    aligner: WhisperXAligner, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Releases differ in what they do with other characters, and in that alone: any text avoids it."""

    def listen(
        segments: list[dict[str, str]], _model: object, metadata: dict[str, object], *_: object
    ) -> None:
        raise _Sent(segments[0]["text"], metadata["dictionary"])

    utterance = Utterance(samples=np.zeros(RATE, dtype=np.float32), marks=())
    with monkeypatch.context() as patch:
        patch.setattr(aligner._whisperx, "align", listen)
        try:
            aligner.align(utterance, text=text, words=_words(text), sample_rate=RATE)
        except _Sent as sent:
            transcript, letters = sent.args
            words = transcript.split(" ")
            assert "" not in words
            assert set("".join(words)) <= set(letters)


def test_the_network_itself_is_asked(aligner: WhisperXAligner) -> None:
    """With the network as it was loaded, marks are in order and inside the utterance."""
    text = "The old keeper climbed the 39 stairs, — and lit the lamp; да."
    noise = np.random.default_rng(1).normal(0, 0.1, 4 * RATE).astype(np.float32)
    marks = aligner.align(Utterance(samples=noise, marks=()), text=text, words=_words(text), sample_rate=RATE)
    assert len(_words(text)) == len(marks)
    assert [index for index, mark in enumerate(marks) if mark is None] == [7]
    end = 0.0
    for mark in filter(None, marks):
        assert end <= mark.start_secs <= mark.end_secs <= 4.0
        end = mark.end_secs


def test_languages_are_those_of_the_voices(models: ModelStore) -> None:
    """A voice's first letter is its language; only those in the folder have an aligner."""
    assert (language_of("af_heart"), language_of("bm_george"), language_of("ff_siwis")) == ("en", "en", "fr")
    assert has_model(models, "en")
    assert not has_model(models, "fr")


def test_a_language_without_a_network_is_told(models: ModelStore) -> None:
    """The message names the command that fetches one."""
    with pytest.raises(ConfigurationError, match=r"align/fr is not among the models.*models fetch"):
        WhisperXAligner(models=models, language="fr")
