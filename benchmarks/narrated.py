"""Narrates texts with real voices, in this project's way and by Kokoro's own pipeline, into WAV files."""

import json
import shutil
import warnings
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.alignment.base import Aligner
from app.media import AUDIO, WORDS
from app.models.store import ModelStore
from app.narration.base import Request
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator
from app.speech.base import SpeechEngine
from app.speech.kokoro import KokoroEngine

RATE = 24_000
"""Hertz; Kokoro's."""


Samples = npt.NDArray[np.float32]


class TimedWord(NamedTuple):
    """A word of the source, with its time in the audio."""

    text: str
    start_secs: float
    end_secs: float


@dataclass(frozen=True, slots=True)
class Audio:
    """A narrated text."""

    path: Path
    words: tuple[TimedWord, ...] = ()
    """With times; empty for Kokoro's own pipeline."""

    @property
    def samples(self) -> Samples:
        """Samples, full scale at 1.0."""
        with wave.open(str(self.path)) as file:
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return (data / np.float32(32768)).astype(np.float32)

    @property
    def secs(self) -> float:
        """Duration."""
        return len(self.samples) / RATE


class Ours:
    """This project's narration, word times included."""

    name = "story-tts"

    def __init__(self, engine: SpeechEngine, *, aligner: Aligner | None = None) -> None:
        self._engine = engine
        self._narrator = Narrator(engine=engine, aligner=lambda: aligner)

    def __call__(self, text: str, path: Path, *, voice: str) -> Audio:
        """Narrate `text` into `path`; words go into a file beside it."""
        folder = path.with_suffix(".part")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        options = NarrationOptions(engine="kokoro", voice=voice)
        media = self._narrator.narrate(
            Request(text=text, folder=folder, options=options), on_progress=lambda _: None
        ).media
        media[WORDS].replace(path.with_suffix(".words.json"))
        media[AUDIO].replace(path)
        shutil.rmtree(folder)
        return self.read(path)

    @staticmethod
    def read(path: Path) -> Audio:
        """Return what was narrated before."""
        document = json.loads(path.with_suffix(".words.json").read_text("utf-8"))
        return Audio(path, tuple(TimedWord(w["text"], w["start"], w["end"]) for w in document["words"]))


class KPipeline:
    """kokoro.KPipeline as its documentation calls it."""

    name = "KPipeline"

    def __init__(self, models: ModelStore) -> None:
        from kokoro import KModel  # noqa: PLC0415 - seconds, and after the warnings are silenced

        self._models = models
        self._model = KModel(
            repo_id="hexgrad/Kokoro-82M",
            config=str(models.file("kokoro/config.json")),
            model=str(models.file("kokoro/kokoro-v1_0.pth")),
        ).eval()
        self._pipelines: dict[str, Any] = {}

    def __call__(self, text: str, path: Path, *, voice: str) -> Audio:
        """Narrate `text` into `path`."""
        from kokoro import KPipeline as Pipeline  # noqa: PLC0415

        if voice[0] not in self._pipelines:
            self._pipelines[voice[0]] = Pipeline(
                lang_code=voice[0], repo_id="hexgrad/Kokoro-82M", model=self._model
            )
        file = str(self._models.file(f"kokoro/voices/{voice}.pt"))
        results = list(self._pipelines[voice[0]](text, voice=file))
        samples = np.concatenate([result.audio.numpy() for result in results])
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return Audio(path)

    @staticmethod
    def read(path: Path) -> Audio:
        """Return what was narrated before."""
        return Audio(path)


def kokoro(models: ModelStore, *, threads: int = 1) -> KokoroEngine:
    """Return the engine as a worker loads it."""
    warnings.simplefilter("ignore")
    return KokoroEngine(models=models, threads=threads, precision="auto")
