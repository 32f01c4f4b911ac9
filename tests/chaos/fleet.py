"""Workers behind gates: real processes whose every request crosses the fault proxy."""

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

    def __init__(self, gate: Gate, folder: Path, **environment: str) -> None:
        self.gate = gate
        settings = {"LEASE_SECS": f"{gate.lease_secs:g}"}
        super().__init__(gate.platform, folder, **(settings | environment))
        gate.send_signal = self.signal

    def end(self) -> None:
        """End it, and its gate."""
        super().end()
        self.gate.close()


@contextmanager
def guarded_worker(
    platform: Platform,
    journal: Journal,
    folder: Path,
    plan: Plan | None = None,
    *,
    name: str = "worker",
    lease_secs: float = LEASE_SECS,
    **environment: str,
) -> Iterator[GuardedWorker]:
    """Run one worker behind a gate for the block."""
    gate = Gate(platform, journal, name=name, plan=plan or Plan(), lease_secs=lease_secs)
    process = GuardedWorker(gate, folder, **environment)
    try:
        yield process
    finally:
        process.end()


class Fleet:
    """
    A number of workers, each replaced when it ends; to be tended from one thread.

    The workers are of two versions, as in a rolling deployment: those that start after `roll` have other
    settings, and those before it, where `old` is given, the code of that folder.
    """

    def __init__(
        self,
        platform: Platform,
        journal: Journal,
        folder: Path,
        *,
        plan_of: PlanOf,
        environment: Mapping[str, str],
        old: Path | None = None,
    ) -> None:
        """All workers have the variables of `environment`."""
        self._platform = platform
        self._journal = journal
        self._folder = folder
        self._plan_of = plan_of
        self._environment = environment
        self._old = old
        self._is_rolled = False
        self._living: list[GuardedWorker] = []
        self._ended: list[GuardedWorker] = []

    def tend(self, size: int) -> None:
        """Note who ended, and start workers until `size` live."""
        for worker in [worker for worker in self._living if worker.process.poll() is not None]:
            self._living.remove(worker)
            worker.end()
            self._ended.append(worker)
        while len(self._living) < size:
            self._living.append(self._start())

    def _start(self) -> GuardedWorker:
        number = len(self._living) + len(self._ended)
        lease_secs = LEASE_SECS + 1 if self._is_rolled else LEASE_SECS
        gate = Gate(self._platform, self._journal, name=f"w{number}", plan=Plan(), lease_secs=lease_secs)
        gate.plan_of = self._plan_of
        # No two workers make the same media of a story: whose bytes an object holds can be told.
        own = {
            **self._environment,
            "PARAGRAPH_PAUSE_SECS": f"{0.1 + number / 1000:.3f}",
            "STOP_TIMEOUT_SECS": "15",
        }
        own["SEGMENT_SECS"] = "10"
        if self._is_rolled:
            own |= {"MAX_RECEIVES": "7", "RECEIVE_WAIT_SECS": "2", "SENTENCE_PAUSE_SECS": "0.2"}
        elif self._old:
            own |= {"PYTHONPATH": str(self._old), "PYTHONSAFEPATH": "1"}
        return GuardedWorker(gate, self._folder, **own)

    def roll(self) -> None:
        """From now on start workers of the second version; ask two of the first to end."""
        self._is_rolled = True
        for worker in self._living[:2]:
            worker.gate.send_signal(Signals.SIGTERM)

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
        """The workers that ended otherwise than asked or killed, each with its exit code and last line."""
        awake = {entry.worker for entry in self._journal.entries}
        return [
            f"{name} ended with exit code {code}: {''.join(worker.log_path.read_text().splitlines()[-1:])}"
            for worker in self._ended
            for name, code in [(worker.gate.name, worker.process.returncode)]
            # While its interpreter starts, a process ends by SIGTERM as any does.
            if code not in {0, -Signals.SIGKILL} and not (code == -Signals.SIGTERM and name not in awake)
        ]
