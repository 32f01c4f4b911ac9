"""
The worker: receive, claim, narrate, store, commit, delete.

One worker holds one job at a time. What ends an attempt is decided by the class of the error that ended it
(app/errors.py); every step may be the last one of this process, and the next worker goes on from there.
"""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import structlog

from app.aws.objects import Digest, ObjectChangedError, Objects
from app.aws.protection import Protection
from app.aws.queue import Message, Queue
from app.aws.tasks import Claim, Ended, Held, Tasks
from app.errors import (
    ConfigurationError,
    CredentialsError,
    InfrastructureError,
    LeaseLostError,
    MediaConflictError,
    MissingExtraError,
    NarrationCancelledError,
    PermanentJobError,
    PoisonedJobError,
    QueueGoneError,
    RetryableJobError,
    StoryTtsError,
    UnexpectedFaultError,
)
from app.health import Health
from app.job import Destination, Job, S3Address
from app.message import Contract
from app.narration.base import Narration, Pauses, Progress, Request
from app.shutdown import Shutdown
from app.speech_process.client import SpeechProcess, State
from app.telemetry import JobFigures, Metrics, Outcome, described
from app.work_folder import WorkFolder
from app.worker.lease import Lease

FIRST_RETRY_SECS = 5.0
LAST_RETRY_SECS = 15 * 60.0
POISON_RECEIVES = 4
"""Times max_receives: a message that came so often without any end of its own has killed its workers."""
MEDIA_TRIES = 5
STORE_SECS = 120.0
"""How long storing or ending a job outlasts AWS not answering, before the job is given back."""
MAX_BACKOFF_SECS = 30.0
READY_POLL_SECS = 0.05
QUEUE_GONE_TRIES = 5
"""SQS may deny for a moment a queue that exists; after so many answers it is gone."""

log = structlog.get_logger()


class ExitCode(IntEnum):
    """How `Worker.run` ended, as the process says it."""

    OK = 0
    QUEUE_GONE = 3


