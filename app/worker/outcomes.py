"""What becomes of a job whose attempt ended with an error: it fails, is retried, or is given back."""

from collections.abc import Callable

from app.errors import (
    InfrastructureError,
    LeaseLostError,
    NarrationCancelledError,
    PermanentJobError,
    RetryableJobError,
    StoryTtsError,
    UnexpectedFaultError,
)
from app.message import MessageParser
from app.telemetry import AttemptOutcome, error_details
from app.worker.attempt import Attempt
from app.worker.retry import retry_delay
from app.worker.seams import DeadLetterQueue, JobQueue, TaskTable


class OutcomeHandler:
    """Ends attempts, by the class of the error that ended them."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        dead_letters: DeadLetterQueue | None,
        tasks: TaskTable,
        parser: MessageParser,
        max_receives: int,
    ) -> None:
        self._queue = queue
        self._dead_letters = dead_letters
        self._tasks = tasks
        self._parser = parser
        self._max_receives = max_receives

    def end(self, attempt: Attempt, error: Exception) -> AttemptOutcome:
        """Do with the job what the class of `error` asks for."""
        match error:
            case PermanentJobError():
                return self._fail(attempt, error)
            case RetryableJobError():
                return self._retry_or_fail(attempt, error)
            case NarrationCancelledError():
                attempt.log.info("job given back", reason="shutdown")
                return self._give_back(attempt, 0)
            case LeaseLostError():
                attempt.log.warning("job lost", reason=error.message)
                return AttemptOutcome.LOST
            case InfrastructureError():
                attempt.log.warning("job given back", reason=error.message)
                return self._give_back(attempt, retry_delay(attempt.message.receive_count))
            case _:
                # A fault of our own costs an attempt, never the worker.
                attempt.log.error("unexpected fault", **error_details(error))
                return self._retry_or_fail(
                    attempt, UnexpectedFaultError(f"unexpected {type(error).__name__}")
                )

    def _retry_or_fail(self, attempt: Attempt, error: RetryableJobError) -> AttemptOutcome:
        count = attempt.message.receive_count
        if count >= self._max_receives:
            return self._fail(attempt, error)
        delay = retry_delay(count)
        attempt.log.warning(
            "job will be tried again", code=error.code, reason=error.message, delay_secs=delay
        )
        return self._give_back(attempt, delay)

    def _fail(self, attempt: Attempt, error: StoryTtsError) -> AttemptOutcome:
        return self._finish(attempt, lambda: self._send_dead_letter(attempt, error), AttemptOutcome.FAILED)

    def _give_back(self, attempt: Attempt, delay_secs: float) -> AttemptOutcome:
        return self._finish(attempt, lambda: self._release(attempt, delay_secs), AttemptOutcome.RETURNED)

    def _finish(
        self, attempt: Attempt, ending: Callable[[], None], outcome: AttemptOutcome
    ) -> AttemptOutcome:
        """
        Run `ending`; where AWS does not answer, the lease expires and another attempt decides.

        Nothing is lost: the message is deleted last, so it comes back.
        """
        try:
            ending()
        except LeaseLostError as error:
            attempt.log.warning("job lost", reason=error.message)
            return AttemptOutcome.LOST
        except InfrastructureError as fault:
            attempt.log.warning("the result of a job could not be recorded", reason=fault.message)
            return AttemptOutcome.RETURNED
        return outcome

    def _send_dead_letter(self, attempt: Attempt, error: StoryTtsError) -> None:
        """Mark the rows, send the dead letter, delete the message: in this order, so that none gets lost."""
        attempt.log.error("job failed", code=error.code, reason=error.message)
        if attempt.claim is not None:
            self._tasks.fail(attempt.claim, code=error.code, message=error.message)
        else:
            rows = self._parser.rows_named_by(attempt.message.body)
            self._tasks.refuse(rows, code=error.code, message=error.message)
        if self._dead_letters is None:
            self._queue.give_back(attempt.message, delay_secs=retry_delay(attempt.message.receive_count))
            return
        self._dead_letters.send(
            attempt.message.body,
            attributes={
                "error_code": error.code,
                "error_message": _printable(error.message),
                "original_message_id": attempt.message.id,
            },
        )
        self._queue.delete(attempt.message)

    def _release(self, attempt: Attempt, delay_secs: float) -> None:
        """
        End the lease, then show the message to others, so that whoever receives it can claim the job.

        The attempt stopped renewing before it got here.
        """
        if attempt.claim is not None:
            self._tasks.release(attempt.claim)
        self._queue.give_back(attempt.message, delay_secs=delay_secs)


def _printable(message: str) -> str:
    """Return `message` as SQS accepts it for an attribute: no control characters, not empty."""
    return "".join(character if character.isprintable() else " " for character in message)[:1000] or "-"
