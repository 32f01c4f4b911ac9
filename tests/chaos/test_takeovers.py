"""Single faults of one worker, and what the next worker finds: takeovers, lost replies, clocks, crashes."""

import os
import signal
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.job import RowKey
from app.local.platform import Platform
from app.media import MEDIA
from app.worker.lease import RENEWALS_PER_LEASE
from tests.chaos.calls import Boundary
from tests.chaos.checker import violations
from tests.chaos.faults import Fault, Kind, Plan, Side
from tests.chaos.fleet import GuardedWorker, guarded_worker
from tests.chaos.journal import Journal
from tests.chaos.stories import UNSPEAKABLE, Story
from tests.workers import LEASE_SECS, Jobs, until

pytestmark = pytest.mark.slow

LEASES = 1.6 * LEASE_SECS
"""Long enough for a lease to end and for another worker to take over."""


class Relay:
    """One job and two workers: the first meets a fault, the second takes over."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder
        self.jobs = Jobs(platform)
        self.journal = Journal()
        self.story = Story(1)
        self.key = RowKey(self.story.id, "tts")

    def send(self) -> None:
        """Send the job, or another copy of its message."""
        if not self.story.bodies:
            self.jobs.tasks.create(self.key, RowKey(self.key.id, "srt"), source_prompt="test")
        body = self.story.body()
        self.story.bodies[self.jobs.send(body)] = body

    def first(self, *faults: Fault, lease_secs: float = LEASE_SECS) -> AbstractContextManager[GuardedWorker]:
        """Run the worker that meets the faults."""
        return self._worker("first", "0.1", faults, lease_secs)

    def second(self, *faults: Fault, **environment: str) -> AbstractContextManager[GuardedWorker]:
        """Run the worker that takes over; its media differ from those of the first."""
        return self._worker("second", "0.2", faults, LEASE_SECS, **environment)

    def _worker(
        self, name: str, pause: str, faults: tuple[Fault, ...], lease_secs: float, **environment: str
    ) -> AbstractContextManager[GuardedWorker]:
        return guarded_worker(
            self.platform,
            self.journal,
            self.folder,
            Plan(faults),
            name=name,
            lease_secs=lease_secs,
            **({"PARAGRAPH_PAUSE_SECS": pause} | environment),
        )

    def answers(self, boundary: Boundary, worker: str) -> list[int | None]:
        """Return what the calls of that worker came to."""
        return [entry.status for entry in self.journal.of(boundary, worker=worker)]

    def took_effect(self, boundary: Boundary, worker: str) -> bool:
        """Return whether a call of that worker did what it asked for."""
        return any(entry.took_effect for entry in self.journal.of(boundary, worker=worker))

    def came(self, boundary: Boundary, worker: str) -> bool:
        """Return whether that worker has sent such a call."""
        return bool(self.journal.of(boundary, worker=worker))

    def struck(self) -> bool:
        """Return whether a fault has struck."""
        return any(entry.faults for entry in self.journal.entries)

    def is_done(self) -> bool:
        """Return whether every copy of the message is off the queue."""
        return self.journal.deleted_messages == self.story.bodies.keys()

    def assert_kept(self) -> None:
        """Hold what is left against the invariants."""
        assert violations([self.story], self.jobs, self.journal) == []


@pytest.fixture
def relay(platform: Platform, tmp_path: Path) -> Relay:
    """A job, and the two workers it will meet."""
    return Relay(platform, tmp_path)


@pytest.mark.parametrize("boundary", [Boundary.MARK, Boundary.PUT_AUDIO, Boundary.COMMIT])
def test_a_sleeper_that_was_overtaken_writes_nothing(relay: Relay, boundary: Boundary) -> None:
    """The call of a stopped worker takes effect after another worker committed, and changes nothing."""
    overtaken = Fault(
        boundary, Side.BEFORE, Kind.PAUSE, until=lambda: relay.took_effect(Boundary.COMMIT, "second")
    )
    relay.send()
    with relay.first(overtaken) as first:
        until(relay.struck)
        with relay.second():
            until(relay.is_done)
            until(lambda: first.logged("job lost"))
    assert not relay.took_effect(Boundary.COMMIT, "first")
    relay.assert_kept()


@pytest.mark.parametrize("boundary", [Boundary.PUT_AUDIO, Boundary.PUT_WORDS])
def test_media_of_a_lost_attempt_are_replaced_before_the_commit(relay: Relay, boundary: Boundary) -> None:
    """Bytes that a killed worker writes between the other's look and its put are replaced."""
    late = Fault(boundary, Side.BEFORE, Kind.KILL, until=lambda: relay.came(boundary, "second"))
    waits = Fault(boundary, Side.BEFORE, Kind.HOLD, until=lambda: relay.took_effect(boundary, "first"))
    relay.send()
    with relay.first(late):
        until(relay.struck)
        with relay.second(waits):
            until(relay.is_done)
    assert relay.answers(boundary, "second") == [412, 200]
    relay.assert_kept()