class Attempt:
    """What one receipt of a message has come to so far."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.started = time.monotonic()
        self.job: Job | None = None
        self.claim: Claim | None = None
        self.audio_secs: float | None = None

    @property
    def figures(self) -> JobFigures:
        """The attempt in numbers."""
        return JobFigures(
            processing_secs=time.monotonic() - self.started,
            queue_wait_secs=max(0.0, self.message.queue_wait_secs - (time.monotonic() - self.started)),
            receive_count=self.message.receive_count,
            audio_secs=self.audio_secs,
        )

    @property
    def log(self) -> Any:
        """A logger that names the message and the job, never its text."""
        return log.bind(
            message_id=self.message.id,
            receive_count=self.message.receive_count,
            job=self.job.label if self.job else None,
            epoch=self.claim.epoch if self.claim else None,
        )


class JobsEnd:
    """Whether the narration at hand has to end early: its lease is lost, or there is no time left for it."""

    def __init__(self, *, lease: Lease, shutdown: Shutdown) -> None:
        self._lease = lease
        self._shutdown = shutdown
        self._origin = (time.monotonic(), 0.0)
        self._remaining_secs: float | None = None

    def watch(self, progress: Progress) -> None:
        """Note how far the narration is, and with that how long it still takes, at its pace so far."""
        self._lease.progress = progress.fraction
        now = time.monotonic()
        since, before = self._origin
        if progress.fraction > before:
            self._remaining_secs = (now - since) / (progress.fraction - before) * (1 - progress.fraction)
        if not before:
            # What comes before it comes but once: models that load, a first chunk that is short.
            self._origin = (now, progress.fraction)

    def is_set(self) -> bool:
        """Return whether to end now."""
        return self._lease.is_lost or self._shutdown.interrupts(remaining_secs=self._remaining_secs)


class Worker:
    """Works jobs off the queue until it is asked to stop."""

    def __init__(
        self,
        *,
        queue: Queue,
        dead_letters: Queue | None,
        tasks: Tasks,
        objects: Objects,
        contract: Contract,
        speech: SpeechProcess,
        reading_speed: float,
        pauses: Pauses,
        work_folder: WorkFolder,
        lease_of: Callable[[Message, Claim, float], Lease],
        lease_secs: float,
        receive_wait_secs: int,
        max_receives: int,
        health: Health,
        metrics: Metrics,
        protection: Protection,
        shutdown: Shutdown,
    ) -> None:
        """`lease_of` makes the lease of a claimed message, given the monotonic time before the claim."""
        self._queue = queue
        self._dead_letters = dead_letters
        self._tasks = tasks
        self._objects = objects
        self._contract = contract
        self._speech = speech
        self._reading_speed = reading_speed
        self._pauses = pauses
        self._work_folder = work_folder
        self._lease_of = lease_of
        self._lease_secs = lease_secs
        self._receive_wait_secs = receive_wait_secs
        self._max_receives = max_receives
        self._health = health
        self._metrics = metrics
        self._protection = protection
        self._shutdown = shutdown
        self._faults_in_a_row = 0
        self._deaths_in_a_row = 0

    def run(self, *, drain: bool = False) -> ExitCode:
        """Work until a signal, or with `drain` until the queue is empty; return the process's exit code."""
        try:
            while not self._shutdown.requested.is_set():
                try:
                    if self._turn(drain=drain):
                        return ExitCode.OK
                except InfrastructureError as fault:
                    self._faults_in_a_row += 1
                    if isinstance(fault, QueueGoneError) and self._faults_in_a_row >= QUEUE_GONE_TRIES:
                        log.error("the queue is gone: the worker ends")  # no trace is of use
                        return ExitCode.QUEUE_GONE
                    self._back_off(fault)
            return ExitCode.OK
        finally:
            self._protection.release()

    def _turn(self, *, drain: bool) -> bool:
        """Receive one message and deal with it; return whether a drain is at its end."""
        if not self._is_speech_ready():
            return False
        self._protection.protect()
        message = self._queue.receive(wait_secs=self._receive_wait_secs, visibility_secs=self._lease_secs)
        self._faults_in_a_row = 0
        self._health.turned()
        if message is None:
            self._protection.release()
            return drain and self._queue.depth().total == 0
        if self._shutdown.requested.is_set():
            self._queue.give_back(message)
            return False
        self._handle(message)
        return False

    def _is_speech_ready(self) -> bool:
        """
        Take no job before the child can speak; a dead child is started anew.

        Raises what no new start would mend: ConfigurationError, MissingExtraError.
        """
        state = self._speech.state
        if state in {State.READY, State.BUSY}:
            self._deaths_in_a_row = 0
            return True
        if state is State.STARTING:
            self._health.turned()
            self._shutdown.requested.wait(READY_POLL_SECS)
            return False
        if isinstance(self._speech.fault, ConfigurationError | MissingExtraError):
            raise self._speech.fault
        # What the child said of its end stands in the log: it speaks to the same stderr.
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row > 1:
            self._health.broken("the speech process does not start")
            delay = self._pause(self._deaths_in_a_row - 1)
            log.error("the speech process does not start", retry_in_secs=delay)
            self._shutdown.requested.wait(delay)
        self._speech.start()
        return False

    @staticmethod
    def _pause(faults_in_a_row: int) -> float:
        return float(min(MAX_BACKOFF_SECS, 2.0 ** min(faults_in_a_row - 1, 10)))

    def _back_off(self, fault: InfrastructureError) -> None:
        if isinstance(fault, CredentialsError | QueueGoneError):
            self._health.broken(fault.message)
        delay = self._pause(self._faults_in_a_row)
        log.warning("AWS is out of reach", reason=fault.message, retry_in_secs=delay)
        self._shutdown.requested.wait(delay)

    def _handle(self, message: Message) -> None:
        """Make one attempt, and let the class of what went wrong decide what becomes of the job."""
        attempt = Attempt(message)
        try:
            outcome = self._attempt(attempt)
        except PermanentJobError as error:
            outcome = self._give_up(attempt, error)
        except RetryableJobError as error:
            outcome = self._retry_or_fail(attempt, error)
        except NarrationCancelledError:
            attempt.log.info("job given back", reason="shutdown")
            outcome = self._settle(attempt, lambda: self._give_back(attempt, 0), Outcome.RETURNED)
        except LeaseLostError as error:
            attempt.log.warning("job lost", reason=error.message)
            outcome = Outcome.LOST
        except InfrastructureError as fault:
            attempt.log.warning("job given back", reason=fault.message)
            delay = self._retry_delay(message.receive_count)
            outcome = self._settle(attempt, lambda: self._give_back(attempt, delay), Outcome.RETURNED)
            self._faults_in_a_row += 1
            self._back_off(fault)
        except Exception as error:  # noqa: BLE001  # a fault of ours costs an attempt, never the worker
            attempt.log.error("unexpected fault", **described(error))
            outcome = self._retry_or_fail(attempt, UnexpectedFaultError(f"unexpected {type(error).__name__}"))
        self._metrics.attempt(outcome, attempt.figures)

    def _settle(self, attempt: Attempt, ending: Callable[[], None], outcome: Outcome) -> Outcome:
        """
        Carry an ending out; where AWS does not let us, the lease runs out and another attempt decides.

        Nothing is lost by that: the message is deleted last, so it comes back.
        """
        try:
            ending()
        except LeaseLostError as error:
            attempt.log.warning("job lost", reason=error.message)
            return Outcome.LOST
        except InfrastructureError as fault:
            attempt.log.warning("the ending of a job did not get through", reason=fault.message)
            return Outcome.RETURNED
        return outcome

    def _give_up(self, attempt: Attempt, error: StoryTtsError) -> Outcome:
        return self._settle(attempt, lambda: self._fail(attempt, error), Outcome.FAILED)

    def _retry_or_fail(self, attempt: Attempt, error: RetryableJobError) -> Outcome:
        count = attempt.message.receive_count
        if count >= self._max_receives:
            return self._give_up(attempt, error)
        delay = self._retry_delay(count)
        attempt.log.warning(
            "job will be tried again", code=error.code, reason=error.message, delay_secs=delay
        )
        return self._settle(attempt, lambda: self._give_back(attempt, delay), Outcome.RETURNED)

    @staticmethod
    def _retry_delay(receive_count: int) -> float:
        return float(min(LAST_RETRY_SECS, FIRST_RETRY_SECS * 2.0 ** min(receive_count - 1, 20)))

    def _attempt(self, attempt: Attempt) -> Outcome:
        message = attempt.message
        job = attempt.job = self._contract.job(message.body)
        if job.unknown_fields:
            attempt.log.info("unknown fields ignored", count=len(job.unknown_fields))
        if message.receive_count > POISON_RECEIVES * self._max_receives:
            raise PoisonedJobError(f"received {message.receive_count} times without an end")
        claimed_at = time.monotonic()
        claim = self._tasks.claim(job, lease_secs=self._lease_secs)
        if isinstance(claim, Ended):
            attempt.log.info("nothing to do", status=claim.status)
            self._queue.delete(message)
            return Outcome.SKIPPED
        if isinstance(claim, Held):
            # A second later than the lease, which its holder may renew until then.
            self._queue.give_back(message, delay_secs=min(claim.secs, LAST_RETRY_SECS) + 1)
            attempt.log.info("held by another worker", lease_secs=round(claim.secs, 1))
            return Outcome.SKIPPED
        attempt.claim = claim
        with self._lease_of(message, claim, claimed_at) as lease, self._work_folder.job() as folder:
            self._perform(attempt, job, claim, lease, folder)
        return Outcome.COMPLETED

    def _perform(self, attempt: Attempt, job: Job, claim: Claim, lease: Lease, folder: Path) -> None:
        """Narrate a claimed job, store its media, commit, and delete its message last."""
        attempt.log.info("job claimed", characters=len(job.text), voice=job.voice)
        before = {address: self._objects.etag(address) for address in job.destination.addresses}
        narration = self._narrate(job, lease, folder)
        attempt.audio_secs = narration.duration_secs
        digests = {
            address: self._store(path, address, before[address], lease)
            for address, path in _files(job.destination, narration).items()
        }
        lease.check()
        lease.stop()
        audio, subtitles = _attributes(job, narration, digests)
        self._insist(lambda: self._tasks.commit(claim, audio=audio, subtitles=subtitles), lease.secs_left)
        attempt.log.info(
            "job completed",
            audio_secs=round(narration.duration_secs, 3),
            synthesis_secs=round(narration.synthesis_secs, 3),
            alignment_secs=round(narration.alignment_secs, 3),
            processing_secs=round(attempt.figures.processing_secs, 3),
            alignment=narration.alignment,
        )
        self._insist(lambda: self._queue.delete(attempt.message), lease.secs_left)

    def _narrate(self, job: Job, lease: Lease, folder: Path) -> Narration:
        """Let the child narrate, for as long as the job is ours and the worker is not asked to stop."""
        end = JobsEnd(lease=lease, shutdown=self._shutdown)
        request = Request(
            text=job.text,
            folder=folder,
            voice=job.voice,
            speed=job.speed,
            use_alignment=job.use_alignment,
            reading_speed=self._reading_speed,
            pauses=self._pauses,
        )
        try:
            return self._speech.narrate(request, on_progress=end.watch, cancel=end)
        except NarrationCancelledError:
            lease.check()
            raise

    def _store(self, path: Path, address: S3Address, replacing: str | None, lease: Lease) -> Digest:
        """
        Write one object, so that no newer one is overwritten, and return what was written.

        Raises LeaseLostError, MediaConflictError where others keep writing, InfrastructureError.
        """
        digest = Digest.of(path)
        for _ in range(MEDIA_TRIES):
            condition = replacing
            try:
                self._insist(
                    lambda: self._objects.put(path, address, digest=digest, replacing=condition),  # noqa: B023
                    STORE_SECS,
                    while_ours=lease,
                )
            except ObjectChangedError:
                # Either a lost worker wrote here, or our own write got through and its reply did not. Only
                # the row knows whether we may overwrite: it is asked, not remembered.
                lease.confirm()
                replacing = self._objects.etag(address)
            else:
                return digest
        raise MediaConflictError(f"{address.uri} changed {MEDIA_TRIES} times while it was written")

    def _insist(self, call: Callable[[], None], secs: float, *, while_ours: Lease | None = None) -> None:
        """Repeat `call` for up to `secs` while AWS does not answer; raise the last fault after that."""
        deadline = time.monotonic() + secs
        delay = 0.2
        while True:
            if while_ours is not None:
                while_ours.check()
            try:
                return call()
            except (CredentialsError, QueueGoneError, ObjectChangedError):
                raise
            except InfrastructureError as fault:
                out_of_time = time.monotonic() + delay > deadline
                if out_of_time or self._shutdown.interrupts(remaining_secs=delay):
                    raise
                self._shutdown.urgent.wait(delay)
                log.info("trying again", reason=fault.message)
                delay = min(2 * delay, 5.0)

    def _fail(self, attempt: Attempt, error: StoryTtsError) -> None:
        """Mark the rows, send the dead letter, delete the message: in this order, so that none gets lost."""
        attempt.log.error("job failed", code=error.code, reason=error.message)
        if attempt.claim is not None:
            self._tasks.fail(attempt.claim, code=error.code, message=error.message)
        else:
            rows = self._contract.rows_named_by(attempt.message.body)
            self._tasks.refuse(rows, code=error.code, message=error.message)
        if self._dead_letters is None:
            delay = self._retry_delay(attempt.message.receive_count)
            self._queue.give_back(attempt.message, delay_secs=delay)
            return
        self._dead_letters.send(
            attempt.message.body,
            attributes={
                "error_code": error.code,
                "error_message": _sendable(error.message),
                "original_message_id": attempt.message.id,
            },
        )
        self._queue.delete(attempt.message)

    def _give_back(self, attempt: Attempt, delay_secs: float) -> None:
        """
        End the lease, then show the message to others: whoever sees it can claim it.

        Its renewals have ended with the attempt.
        """
        if attempt.claim is not None:
            self._tasks.release(attempt.claim)
        self._queue.give_back(attempt.message, delay_secs=delay_secs)


