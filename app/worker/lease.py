"""The lease of a job: a thread renews the row's lease and the message's visibility timeout together."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from app.aws.claims import Claim
from app.aws.queue import MAX_VISIBILITY_SECS, Message, Queue
from app.aws.tasks import Tasks
from app.errors import (
    InfrastructureError,
    JobTooLongError,
    LeaseLostError,
    ReceiveLimitError,
    StoryTtsError,
)

RENEWALS_PER_LEASE = 3
"""Two renewals may fail before the lease expires."""
RETRY_SHARE = 1 / 30
"""The delay after a failed renewal, as a share of the lease."""


class Lease:
    """
    The lease of one job, renewed from entering the `with` block until `stop` or the end of the block.

    All times are monotonic, because the wall clock may step.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        tasks: Tasks,
        message: Message,
        claim: Claim,
        lease_secs: float,
        claimed_at: float,
        on_renewal: Callable[[], None],
    ) -> None:
        """`queue` and `tasks` must time out well within `lease_secs`; `claimed_at` precedes the claim."""
        self._queue = queue
        self._tasks = tasks
        self._message = message
        self._claim = claim
        self._lease_secs = lease_secs
        self._expires_at = claimed_at + lease_secs
        self._on_renewal = on_renewal
        self._fault: StoryTtsError | None = None
        self._stopped = threading.Event()
        self._renewing = threading.Lock()
        self._thread = threading.Thread(target=self._renew_until_stopped, name="lease", daemon=True)
        self.progress = 0.0
        """The progress of the job, 0 to 1; the next renewal stores it in the row."""
        self.has_advanced = False
        """Whether a segment was stored under this lease, so that the next attempt starts further on."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop renewing. When this returns, no renewal is in progress and none will follow."""
        self._stopped.set()
        with self._renewing:
            pass

    @property
    def is_lost(self) -> bool:
        """Whether the lease is lost, by a refused renewal or by the clock."""
        return self._fault is not None or time.monotonic() >= self._expires_at

    @property
    def secs_left(self) -> float:
        """Seconds until the lease expires without renewal."""
        return max(0.0, self._expires_at - time.monotonic())

    def check(self) -> None:
        """Raise the reason if the lease is lost or cannot be renewed any more; make no call."""
        if self._fault is not None:
            raise self._fault
        if time.monotonic() >= self._expires_at:
            raise LeaseLostError("the lease expired without a renewal")

    def confirm(self) -> None:
        """Renew now, which asks the rows. Raises LeaseLostError, JobCancelledError, InfrastructureError."""
        self.check()
        self._renew()

    def _renew_until_stopped(self) -> None:
        interval = self._lease_secs / RENEWALS_PER_LEASE
        wait = interval
        while not self._stopped.wait(wait):
            try:
                self._renew()
            except InfrastructureError:
                # Not a refusal: retry until the lease expires.
                wait = self._lease_secs * RETRY_SHARE
            except StoryTtsError as fault:
                self._fault = fault
                return
            else:
                wait = interval

    def _renew(self) -> None:
        with self._renewing:
            if self._stopped.is_set():
                return
            self._refuse_beyond_queue_limit()
            started = time.monotonic()
            self._tasks.renew(
                self._claim,
                lease_secs=self._lease_secs,
                progress=self.progress,
                has_advanced=self.has_advanced,
            )
            self._queue.extend(self._message, self._lease_secs)
            self._expires_at = started + self._lease_secs
        self._on_renewal()

    def _refuse_beyond_queue_limit(self) -> None:
        held_secs = time.monotonic() - self._message.received_at
        if held_secs + 2 * self._lease_secs <= MAX_VISIBILITY_SECS:
            return
        if self.has_advanced:
            raise ReceiveLimitError("SQS lets a receiver hold a message for 12 hours only")
        raise JobTooLongError("no part of the job was finished in the 12 hours that SQS allows a receiver")
