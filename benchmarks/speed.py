"""
Compares synthesis time in each precision with Kokoro's own pipeline, on the same text, models and threads.

    python -m benchmarks.speed [--rounds 3] [--threads 1] [--real]

Each round synthesizes one text by every side, in an order that rotates, so that other load affects all of
them. Times are CPU seconds per second of audio, because wall time would include other work of the machine.
The models have random weights of the real shapes, which take as long; `--real` takes those of
`make real-voices`. ONEDNN_MAX_CPU_ISA, for example AVX512_CORE_VNNI or AVX2, makes oneDNN take this processor
for an older one.
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping

from app.models.store import ModelStore
from app.speech.kokoro import KokoroEngine, prepare_pronunciation
from app.speech.registry import Precision
from app.text.chunks import chunks
from benchmarks import real_voices
from benchmarks.prose import prose
from tests.models.library import models_folder

_VOICE = "af_heart"
_RATE = 24_000
_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "int8")

Side = Callable[[str], int]
"""Synthesizes a text; returns the number of samples."""


def pipeline(models: ModelStore) -> Side:
    """Return kokoro.KPipeline as its documentation calls it."""
    from kokoro import KModel, KPipeline  # noqa: PLC0415 - seconds, and after the warnings are silenced

    prepare_pronunciation(models, language="a")
    model = KModel(
        repo_id="hexgrad/Kokoro-82M",
        config=str(models.file("kokoro/config.json")),
        model=str(models.file("kokoro/kokoro-v1_0.pth")),
    ).eval()
    built = KPipeline(lang_code="a", repo_id="hexgrad/Kokoro-82M", model=model)
    voice = str(models.file(f"kokoro/voices/{_VOICE}.pt"))
    return lambda text: sum(len(result.audio) for result in built(text, voice=voice))


def ours(models: ModelStore, precision: Precision, threads: int) -> Side:
    """Return this engine in a precision, with the narrator's chunks."""
    engine = KokoroEngine(models=models, threads=threads, precision=precision)

    def speak(text: str) -> int:
        cut = chunks(text, measure=lambda part: engine.measure(part, voice=_VOICE), limit=engine.max_chunk)
        return sum(len(engine.speak(chunk.text, voice=_VOICE, speed=1.0).samples) for chunk in cut)

    return speak


def compare(sides: Mapping[str, Side], *, rounds: int, characters: int) -> dict[str, list[float]]:
    """Return CPU seconds per second of audio of each side, one a round."""
    factors: dict[str, list[float]] = {name: [] for name in sides}
    for speak in sides.values():
        speak("Warm up.")
    for round_ in range(rounds):
        text = prose(characters, seed=round_)
        order = list(sides)
        for name in order[round_ % len(order) :] + order[: round_ % len(order)]:
            began = time.process_time()
            samples = sides[name](text)
            factors[name].append((time.process_time() - began) * _RATE / samples)
        print(f"round {round_ + 1}:", _line({name: times[-1] for name, times in factors.items()}), flush=True)
    return factors


def _line(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def main() -> None:
    """Print each round, the ratios to Kokoro's own pipeline, and the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--characters", type=int, default=500)
    parser.add_argument("--real", action="store_true", help="the weights of `make real-voices`")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    models = real_voices.models() if arguments.real else ModelStore(models_folder("full"))
    sides: dict[str, Side] = {name: ours(models, name, arguments.threads) for name in _PRECISIONS}
    factors = compare(
        {**sides, "pipeline": pipeline(models)}, rounds=arguments.rounds, characters=arguments.characters
    )
    ratios: dict[str, float] = {
        name: statistics.median(a / b for a, b in zip(factors[name], factors["pipeline"], strict=True))
        for name in _PRECISIONS
    }
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "none")
    print(f"to the pipeline, at {arguments.threads} thread, oneDNN limited to {limit}: {_line(ratios)}")
    print(_line({name: statistics.median(times) for name, times in factors.items()}))


if __name__ == "__main__":
    main()