def _files(destination: Destination, narration: Narration) -> dict[S3Address, Path]:
    return {
        destination.audio: narration.audio,
        destination.srt: narration.srt,
        destination.vtt: narration.vtt,
        destination.words: narration.words_json,
    }


def _attributes(
    job: Job, narration: Narration, digests: Mapping[S3Address, Digest]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a commit adds to the audio row and to the subtitles row."""
    destination = job.destination
    shared = {
        "duration_seconds": Decimal(f"{narration.duration_secs:.3f}"),
        "engine": narration.engine,
        "voice": job.voice,
        "alignment": narration.alignment,
    }
    audio: dict[str, Any] = shared | _media(destination.audio, digests)
    subtitles: dict[str, Any] = shared | _media(destination.srt, digests)
    subtitles |= {"vtt_url": destination.vtt.uri, "words_url": destination.words.uri}
    if job.is_direct:
        audio |= {"subtitles_url": destination.srt.uri}
    return audio, subtitles


def _media(address: S3Address, digests: Mapping[S3Address, Digest]) -> dict[str, Any]:
    return {"media_url": address.uri, "media_sha256": digests[address].hex}


def _sendable(message: str) -> str:
    """Return `message` as SQS takes it for an attribute: no control characters, not empty."""
    return "".join(character if character.isprintable() else " " for character in message)[:1000] or "-"
