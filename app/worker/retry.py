"""Delays between attempts at a job, back-off of the worker, and retries of single AWS calls."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from app.aws.objects import ObjectChangedError
from app.errors import CredentialsError, EventsRefusedError, InfrastructureError, QueueGoneError
from app.shutdown import Shutdown

FIRST_RETRY_SECS = 5.0
LAST_RETRY_SECS = 15 * 60.0
LAST_HELD_SECS = 60 * 60.0
MAX_BACKOFF_SECS = 30.0
_FIRST_CALL_DELAY_SECS = 0.2
_LAST_CALL_DELAY_SECS = 5.0

Result = TypeVar("Result")

log = structlog.get_logger()


def retry_delay(number: int) -> float:
    """Return the delay after attempt `number` in seconds: 5 s after the first, doubled, up to 15 min."""
    return float(min(LAST_RETRY_SECS, FIRST_RETRY_SECS * 2.0 ** min(number - 1, 20)))


def held_delay(lease_secs: float, *, receive_count: int, is_copy: bool) -> float:
    """
    Return the delay in seconds for a message whose job is held for another `lease_secs`.

    It is one second more than the lease. A copy of the message that the holder received is in no hurry: its
    delay doubles with each receive, up to an hour.
    """
    delay = lease_secs + 1
    return min(max(delay, LAST_HELD_SECS), delay * 2.0 ** min(receive_count - 1, 20)) if is_copy else delay


def backoff_delay(faults_in_a_row: int) -> float:
    """Return how many seconds the worker waits after so many consecutive failures."""
    return float(min(MAX_BACKOFF_SECS, 2.0 ** min(faults_in_a_row - 1, 10)))


def retry_call(
    call: Callable[[], Result],
    *,
    secs: float,
    shutdown: Shutdown,
    check: Callable[[], None] = lambda: None,
) -> Result:
    """
    Return what `call` returns; retry it for up to `secs` seconds while AWS is unavailable.

    Then the last error is raised; errors that a retry cannot fix are raised at once. `check` runs before each
    try and may raise.
    """
    deadline = time.monotonic() + secs
    delay = _FIRST_CALL_DELAY_SECS
    while True:
        check()
        try:
            return call()
        except (CredentialsError, EventsRefusedError, QueueGoneError, ObjectChangedError):
            raise
        except InfrastructureError as fault:
            is_out_of_time = time.monotonic() + delay > deadline
            if is_out_of_time or shutdown.should_abort(remaining_secs=delay):
                raise
            shutdown.urgent.wait(delay)
            log.info("AWS call will be retried", reason=fault.message)
            delay = min(2 * delay, _LAST_CALL_DELAY_SECS)
