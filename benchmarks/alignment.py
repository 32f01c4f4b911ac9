"""
Measures the error of word onsets: narration with WhisperX against espeak-ng's own, exact word times.

    python -m benchmarks.alignment [--minutes 60]

espeak-ng narrates a story twice: once with its own word times, which are exact, and once with the real
whisperx.align and everything around it: chunks, trimmed silence, pauses, resampling, numbers spelled out and
mapped back, and interpolated words.

An oracle replaces the wav2vec2 network. Every 20 ms, as wav2vec2 does, it emits the letter that espeak-ng is
speaking, with added noise. The benchmark therefore measures the error that this project adds to the
network's own, and whether it grows over an hour. The published network may not be available where this runs.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from app.alignment.base import Aligner
from app.alignment.spelling import WILDCARD, spelled_groups
from app.alignment.whisperx import WhisperXAligner
from app.media import WORDS
from app.models.store import ModelStore
from app.narration.base import Request
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator
from app.speech.base import Mark, Utterance
from app.speech.espeak import EspeakEngine
from app.text.spans import Span
from app.text.spoken.form import spoken_form
from benchmarks.prose import CHARACTERS_A_MINUTE, prose
from tests.models.library import models_folder
from tests.models.wav2vec2 import LABELS

_VOICE = "en-us"
_NUMBERS = "\n\nOn 12 May 1987 she paid $3.50, 10% of it for 1,000 stamps; the 22nd was at 5:30.\n\n"
_HOP, _WINDOW = 320, 400
"""Step and length of wav2vec2's frames, in samples at 16 kHz."""
_SURE = 6.0
"""Logit of the spoken letter. All logits have noise of standard deviation 1."""
_LETTERS = {label.lower(): code for code, label in enumerate(LABELS)}
_BLANK = LABELS.index("-")


class Oracle:
    """Replaces the network: emits the letters that espeak-ng has spoken."""

    def __init__(self) -> None:
        self._noise = np.random.default_rng(1)
        self._letters: list[tuple[float, int]] = []

    def eval(self) -> "Oracle":
        """Do nothing; networks have this method."""
        return self

    def set_speech(self, text: str, utterance: Utterance) -> None:
        """Set the letters of the next audio. The letters of a group share its time evenly."""
        self._letters = []
        marks = utterance.marks
        spoken = utterance.spoken or spoken_form(text, language="en-us")
        words = [Span(mark.start, mark.end) for mark in marks]
        for group in spelled_groups(spoken, words, language="en", letters=_LETTERS):
            letters = "|".join(group.parts).replace(WILDCARD, "E") + "|"
            start_secs = marks[group.first].start_secs
            step = (marks[group.last].end_secs - start_secs) / len(letters)
            self._letters += [
                (start_secs + index * step, _LETTERS[letter.lower()]) for index, letter in enumerate(letters)
            ]

    def __call__(self, audio: Any, lengths: object = None) -> tuple[Any, None]:  # noqa: ARG002  # as networks are called
        """Return logits, shape (1, frames, labels), for `audio` of shape (1, samples)."""
        import torch  # noqa: PLC0415  # loaded by now

        frames = (audio.shape[1] - _WINDOW) // _HOP + 1
        logits = self._noise.normal(size=(frames, len(LABELS))).astype(np.float32)
        emitted = np.full(frames, _BLANK)
        for secs, code in self._letters:
            frame = int(secs * 16_000 / _HOP)
            if frame < frames:
                emitted[frame] = code
        logits[np.arange(frames), emitted] += _SURE
        return torch.from_numpy(logits)[None], None


class OracleAligner(WhisperXAligner):
    """The aligner with the oracle as its network."""

    def _load(self, folder: Path) -> tuple[Any, dict[str, Any]]:  # noqa: ARG002
        self._oracle = Oracle()
        return self._oracle, {"dictionary": dict(_LETTERS), "type": "torchaudio"}

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """Align as usual, after telling the oracle what was spoken."""
        self._oracle.set_speech(text, utterance)
        return super().align(utterance, text=text, words=words, sample_rate=sample_rate)


def onsets(text: str, *, aligner: Aligner | None) -> Iterator[tuple[tuple[int, int], float]]:
    """Narrate `text`, and yield the span and the onset in seconds of each word."""
    engine = EspeakEngine()
    try:
        with tempfile.TemporaryDirectory() as folder:
            request = Request(
                text=text, folder=Path(folder), options=NarrationOptions(engine="kokoro", voice=_VOICE)
            )
            narration = Narrator(engine=engine, aligner=lambda: aligner).narrate(
                request, on_progress=lambda _: None
            )
            document = json.loads(narration.media[WORDS].read_text("utf-8"))
            print(
                f"{narration.alignment}: {narration.words} words in {narration.duration_secs / 60:.1f} min,",
                f"{narration.words_interpolated} interpolated,",
                f"chunks by method {dict(narration.alignment_chunks)},",
                f"{narration.alignment_secs:.0f} s of alignment",
                flush=True,
            )
    finally:
        engine.close()
    for word in document["words"]:
        yield (word["span"][0], word["span"][1]), word["start"]


def main() -> None:
    """Print the median, 95th percentile and drift of the error."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    text = prose(int(arguments.minutes * CHARACTERS_A_MINUTE)).replace("\n\n", _NUMBERS, 3)
    known = dict(onsets(text, aligner=None))
    aligner = OracleAligner(models=ModelStore(models_folder("small")), language="en", threads=1)
    found = dict(onsets(text, aligner=aligner))
    if known.keys() != found.keys():
        raise SystemExit("the two narrations do not have the same words")
    times = np.array(list(known.values()))
    errors = np.array([found[span] - known[span] for span in known]) * 1000
    tenth = max(len(errors) // 10, 1)
    print(f"bias {errors.mean():+.1f} ms; worst {np.abs(errors).max():.0f} ms;", end=" ")
    print(f"median of the first tenth {np.median(np.abs(errors[:tenth])):.1f} ms,", end=" ")
    print(f"of the last {np.median(np.abs(errors[-tenth:])):.1f} ms")
    drift = np.polyfit(times / 3600, errors, 1)[0] if len(errors) > 1 else 0.0
    median, high = np.percentile(np.abs(errors), [50, 95])
    print(f"word onsets: median {median:.0f} ms, p95 {high:.0f} ms, drift {drift:+.1f} ms an hour")


if __name__ == "__main__":
    main()
