"""Keeps a job ours: the message's visibility and the row's lease, renewed together by a thread."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from app.aws.queue import MAX_VISIBILITY_SECS, Message, Queue
from app.aws.tasks import Claim, Tasks
from app.errors import InfrastructureError, LeaseLostError, RetryableJobError, StoryTtsError

RENEWALS_PER_LEASE = 3
"""Two renewals may fail before the lease ends."""
RETRY_SHARE = 1 / 30
"""Of the lease: the wait after a renewal that got no answer."""


class JobTooLongError(RetryableJobError):
    """The job outlasts the longest time that the queue lets one receiver hold a message."""

    code = "JOB_TOO_LONG"


class Lease:
    """
    One job's lease, renewed from entering the `with` block until `stop` or its end.

    All times are on the monotonic clock: the wall clock may step.
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
        """`queue` and `tasks` answer or fail well within `lease_secs`; `claimed_at` is before the claim."""
        self._queue = queue
        self._tasks = tasks
        self._message = message
        self._claim = claim
        self._lease_secs = lease_secs
        self._ends = claimed_at + lease_secs
        self._on_renewal = on_renewal
        self._fault: StoryTtsError | None = None
        self._stopped = threading.Event()
        self._renewing = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.progress = 0.0
        """Share of the job that is done, 0 to 1; the next renewal shows it on the row."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop renewing: after this returns no renewal is under way, and none will come."""
        self._stopped.set()
        with self._renewing:
            pass

    @property
    def is_lost(self) -> bool:
        """Whether the job is not ours any more, known by an answer or by the clock."""
        return self._fault is not None or time.monotonic() >= self._ends

    @property
    def secs_left(self) -> float:
        """How long the job stays ours without renewal."""
        return max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raise LeaseLostError (or JobTooLongError) unless the job is ours, as far as is known here."""
        if self._fault is not None:
            raise self._fault
        if time.monotonic() >= self._ends:
            raise LeaseLostError("the lease ended without a renewal")

    def confirm(self) -> None:
        """Ask the row whether the job is ours, and renew it. Raises LeaseLostError, InfrastructureError."""
        self.check()
        self._renew()

    def _keep(self) -> None:
        interval = self._lease_secs / RENEWALS_PER_LEASE
        wait = interval
        while not self._stopped.wait(wait):
            try:
                self._renew()
            except InfrastructureError:
                # No answer is no refusal: try again until the lease would have ended.
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
            self._tasks.renew(self._claim, lease_secs=self._lease_secs, progress=self.progress)
            self._queue.extend(self._message, self._lease_secs)
            self._ends = started + self._lease_secs
        self._on_renewal()

    def _refuse_beyond_queue_limit(self) -> None:
        held_secs = time.monotonic() - self._message.received_at
        if held_secs + 2 * self._lease_secs > MAX_VISIBILITY_SECS:
            raise JobTooLongError("the job takes longer than the 12 hours that SQS lets a message be held")
