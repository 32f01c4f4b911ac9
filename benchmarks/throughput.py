"""
Measures the throughput of one worker with a thousand jobs of one sentence, and checks for leaks.

    python -m benchmarks.throughput [--jobs 1000]

Prints jobs per second, the share of time outside the engine, and the growth of memory, descriptors, threads
and processes after the first tenth of the jobs. Exits with 1 if a job was lost or done twice, if memory grew
by 5% or more, or if anything leaked.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from app.aws.rows import COMPLETED
from app.job import RowKey
from app.local.emulator import emulator
from app.local.platform import Platform, create_platform
from tests.workers import Jobs, WorkerProcess, until, worker

SENTENCE = "The quick brown fox, who had slept badly, jumped over the lazy dog all the same."
MOST_GROWTH = 0.05
"""Of memory, after the first of the jobs."""
_MOST_WAITING = 60
"""Deep queues of the emulator are slow."""
_TICK_SECS = 0.25


@dataclass(frozen=True, slots=True)
class Footprint:
    """What an idle worker and its speech child hold."""

    memory_kib: tuple[int, ...]
    """Of the worker, and of its child."""
    counts: dict[str, int]
    """Descriptors, threads, processes and files."""

    @classmethod
    def of(cls, process: WorkerProcess) -> "Footprint":
        """Look at a worker that is idle."""
        folders = [Path(f"/proc/{pid}") for pid in (process.process.pid, *process.children)]
        statuses = [
            dict(line.split(":", maxsplit=1) for line in (folder / "status").read_text("ascii").splitlines())
            for folder in folders
        ]
        counts = {
            "descriptors": sum(len(list((folder / "fd").iterdir())) for folder in folders),
            "threads": sum(int(status["Threads"]) for status in statuses),
            "processes": len(folders),
            "files": sum(path.is_file() for path in process.work_dir.rglob("*")),
        }
        return cls(tuple(int(status["VmRSS"].split()[0]) for status in statuses), counts)


@dataclass(frozen=True, slots=True)
class Life:
    """What a worker's life came to."""

    lost: int
    doubled: int
    exit_code: int
    jobs_a_second: float
    """After the first of the jobs."""
    job_secs: float
    """Of one job, from its receipt to its end."""
    share_outside_engine: float
    """Of the time of a job: AWS, disk, subtitles."""
    first: Footprint
    last: Footprint

    @property
    def growth(self) -> tuple[float, ...]:
        """By which share memory grew, of the worker and of its child."""
        pairs = zip(self.last.memory_kib, self.first.memory_kib, strict=True)
        return tuple(now / then - 1 for now, then in pairs)

    @property
    def leaks(self) -> list[str]:
        """What there was more of at the end."""
        pairs = [(name, then, self.last.counts[name]) for name, then in self.first.counts.items()]
        return [f"{name}: {then} -> {now}" for name, then, now in pairs if now > then]


def live(platform: Platform, *, jobs: int, first: int) -> Life:
    """Let one worker do so many jobs; its footprint after the `first` of them is what the last is held to."""
    producer, keys = Jobs(platform), list[RowKey]()
    with worker(platform, LEASE_SECS="60", RECEIVE_WAIT_SECS="1") as process:
        _feed(producer, keys, first)
        before = Footprint.of(process)
        began = time.monotonic()
        _feed(producer, keys, jobs)
        secs = time.monotonic() - began
        after = Footprint.of(process)
        process.signal(SIGTERM)
        code = process.wait()
        done = process.logged("job completed")
    rows = [producer.row(key) for key in keys]
    worked = sum(line["processing_secs"] for line in done)
    return Life(
        lost=sum(row["status"] != COMPLETED for row in rows),
        doubled=len(done)
        - len({line["job"] for line in done})
        + sum(row.get("lease_epoch") != 1 for row in rows),
        exit_code=code,
        jobs_a_second=(jobs - first) / secs,
        job_secs=worked / len(done),
        share_outside_engine=1 - sum(line["synthesis_secs"] for line in done) / worked,
        first=before,
        last=after,
    )


def _feed(producer: Jobs, keys: list[RowKey], count: int) -> None:
    """Send jobs until there are `count`, a few at a time, and wait until all are done."""
    while len(keys) < count:
        room = min(_MOST_WAITING - producer.depth(), count - len(keys))
        keys += [producer.story(SENTENCE) for _ in range(room)]
        time.sleep(_TICK_SECS)
    until(lambda: producer.depth() == 0, secs=300, every_secs=_TICK_SECS)


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    count = parser.parse_args().jobs
    with emulator() as address:
        platform = create_platform(address)
        os.environ.update(platform.environment())
        life = live(platform, jobs=count, first=count // 10)
    outside, job_ms = life.share_outside_engine, life.job_secs * 1000
    print(f"{count} jobs: {life.lost} lost, {life.doubled} doubled, exit code {life.exit_code}")
    print(f"{life.jobs_a_second:.1f} jobs a second; {outside:.0%} of the time outside the engine")
    print(f"{job_ms:.0f} ms a job, of it outside the engine {job_ms * outside:.0f} ms")
    for name, memory, growth in zip(
        ("worker", "speech child"), life.last.memory_kib, life.growth, strict=True
    ):
        print(f"{name}: {memory / 1024:.1f} MiB, {growth:+.1%} since job {count // 10}")
    print(f"leaks: {', '.join(life.leaks) or 'none'}")
    broken = life.lost or life.doubled or life.leaks or life.exit_code or max(life.growth) >= MOST_GROWTH
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
