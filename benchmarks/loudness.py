"""
Measures the loudness of every voice, and of narrations after loudness normalisation.

    python -m benchmarks.loudness measure [--engine espeak] [--models DIR] [--write]
    python -m benchmarks.loudness check [--engine espeak] [--models DIR] [--voice NAME]

`measure` prints the integrated loudness of each voice without normalisation; with --write it replaces the
engine's rows in app/audio/loudness.tab. It needs the engine's real weights. `check` narrates the corpus and
prints loudness and true peak of each file. Exits with 1 if a file is more than 1.5 LU away from the target or
has a peak above -1 dBTP. The meter is pyloudnorm (ITU-R BS.1770-4).
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyloudnorm
import soundfile  # type: ignore[import-untyped]

from app.audio.loudness import DEFAULT_TARGET_LUFS, TABLE
from app.audio.processing import Samples, true_peaks
from app.narration.base import Request
from app.narration.narrators import Narrators
from app.narration.options import NarrationOptions
from app.speech.base import SpeechEngine
from app.speech.registry import engine_spec
from tests.reading_rules import CORPUS

_ENGLISH = (
    "The lamp was lit before the ship came in. Who is there, asked the keeper, and nobody answered.",
    "At dawn, three boats lay on the sand; their sails were dry, and the kettle was still warm.",
    "She had never seen so many people in one room, and none of them looked at her.",
)
_NUMBERS = (
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10.",
    "11, 12, 13, 14, 15, 16, 17, 18, 19, 20.",
    "100, 200, 345, 1867.",
)
"""Every voice of espeak-ng says digits in its own language."""
_TOLERANCE_LU = 1.5
_HIGHEST_DBTP = -1.0
_HEADER = "# Integrated loudness of each voice, in LUFS: written by `make measure-loudness`.\n"


def loudness(samples: Samples, sample_rate: int) -> float:
    """Return the integrated loudness of mono audio in LUFS."""
    return float(pyloudnorm.Meter(sample_rate).integrated_loudness(samples.astype(np.float64)))


def measure(engine: SpeechEngine, voice: str, *, is_english: bool, spoken_voice: str | None = None) -> float:
    """Return the loudness of `voice`; `spoken_voice` is the name to speak it by, if it is another."""
    parts = [
        engine.speak(text, voice=spoken_voice or voice, speed=1.0).samples
        for text in (_ENGLISH if is_english else _NUMBERS)
    ]
    return loudness(np.concatenate(parts), engine.sample_rate)


def voices(engine_name: str, models: Path) -> Iterator[tuple[str, bool, str]]:
    """Yield the name of each voice, whether it reads English, and the name to speak it by."""
    for voice in engine_spec(engine_name).voices.values():
        if engine_name == "kokoro":
            if (models / "kokoro" / "voices" / f"{voice.name}.pt").exists():
                # A blend reads in the language of its first voice, so that one language is enough.
                yield voice.name, True, f"af_heart(0)+{voice.name}"
        else:
            yield voice.name, voice.language.startswith("English"), voice.name


def measure_all(options: NarrationOptions) -> dict[str, float]:
    """Measure, print and return the loudness of every voice."""
    measured: dict[str, float] = {}
    engine = engine_spec(options.engine).load(
        models_dir=options.models_dir, threads=options.threads, precision=options.precision
    )
    for name, is_english, spoken_voice in voices(options.engine, options.models_dir):
        measured[name] = measure(engine, name, is_english=is_english, spoken_voice=spoken_voice)
        print(f"{options.engine} {name} {measured[name]:.1f}", flush=True)
    values = list(measured.values())
    print(f"{len(values)} voices, from {min(values):.1f} to {max(values):.1f} LUFS")
    return measured


def write(engine: str, measured: dict[str, float]) -> None:
    """Replace the rows of `engine` in the table."""
    lines = TABLE.read_text("utf-8").splitlines() if TABLE.exists() else []
    kept = [line for line in lines if line and not line.startswith(("#", f"{engine} "))]
    rows = [f"{engine} {name} {lufs:.1f}" for name, lufs in measured.items()]
    TABLE.write_text(_HEADER + "\n".join(sorted(kept + rows)) + "\n", "utf-8")


def check(options: NarrationOptions, *, characters: int) -> bool:
    """Narrate the corpus; print loudness and true peak of each file, and return whether all are right."""
    narrators = Narrators(options)
    is_right = True
    for path in CORPUS:
        with tempfile.TemporaryDirectory() as folder:
            request = Request(text=path.read_text("utf-8")[:characters], folder=Path(folder), options=options)
            narrators.narrator(options.voice).narrate(request, on_progress=lambda _: None)
            samples, rate = soundfile.read(Path(folder) / "audio.wav", dtype="float32")
        lufs = loudness(samples, rate)
        dbtp = 20 * float(np.log10(true_peaks(samples).max()))
        is_right &= abs(lufs - options.loudness_lufs) <= _TOLERANCE_LU and dbtp <= _HIGHEST_DBTP + 0.05
        print(f"{path.stem:24} {lufs:6.1f} LUFS {dbtp:6.2f} dBTP", flush=True)
    return is_right


def main() -> None:
    """Measure or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["measure", "check"])
    parser.add_argument("--engine", default="espeak")
    parser.add_argument("--models", type=Path, default=Path())
    parser.add_argument("--voice", default="af_heart")
    parser.add_argument("--target", type=float, default=DEFAULT_TARGET_LUFS)
    parser.add_argument("--characters", type=int, default=4000, help="of each passage")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    options = NarrationOptions(
        engine=arguments.engine,
        voice=arguments.voice,
        models_dir=arguments.models,
        loudness_lufs=arguments.target,
        use_alignment=False,
    )
    if arguments.task == "check":
        sys.exit(not check(options, characters=arguments.characters))
    measured = measure_all(options)
    if arguments.write:
        write(arguments.engine, measured)


if __name__ == "__main__":
    main()
