"""The lease: kept by renewals, lost by a refusal or by the clock, never longer than the queue allows."""

import threading
import time
from typing import cast

import pytest

from app.aws.claims import Claim
from app.aws.queue import MAX_VISIBILITY_SECS, Message, Queue
from app.aws.tasks import Tasks
from app.errors import (
    JobTooLongError,
    LeaseLostError,
    PermanentJobError,
    ReceiveLimitError,
    UnavailableError,
)
from app.job import RowKey
from app.worker.lease import Lease
from tests.workers import until

CLAIM = Claim(RowKey("story-1", "a1"), None, 1, "here/1")


class Renewals:
    """The queue and the table as a lease sees them: they count renewals, and answer as told."""

    def __init__(self) -> None:
        self.rows: list[float] = []
        self.messages = 0
        self.advanced: list[bool] = []
        self.fault: Exception | None = None

    def renew(self, claim: Claim, *, lease_secs: float, progress: float, has_advanced: bool) -> None:
        """Renew the row's part."""
        self.advanced.append(has_advanced)
        assert (claim, lease_secs) == (CLAIM, 0.3)
        if self.fault:
            raise self.fault
        self.rows.append(progress)

    def extend(self, message: Message, secs: float) -> None:
        """Renew the message's part."""
        assert (message.id, secs) == ("m", 0.3)
        self.messages += 1


def lease(renewals: Renewals, *, held_secs: float = 0, turns: threading.Event | None = None) -> Lease:
    """Return a lease of 0.3 s over `renewals`, of a message received `held_secs` ago."""
    return Lease(
        queue=cast("Queue", renewals),
        tasks=cast("Tasks", renewals),
        message=Message("m", "{}", "handle", 1, time.time(), received_at=time.monotonic() - held_secs),
        claim=CLAIM,
        lease_secs=0.3,
        claimed_at=time.monotonic(),
        on_renewal=(turns or threading.Event()).set,
    )


def test_renewals_keep_the_job_and_show_its_progress() -> None:
    """While renewals are answered the job stays ours, far beyond one lease, and health hears of each."""
    renewals, turned = Renewals(), threading.Event()
    with lease(renewals, turns=turned) as held:
        held.progress = 0.5
        until(lambda: len(renewals.rows) >= 8)
        held.check()

    assert renewals.rows[-1] == 0.5
    assert renewals.messages == len(renewals.rows)
    assert turned.is_set()


def test_a_refused_renewal_loses_the_job() -> None:
    """One refusal is the end: no renewal follows it."""
    renewals = Renewals()
    renewals.fault = LeaseLostError("another worker has claimed or ended the job")
    with lease(renewals) as held:
        until(lambda: held.is_lost)

        with pytest.raises(LeaseLostError, match="another worker"):
            held.check()
    assert renewals.rows == []


def test_unanswered_renewals_are_repeated_until_the_lease_would_end() -> None:
    """No answer is no refusal: the job is lost when the clock says so, not before."""
    renewals = Renewals()
    renewals.fault = UnavailableError("dynamodb: 503")
    with lease(renewals) as held:
        until(lambda: held.secs_left < 0.15)
        renewals.fault = None
        until(lambda: renewals.rows)
        held.check()
        renewals.fault = UnavailableError("dynamodb: 503")
        until(lambda: held.is_lost)
        with pytest.raises(LeaseLostError, match="without a renewal"):
            held.check()


def test_nothing_is_renewed_after_stop() -> None:
    """When `stop` has returned, no renewal can undo the release that follows it."""
    renewals = Renewals()
    with lease(renewals) as held:
        until(lambda: renewals.rows)
        held.stop()
        count = len(renewals.rows)
        held.confirm()
        assert len(renewals.rows) == count


def test_nothing_is_renewed_after_the_block() -> None:
    """When the block has ended, however it ended, no renewal can undo the release that follows it."""
    renewals = Renewals()
    with pytest.raises(ZeroDivisionError), lease(renewals) as held:
        raise ZeroDivisionError
    held.confirm()
    assert renewals.rows == []


def test_a_renewal_tells_the_row_that_a_segment_is_stored() -> None:
    """Only a lease under which a segment was stored starts the count of crashes over."""
    renewals = Renewals()
    with lease(renewals) as held:
        until(lambda: renewals.rows)
        held.has_advanced = True
        until(lambda: any(renewals.advanced))
    assert not renewals.advanced[0]


def test_a_job_that_advanced_goes_on_after_the_limit_of_a_receive() -> None:
    """SQS ends a receipt after 12 hours: a job with stored segments goes back before, and does not fail."""
    with lease(Renewals(), held_secs=MAX_VISIBILITY_SECS - 0.5) as held:
        held.has_advanced = True
        until(lambda: held.is_lost)
        with pytest.raises(ReceiveLimitError):
            held.check()


def test_a_job_that_never_ends_fails_at_once() -> None:
    """A job without one stored segment in 12 hours fails for good, and is not begun again."""
    with lease(Renewals(), held_secs=MAX_VISIBILITY_SECS - 0.5) as held:
        until(lambda: held.is_lost)
        with pytest.raises(JobTooLongError) as caught:
            held.check()
    assert isinstance(caught.value, PermanentJobError)
