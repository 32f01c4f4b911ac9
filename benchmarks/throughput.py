"""
A thousand jobs of a sentence each through one worker: how many a second, and what they leave behind.

    python -m benchmarks.throughput [--jobs 1000]

Prints jobs a second, the share of the time that went to anything but the engine, and how memory, descriptors,
threads and processes of the worker and of its speech child changed after the first tenth of the jobs. Ends
with 1 where a job was lost or done twice, where memory grew by 5% or more, or where anything leaked.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from app.contract import RowKey
from app.local.emulator import emulator
from app.local.platform import create_platform
from tests.workers import Jobs, WorkerProcess, until, worker

SENTENCE = "The quick brown fox, who had slept badly, jumped over the lazy dog all the same."
MOST_WAITING = 60
"""Deep queues of the emulator are slow."""
MOST_GROWTH = 1.05


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a worker and its child hold."""

    memory_kib: tuple[int, ...]
    descriptors: tuple[int, ...]
    threads: tuple[int, ...]
    processes: int
    files: int

    @classmethod
    def of(cls, process: WorkerProcess) -> "Footprint":
        """Look at a worker that is idle."""
        pids = (process.process.pid, *process.children)
        return cls(
            tuple(_status(pid, "VmRSS") for pid in pids),
            tuple(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            tuple(_status(pid, "Threads") for pid in pids),
            len(pids),
            len([path for path in process.work_dir.rglob("*") if path.is_file()]),
        )

    def growth_of_memory(self, before: "Footprint") -> list[float]:
        """Return the ratio to `before`, of the worker and of its child."""
        return [now / then for now, then in zip(self.memory_kib, before.memory_kib, strict=True)]

    def leaks(self, before: "Footprint") -> list[str]:
        """Return what there is more of than `before`."""
        pairs = {
            "descriptors": (sum(before.descriptors), sum(self.descriptors)),
            "threads": (sum(before.threads), sum(self.threads)),
            "processes": (before.processes, self.processes),
            "files": (before.files, self.files),
        }
        return [f"{name}: {then} -> {now}" for name, (then, now) in pairs.items() if now > then]


def _status(pid: int, name: str) -> int:
    fields = dict(
        line.split(":", maxsplit=1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    )
    return int(fields[name].split()[0])


def feed(jobs: Jobs, keys: list[RowKey], count: int) -> None:
    """Send jobs until there are `count`, a few at a time, and wait until all are done."""
    while len(keys) < count:
        room = min(MOST_WAITING - jobs.depth(), count - len(keys))
        keys += [jobs.story(SENTENCE) for _ in range(room)]
        time.sleep(0.05)
    until(lambda: jobs.depth() == 0, secs=300)


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    count = parser.parse_args().jobs
    with emulator() as address, tempfile.TemporaryDirectory():
        platform = create_platform(address)
        os.environ.update(platform.environment())
        jobs, keys = Jobs(platform), list[RowKey]()
        with worker(platform, LEASE_SECS="60", RECEIVE_WAIT_SECS="1") as process:
            feed(jobs, keys, count // 10)
            first = Footprint.of(process)
            began, done_before = time.monotonic(), len(keys)
            feed(jobs, keys, count)
            secs = time.monotonic() - began
            last = Footprint.of(process)
            process.signal(SIGTERM)
            code = process.wait()
            done = process.logged("job completed")
        rows = [jobs.row(key) for key in keys]
    lost = sum(row["status"] != "COMPLETED" for row in rows)
    doubled = (
        len(done) - len({line["job"] for line in done}) + sum(row.get("lease_epoch") != 1 for row in rows)
    )
    worked = sum(line["processing_secs"] for line in done)
    outside = 1 - sum(line["synthesis_secs"] for line in done) / worked
    growth, leaks = last.growth_of_memory(first), last.leaks(first)
    print(f"{count} jobs: {lost} lost, {doubled} doubled, exit code {code}")
    print(f"{(count - done_before) / secs:.1f} jobs a second; {outside:.0%} of the time outside the engine")
    job_ms = worked / len(done) * 1000
    print(f"{job_ms:.0f} ms a job, of it outside the engine {job_ms * outside:.0f} ms")
    names = ("worker", "speech child")
    for name, memory, ratio in zip(names, last.memory_kib, growth, strict=True):
        print(f"{name}: {memory / 1024:.1f} MiB, {ratio - 1:+.1%} since job {done_before}")
    print(f"leaks: {', '.join(leaks) or 'none'}")
    return 1 if lost or doubled or leaks or code or max(growth) >= MOST_GROWTH else 0


if __name__ == "__main__":
    sys.exit(main())
