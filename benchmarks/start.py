"""
Measures how long a new task takes from its start to healthy, and to the first audio of a waiting job.

    python -m benchmarks.start [--runs 3] [--engine kokoro] [--threads 1]

The models have full size and random weights. A job is in the queue before the worker starts. The first audio
is the first chunk written to the worker's folder.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from app.local.emulator import emulator
from app.local.platform import create_platform
from app.local.service import is_healthy
from benchmarks.prose import prose
from tests.models.library import models_folder
from tests.workers import Jobs, WorkerProcess, until

_HEADER_BYTES = 44
_CHARACTERS = 400


def start(address: str, number: int, *, engine: str) -> tuple[float, float]:
    """Start a worker with a waiting job, and return the seconds to healthy and to the first audio."""
    platform = create_platform(address, suffix=f"-{number}")
    os.environ.update(platform.environment())
    Jobs(platform).story(prose(_CHARACTERS, seed=number))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        process = WorkerProcess(platform, Path(folder), SPEECH_ENGINE=engine)
        try:
            until(lambda: is_healthy(process.port))
            healthy = time.monotonic() - began
            until(lambda: _has_audio(process.work_dir))
            return healthy, time.monotonic() - began
        finally:
            process.end()


def _has_audio(folder: Path) -> bool:
    return any(path.stat().st_size > _HEADER_BYTES for path in folder.glob("**/audio.wav"))


def main() -> None:
    """Print each start, and the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engine", choices=["kokoro", "espeak"], default="kokoro")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["SPEECH_THREADS"] = str(arguments.threads)
    if arguments.engine == "kokoro":
        os.environ["MODELS_DIR"] = str(models_folder("full"))
    times = []
    with emulator() as address:
        for number in range(arguments.runs):
            times.append(start(address, number, engine=arguments.engine))
            print(f"start {number + 1}: healthy {times[-1][0]:.1f} s, first audio {times[-1][1]:.1f} s")
    healthy, audio = (statistics.median(each) for each in zip(*times, strict=True))
    print(f"healthy {healthy:.1f} s, first audio {audio:.1f} s")


if __name__ == "__main__":
    main()