def test_a_late_mark_does_not_disturb_the_new_holder(relay: Relay) -> None:
    """The subtitles' row follows the newest claim: a late write of an older claim is refused."""
    late = Fault(Boundary.MARK, Side.BEFORE, Kind.KILL, until=lambda: relay.came(Boundary.COMMIT, "second"))
    waits = Fault(
        Boundary.COMMIT, Side.BEFORE, Kind.HOLD, until=lambda: relay.answers(Boundary.MARK, "first") != [None]
    )
    relay.send()
    with relay.first(late):
        until(relay.struck)
        with relay.second(waits):
            until(relay.is_done)
    assert relay.jobs.row(relay.key)["lease_epoch"] == 2
    relay.assert_kept()


def test_a_kill_at_the_end_loses_no_job(relay: Relay) -> None:
    """The message is deleted last: a job whose worker is killed before the commit comes back."""
    relay.send()
    with relay.first(Fault(Boundary.COMMIT, Side.BEFORE, Kind.KILL)) as first:
        first.wait()
        with relay.second():
            until(relay.is_done)
    relay.assert_kept()


def test_a_kill_around_the_dead_letter_loses_no_job(relay: Relay) -> None:
    """Rows, dead letter, message, in this order: the dead letter is sent though its sender was killed."""
    relay.story.fields["text"] = UNSPEAKABLE
    relay.send()
    with relay.first(Fault(Boundary.DEAD_LETTER, Side.BEFORE, Kind.KILL)) as first:
        first.wait()
        with relay.second():
            until(relay.is_done)
    relay.assert_kept()


def test_a_claim_whose_reply_is_lost_is_known_as_ours(relay: Relay) -> None:
    """A worker whose claim's reply was lost claims again, and recognizes the claim as its own."""
    relay.send()
    with relay.first(Fault(Boundary.CLAIM, Side.AFTER, Kind.CUT)):
        until(relay.is_done)
    assert relay.jobs.row(relay.key)["lease_epoch"] == 1
    relay.assert_kept()


@pytest.mark.parametrize("repetitions", [1, 4])
def test_a_commit_applied_whose_reply_is_lost_is_found_out(relay: Relay, repetitions: int) -> None:
    """A worker whose commit's reply was lost reads the rows, and deletes the message itself."""
    relay.send()
    with relay.first(Fault(Boundary.COMMIT, Side.AFTER, Kind.CUT, times=repetitions)) as first:
        until(relay.is_done)
        assert first.logged("job completed")
    assert relay.jobs.row(relay.key)["lease_epoch"] == 1
    relay.assert_kept()


def test_renewals_keep_message_and_row_from_others(relay: Relay) -> None:
    """While its holder renews, beyond two leases, no copy of the message gets another worker the job."""
    relay.send()

    def was_renewed() -> bool:
        renewals = [entry for entry in relay.journal.of(Boundary.RENEW) if entry.took_effect]
        return relay.came(Boundary.CLAIM, "second") and len(renewals) > 2 * RENEWALS_PER_LEASE

    with relay.first(Fault(Boundary.PUT_AUDIO, Side.BEFORE, Kind.HOLD, until=was_renewed)):
        until(relay.struck)
        relay.send()
        with relay.second():
            until(relay.is_done)
    deliveries = [entry.delivery for entry in relay.journal.of(Boundary.RECEIVE) if entry.worker == "second"]
    assert next(iter(relay.story.bodies)) not in {delivery.message_id for delivery in deliveries if delivery}
    assert relay.jobs.row(relay.key)["lease_epoch"] == 1
    relay.assert_kept()


