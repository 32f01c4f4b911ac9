"""Handles the error that ended an attempt: the job fails, is retried, or is returned to the queue."""

from collections.abc import Callable

from app.errors import (
    ConfigurationError,
    EngineCrashedError,
    FailedBeforeError,
    InfrastructureError,
    JobCancelledError,
    LeaseLostError,
    MissingExtraError,
    NarrationCancelledError,
    OutputTakenError,
    PermanentJobError,
    ReceiveLimitError,
    RetryableJobError,
    StoryTtsError,
    UnexpectedFaultError,
)
from app.events import JobEvent
from app.job import RowKey
from app.message import MessageParser
from app.telemetry import AttemptOutcome, error_details
from app.worker.attempt import Attempt
from app.worker.checkpoints import Checkpoints
from app.worker.outbox import Outbox
from app.worker.retry import retry_delay
from app.worker.seams import DeadLetterQueue, JobQueue, TaskTable


class OutcomeHandler:
    """Decides by the class of an error what happens to the job."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        dead_letters: DeadLetterQueue | None,
        tasks: TaskTable,
        checkpoints: Checkpoints,
        outbox: Outbox,
        parser: MessageParser,
        max_attempts: int,
    ) -> None:
        self._queue = queue
        self._dead_letters = dead_letters
        self._tasks = tasks
        self._checkpoints = checkpoints
        self._outbox = outbox
        self._parser = parser
        self._max_attempts = max_attempts

    def handle(self, attempt: Attempt, error: Exception) -> AttemptOutcome:
        """Fail, retry or return the job, depending on the class of `error`."""
        match error:
            case PermanentJobError():
                return self._fail(attempt, error)
            case RetryableJobError():
                return self._retry_or_fail(attempt, error)
            case StoryTtsError():
                return self._end_without_attempt(attempt, error)
            case _:
                # A bug costs the job an attempt, but does not end the worker.
                attempt.log.error("unexpected error", **error_details(error))
                return self._retry_or_fail(
                    attempt, UnexpectedFaultError(f"unexpected {type(error).__name__}")
                )

    def _end_without_attempt(self, attempt: Attempt, error: StoryTtsError) -> AttemptOutcome:
        """Handle an error that does not count against the job."""
        match error:
            case NarrationCancelledError():
                attempt.log.info("job returned", reason="shutdown")
                return self._give_back(attempt, 0)
            case ReceiveLimitError():
                attempt.log.info("job returned", reason=error.message)
                return self._give_back(attempt, 0)
            case LeaseLostError():
                attempt.log.warning("job lost", reason=error.message)
                return AttemptOutcome.LOST
            case JobCancelledError():
                attempt.log.info("job cancelled")
                return self._finish(attempt, lambda: self._cancel(attempt), AttemptOutcome.SKIPPED)
            case ConfigurationError() | MissingExtraError():
                # The fault of this worker: another one may take the job at once.
                attempt.log.error("job returned", reason=error.message)
                return self._give_back(attempt, 0)
            case _:
                is_ended = attempt.is_committed
                attempt.log.warning("message returned" if is_ended else "job returned", reason=error.message)
                outcome = self._give_back(attempt, retry_delay(attempt.message.receive_count))
                return AttemptOutcome.COMPLETED if is_ended else outcome

    def _retry_or_fail(self, attempt: Attempt, error: RetryableJobError) -> AttemptOutcome:
        # Without a claim there is no row to count on: the producer has not created it yet.
        claim = attempt.claim
        number = len(claim.causes) + 1 if claim else attempt.message.receive_count
        # Native code that crashed before on the same text will crash again.
        is_repeated_crash = isinstance(error, EngineCrashedError) and claim and error.code in claim.causes
        if number >= self._max_attempts or is_repeated_crash:
            return self._fail(attempt, error)
        delay = retry_delay(number)
        attempt.log.warning(
            "job will be retried", code=error.code, reason=error.message, attempt=number, delay_secs=delay
        )
        return self._give_back(attempt, delay, cause=error.code)

    def _fail(self, attempt: Attempt, error: StoryTtsError) -> AttemptOutcome:
        return self._finish(attempt, lambda: self._send_dead_letter(attempt, error), AttemptOutcome.FAILED)

    def _give_back(self, attempt: Attempt, delay_secs: float, *, cause: str | None = None) -> AttemptOutcome:
        """Return the job to the queue; `cause` is the error code of an attempt that counts."""
        return self._finish(
            attempt, lambda: self._release(attempt, delay_secs, cause), AttemptOutcome.RETURNED
        )

    def _finish(
        self, attempt: Attempt, action: Callable[[], None], outcome: AttemptOutcome
    ) -> AttemptOutcome:
        """
        Run `action`. If AWS is unavailable, the lease expires and the next attempt decides again.

        Nothing is lost, because the message is deleted last.
        """
        try:
            action()
        except (LeaseLostError, JobCancelledError) as error:
            # A cancelled job comes back once more, and its claim finds the cancelled row.
            attempt.log.warning("job lost", reason=error.message)
            return AttemptOutcome.LOST
        except InfrastructureError as fault:
            attempt.log.warning("job outcome not recorded", reason=fault.message)
            return AttemptOutcome.RETURNED
        return outcome

    def _send_dead_letter(self, attempt: Attempt, error: StoryTtsError) -> None:
        """
        Mark the rows, send the dead letter, publish the event, delete the message.

        In this order no job is lost, and no event.
        """
        attempt.log.error("job failed", code=error.code, reason=error.message)
        ending = self._mark_failed(attempt, error)
        if self._dead_letters is None:
            self._discard_segments(attempt, error)
            if ending:
                self._outbox.deliver(*ending)
            self._queue.give_back(attempt.message, delay_secs=retry_delay(attempt.message.receive_count))
            return
        self._dead_letters.send(
            attempt.message.body,
            attributes={
                "error_code": error.code,
                "error_message": _printable(error.message),
                "original_message_id": attempt.message.id,
            },
            group=attempt.message.group,
        )
        self._discard_segments(attempt, error)
        if ending:
            self._outbox.deliver(*ending)
        self._queue.delete(attempt.message)

    def _mark_failed(self, attempt: Attempt, error: StoryTtsError) -> tuple[RowKey, JobEvent] | None:
        """Mark the rows FAILED; return the audio row and the event that it holds, if any."""
        message, claim, figures = attempt.message, attempt.claim, attempt.figures
        if claim is not None:
            event = self._outbox.failed(
                claim.audio_row,
                claim.subtitles_row,
                error,
                message_id=message.id,
                claim=claim,
                queue_wait_seconds=figures.queue_wait_secs,
                processing_seconds=figures.processing_secs,
            )
            self._tasks.fail(
                claim,
                code=error.code,
                message=error.message,
                message_stays=self._dead_letters is None,
                event=event,
            )
            return (claim.audio_row, event) if event else None
        rows = self._parser.rows_named_by(message.body)
        own = None
        # A job that failed before for this message had its event then.
        if rows and not isinstance(error, FailedBeforeError):
            subtitles = rows[1] if len(rows) > 1 else None
            own = self._outbox.failed(rows[0], subtitles, error, message_id=message.id)
        while (event := self._tasks.refuse(rows, code=error.code, message=error.message, event=own)) != own:
            if event is None:
                return None
            self._outbox.deliver(rows[0], event)
        return (rows[0], event) if event else None

    def _discard_segments(self, attempt: Attempt, error: StoryTtsError | None = None) -> None:
        # The row of a taken output, and its segments, are those of another job.
        if attempt.job is not None and not isinstance(error, OutputTakenError):
            self._checkpoints.discard(attempt.job.audio_row)

    def _cancel(self, attempt: Attempt) -> None:
        """Let both rows follow the one that the producer cancelled, then delete the message."""
        if attempt.claim is not None:
            self._tasks.cancel(attempt.claim)
        self._discard_segments(attempt)
        self._queue.delete(attempt.message)

    def _release(self, attempt: Attempt, delay_secs: float, cause: str | None) -> None:
        """
        Release the lease, then the message, so that the next receiver can claim the job.

        The attempt has stopped renewing before.
        """
        if attempt.claim is not None:
            self._tasks.release(attempt.claim, cause=cause)
        self._queue.give_back(attempt.message, delay_secs=delay_secs)


def _printable(message: str) -> str:
    """Return `message` as SQS accepts it in an attribute: no control characters, not empty."""
    return "".join(character if character.isprintable() else " " for character in message)[:1000] or "-"
