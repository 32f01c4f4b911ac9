"""One worker and many jobs of a sentence each: how it works, and what it leaves behind."""

import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

from app.aws.tasks import COMPLETED, Row
from app.job import RowKey
from app.local.platform import Platform
from tests.workers import Jobs, WorkerProcess, until, worker

SENTENCE = "The quick brown fox, who had slept badly, jumped over the lazy dog all the same."
MOST_GROWTH = 0.05
"""Of memory, after the first of the jobs."""
_MOST_WAITING = 60
"""Deep queues of the emulator are slow."""
_TICK_SECS = 0.25
"""Between two looks at the queue: the emulator has better things to do."""
_PATIENCE_SECS = 300.0


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a worker and its speech child hold; the worker first."""

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
            memory_kib=tuple(_status(pid, "VmRSS") for pid in pids),
            descriptors=tuple(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
            threads=tuple(_status(pid, "Threads") for pid in pids),
            processes=len(pids),
            files=len([path for path in process.work_dir.rglob("*") if path.is_file()]),
        )


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
        pairs = {
            "descriptors": (sum(self.first.descriptors), sum(self.last.descriptors)),
            "threads": (sum(self.first.threads), sum(self.last.threads)),
            "processes": (self.first.processes, self.last.processes),
            "files": (self.first.files, self.last.files),
        }
        return [f"{name}: {then} -> {now}" for name, (then, now) in pairs.items() if now > then]


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
        + sum(not _was_claimed_once(row) for row in rows),
        exit_code=code,
        jobs_a_second=(jobs - first) / secs,
        job_secs=worked / len(done),
        share_outside_engine=1 - sum(line["synthesis_secs"] for line in done) / worked,
        first=before,
        last=after,
    )


def _was_claimed_once(row: Row) -> bool:
    return row.get("lease_epoch") == 1


def _feed(producer: Jobs, keys: list[RowKey], count: int) -> None:
    """Send jobs until there are `count`, a few at a time, and wait until all are done."""
    while len(keys) < count:
        room = min(_MOST_WAITING - producer.depth(), count - len(keys))
        keys += [producer.story(SENTENCE) for _ in range(room)]
        time.sleep(_TICK_SECS)
    until(lambda: producer.depth() == 0, secs=_PATIENCE_SECS, every_secs=_TICK_SECS)


def _status(pid: int, name: str) -> int:
    fields = dict(
        line.split(":", maxsplit=1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    )
    return int(fields[name].split()[0])