def test_a_hung_child_takes_no_lease_with_it(relay: Relay) -> None:
    """A child stopped for two leases costs neither the lease nor the worker's health."""
    relay.story.fields["text"] = "The child sat still. " * 400
    relay.send()
    with relay.first() as first:
        until(lambda: len(relay.answers(Boundary.LOOK, "first")) == len(MEDIA))
        (child,) = first.children
        os.kill(child, signal.SIGSTOP)
        renewals = len(relay.journal.of(Boundary.RENEW))
        until(lambda: len(relay.journal.of(Boundary.RENEW)) > renewals + 6)
        assert not relay.came(Boundary.PUT_AUDIO, "first")
        assert health_of(first) == 200
        os.kill(child, signal.SIGCONT)
        until(relay.is_done)
    assert relay.jobs.row(relay.key)["lease_epoch"] == 1
    relay.assert_kept()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_crashes_costs_an_attempt(relay: Relay, number: signal.Signals) -> None:
    """After a segmentation fault or a kill for memory, a new child does the job."""
    relay.send()
    slow = Fault(Boundary.LOOK, Side.BEFORE, Kind.HOLD, secs=1)
    with relay.first(slow) as first:
        until(relay.struck)
        (child,) = first.children
        os.kill(child, number)
        until(relay.is_done)
        assert first.process.poll() is None
    relay.assert_kept()


def test_a_minute_without_aws(relay: Relay) -> None:
    """A worker survives 60 s without any connection in the middle of a job, and completes it."""
    relay.send()
    silence = Fault(
        Boundary.PUT_AUDIO, Side.BEFORE, Kind.HOLD, until=lambda: first.gate.outage_fault is not None
    )
    with relay.first(silence) as first:
        until(relay.struck)
        with first.gate.outage(Kind.CUT, secs=60) as requests:
            pass
        until(relay.is_done)
        assert first.process.poll() is None
    # The SDK's repetitions and the worker's own, each with its pause: no hot loop.
    assert 0 < requests() < 200
    relay.assert_kept()


# Read in place of the standard library's own customization: the wall clock follows a file.
CLOCK = """
import time
_real = time.time
def _stepped():
    with open({path!r}) as file:
        return _real() + float(file.read() or 0)
time.time = _stepped
"""


def clock_of(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the file that says how far a worker's wall clock is off, and the environment that obeys it."""
    folder.mkdir()
    offset = folder / "offset"
    offset.write_text("0")
    (folder / "sitecustomize.py").write_text(CLOCK.format(path=str(offset)))
    return offset, {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize("step_secs", [-3600, 3600])
def test_the_wall_clock_may_step(relay: Relay, tmp_path: Path, step_secs: int) -> None:
    """A wall clock that steps an hour in the middle of a job changes nothing: timers are monotonic."""
    offset, environment = clock_of(tmp_path / "clock")
    relay.send()
    slow = Fault(Boundary.PUT_AUDIO, Side.BEFORE, Kind.HOLD, secs=2 * LEASE_SECS)
    with relay.second(slow, **environment):
        until(relay.struck)
        offset.write_text(str(step_secs))
        until(relay.is_done)
    assert len(relay.journal.of(Boundary.RENEW)) >= 4
    assert relay.jobs.row(relay.key)["lease_epoch"] == 1
    relay.assert_kept()


def test_a_worker_whose_clock_is_ahead_breaks_nothing(relay: Relay, tmp_path: Path) -> None:
    """A worker whose clock is ahead takes over live leases; the holder loses, and one of them commits."""
    offset, environment = clock_of(tmp_path / "clock")
    offset.write_text("3600")
    relay.send()
    waits = Fault(
        Boundary.PUT_AUDIO, Side.BEFORE, Kind.HOLD, until=lambda: relay.took_effect(Boundary.CLAIM, "second")
    )
    with relay.first(waits) as first:
        until(relay.struck)
        relay.send()
        with relay.second(**environment):
            until(relay.is_done)
            assert first.logged("job lost")
    assert relay.jobs.row(relay.key)["lease_epoch"] == 2
    relay.assert_kept()


def health_of(process: GuardedWorker) -> int:
    """Return the status of a worker's health endpoint; 0 where nobody answers."""
    connection = HTTPConnection("127.0.0.1", process.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
