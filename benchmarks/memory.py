"""
Measures the peak memory of a task.

A worker and its speech process narrate a story of an hour with Kokoro and WhisperX.

    python -m benchmarks.memory [--minutes 5 60] [--scale full]

The models have their full size and random weights, which take the memory of the true ones. The worker is the
real one, with a queue, a bucket and a table of an embedded AWS, whose own process does not count. Every
process of the task is sampled ten times a second. RSS counts a page once for each process that maps it, and
pages of files, which a container gives back when memory is short, in full: it is the figure that can only be
too high.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from app.local.service import LocalService, local_service
from benchmarks.prose import CHARACTERS_A_MINUTE, prose
from tests.models.library import models_folder

_SAMPLE_SECS = 0.1
_MIB = 1024 * 1024
_KIB = 1024


@dataclass(slots=True)
class Peak:
    """Peak memory of all processes together, in bytes."""

    rss: int = 0
    anonymous: int = 0
    by_process: dict[str, int] = field(default_factory=dict)


class Sampler:
    """Samples the memory of a process and its descendants in a thread during a `with` block."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = Peak()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECS):
            states = {pid: _memory(pid) for pid in _family(self._pid)}
            rss = sum(rss for rss, _ in states.values())
            self.peak.anonymous = max(self.peak.anonymous, sum(anonymous for _, anonymous in states.values()))
            if rss > self.peak.rss:
                self.peak.rss = rss
                self.peak.by_process = {_name(pid): rss for pid, (rss, _) in states.items()}


def _family(pid: int) -> list[int]:
    found = [pid]
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listing.read_text().split()
        except OSError:
            continue
        for child in children:
            found += _family(int(child))
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Return RSS and anonymous memory in bytes; 0 for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {
        name: int(rest.split()[0]) * _KIB
        for name, _, rest in (line.partition(":") for line in lines)
        if name in {"VmRSS", "RssAnon"}
    }
    return values.get("VmRSS", 0), values.get("RssAnon", 0)


def _name(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return str(pid)
    return " ".join(command[1:4])


def measure(minutes: float, *, no_alignment: bool) -> Peak:
    """Narrate `minutes` of prose in a new worker and return its peak memory."""
    with (
        tempfile.TemporaryDirectory() as folder,
        local_service(engine="kokoro") as service,
        Sampler(service.worker.pid) as sampler,
    ):
        story = Path(folder) / "story.txt"
        story.write_text(prose(int(minutes * CHARACTERS_A_MINUTE)), "utf-8")
        began = time.monotonic()
        arguments = ["--no-alignment"] if no_alignment else []
        submitted = _command(
            service, "submit", "--wait", "--json", "--timeout", "36000", *arguments, str(story)
        )
        took_secs = time.monotonic() - began
        (row, *_) = json.loads(_command(service, "status", "--json", json.loads(submitted)["parent_id"]))
        print(
            f"story asked for: {minutes:g} min; {row['duration_seconds'] / 60:.1f} min of audio,",
            f"words timed by {row['alignment']}; took {took_secs:.0f} s",
        )
    peak = sampler.peak
    for name, rss in peak.by_process.items():
        print(f"  {rss / _MIB:6.0f} MiB  {name}")
    print(
        f"  {peak.rss / _MIB:6.0f} MiB  RSS together;",
        f"{peak.anonymous / _MIB:.0f} MiB anonymous at most",
        flush=True,
    )
    return peak


def _command(service: LocalService, *arguments: str) -> str:
    """Run a story-tts command as a client of the service and return its output."""
    ran = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env=os.environ | service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        sys.exit(ran.stderr or ran.stdout)
    return ran.stdout


def main() -> None:
    """Measure each length in a new worker."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, nargs="+", default=[5, 60])
    parser.add_argument("--scale", choices=["small", "full"], default="full")
    parser.add_argument("--no-alignment", action="store_true")
    arguments = parser.parse_args()
    os.environ["MODELS_DIR"] = str(models_folder(arguments.scale))
    os.environ["SPEECH_THREADS"] = "1"  # as many as the task has processors
    # Late renewals on a busy machine and log lines per chunk must not affect the measurement.
    os.environ |= {"LEASE_SECS": "600", "LOG_LEVEL": "WARNING"}
    peaks = [measure(minutes, no_alignment=arguments.no_alignment) for minutes in arguments.minutes]
    if len(peaks) > 1:
        print(f"longest against shortest: {peaks[-1].rss / peaks[0].rss - 1:+.1%}")
    print(f"peak {max(peak.rss for peak in peaks) / _MIB:.0f} MiB")


if __name__ == "__main__":
    main()
