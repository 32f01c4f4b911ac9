"""Workers behind gates: each incarnation a real process, replaced when it ends."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import Signals

from app.local.platform import Platform
from tests.chaos.faults import Plan
from tests.chaos.journal import Journal
from tests.chaos.proxy import Gate, PlanOf
from tests.workers import LEASE_SECS, WorkerProcess


class GuardedWorker(WorkerProcess):
    """A worker whose every request crosses a gate."""

    def __init__(self, gate: Gate, folder: Path, *arguments: str, **environment: str) -> None:
        self.gate = gate
        self.born = time.monotonic()
        settings = {"LEASE_SECS": f"{gate.lease_secs:g}"}
        super().__init__(gate.platform, folder, *arguments, **(settings | environment))
        gate.send_signal = self._send

    def _send(self, number: Signals) -> bool:
        if self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True

    @property
    def last_words(self) -> str:
        """The last line of its log."""
        return "".join(self.log_path.read_text().splitlines()[-1:])

    def end(self) -> None:
        """End it, and its gate."""
        super().end()
        self.gate.close()


class Fleet:
    """A number of workers, each replaced when it ends; to be tended from one thread."""

    def __init__(
        self,
        platform: Platform,
        journal: Journal,
        folder: Path,
        *,
        plan_of: PlanOf,
        environment: Mapping[str, str],
    ) -> None:
        self._platform = platform
        self._journal = journal
        self._folder = folder
        self._plan_of = plan_of
        self._environment = environment
        self._living: list[GuardedWorker] = []
        self.ended: list[GuardedWorker] = []

    def tend(self, size: int) -> None:
        """Note who ended, and start workers until `size` live."""
        over = [worker for worker in self._living if worker.process.poll() is not None]
        for worker in over:
            self._living.remove(worker)
            worker.end()
            self.ended.append(worker)
        while len(self._living) < size:
            self._living.append(self._born())

    def _born(self) -> GuardedWorker:
        number = len(self._living) + len(self.ended)
        gate = Gate(self._platform, self._journal, name=f"w{number}", plan=Plan(), lease_secs=LEASE_SECS)
        gate.plan_of = self._plan_of
        # No two workers make the same media of a story: whose bytes an object holds can be told.
        own = {"PARAGRAPH_PAUSE_SECS": f"{0.1 + number / 1000:.3f}", "STOP_TIMEOUT_SECS": "15"}
        return GuardedWorker(gate, self._folder, **(own | dict(self._environment)))

    def stop(self, *, secs: float = 60) -> None:
        """Ask every worker to end, and wait until it has."""
        for worker in self._living:
            worker.gate.send_signal(Signals.SIGTERM)
        for worker in self._living:
            worker.wait(secs)
        self.tend(0)

    def end(self) -> None:
        """End every worker, whatever state it is in."""
        for worker in self._living:
            worker.end()

    @property
    def odd_endings(self) -> list[str]:
        """The workers that ended otherwise than asked or killed, each with its exit code."""
        awake = {entry.worker for entry in self._journal.entries}
        return [
            f"{worker.gate.name} ended with exit code {worker.process.returncode}: {worker.last_words}"
            for worker in self.ended
            if worker.process.returncode not in {0, -Signals.SIGKILL}
            # While its interpreter starts, a process ends by SIGTERM as any does.
            and not (worker.process.returncode == -Signals.SIGTERM and worker.gate.name not in awake)
        ]


@contextmanager
def guarded_worker(
    platform: Platform,
    journal: Journal,
    folder: Path,
    plan: Plan | None = None,
    *arguments: str,
    name: str = "worker",
    lease_secs: float = LEASE_SECS,
    **environment: str,
) -> Iterator[GuardedWorker]:
    """Run one worker behind a gate for the block."""
    gate = Gate(platform, journal, name=name, plan=plan or Plan(), lease_secs=lease_secs)
    process = GuardedWorker(gate, folder, *arguments, **environment)
    try:
        yield process
    finally:
        process.end()
