"""
One attempt at a job: claim the row, narrate, store the media, commit the rows, delete the message.

If a worker crashes at any step, SQS redelivers the message, and the next worker finds the state in the rows
and objects. Errors propagate to OutcomeHandler, where their class decides what happens to the job.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from app.aws.claims import Claim, Ended, Held, Unpublished
from app.aws.objects import Digest, ObjectChangedError
from app.aws.queue import Message
from app.aws.rows import FAILED
from app.errors import (
    FailedBeforeError,
    InfrastructureError,
    MediaConflictError,
    NarrationCancelledError,
    PoisonedJobError,
)
from app.job import Job, S3Address
from app.media import SRT, MediaKind, TaskRow
from app.message import MessageParser
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions, for_job
from app.shutdown import Shutdown
from app.telemetry import AttemptOutcome, JobFigures, Tracer
from app.work_folder import WorkFolder
from app.worker.checkpoints import Checkpoints
from app.worker.outbox import Outbox
from app.worker.retry import held_delay, retry_call
from app.worker.seams import JobLease, JobQueue, LeaseFactory, MediaStore, Speech, TaskTable
from app.worker.texts import TextReader

CRASHES_PER_ATTEMPT = 4
"""Times max_attempts: a job whose claims so often ended without any outcome crashes its workers."""
MAX_RECEIVES = 90
"""The last defence against a message that comes back without end; the stack's redrive limit is above it."""
MEDIA_TRIES = 5
"""How often an object that another writer keeps changing is written again."""
STORE_SECS = 120.0
"""How long to retry an upload while S3 is unavailable, before the job is returned to the queue."""

log = structlog.get_logger()


class Attempt:
    """The state of one attempt: the message, and the job and claim once they are known."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.started = time.monotonic()
        self.job: Job | None = None
        self.claim: Claim | None = None
        self.audio_secs: float | None = None
        self.is_committed = False

    @property
    def figures(self) -> JobFigures:
        """The metrics of the attempt so far."""
        return JobFigures(
            processing_secs=time.monotonic() - self.started,
            queue_wait_secs=max(0.0, self.message.queue_wait_secs - (time.monotonic() - self.started)),
            receive_count=self.message.receive_count,
            audio_secs=self.audio_secs,
        )

    @property
    def log(self) -> Any:
        """A logger bound to the ids of the message and the job."""
        return log.bind(
            message_id=self.message.id,
            receive_count=self.message.receive_count,
            job=self.job.label if self.job else None,
            epoch=self.claim.epoch if self.claim else None,
        )


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """An uploaded object: the digest of its file, and its entity tag."""

    digest: Digest
    etag: str


class StopCondition:
    """Whether to stop the current narration: the lease is lost, or a shutdown leaves too little time."""

    def __init__(self, *, lease: JobLease, shutdown: Shutdown) -> None:
        self._lease = lease
        self._shutdown = shutdown
        self._origin = (time.monotonic(), 0.0)
        self._reused_secs = 0.0
        self._remaining_secs: float | None = None

    def watch(self, progress: Progress) -> None:
        """Store the progress for the next renewal, and estimate the remaining time from the pace so far."""
        self._lease.progress = progress.fraction
        now = time.monotonic()
        if progress.reused_secs > self._reused_secs:
            # Stored segments pass in no time, which says nothing about the rest.
            self._reused_secs = progress.reused_secs
            self._origin = (now, progress.fraction)
        start, fraction = self._origin
        if progress.fraction > fraction:
            self._remaining_secs = (now - start) / (progress.fraction - fraction) * (1 - progress.fraction)
        if not fraction:
            # The pace is measured from the first report on, without loading models and the short first chunk.
            self._origin = (now, progress.fraction)

    def is_set(self) -> bool:
        """Return whether to stop now."""
        return self._lease.is_lost or self._shutdown.should_abort(remaining_secs=self._remaining_secs)


class AttemptRunner:
    """Runs the steps of an attempt."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        tasks: TaskTable,
        media: MediaStore,
        parser: MessageParser,
        speech: Speech,
        options: NarrationOptions,
        work_folder: WorkFolder,
        checkpoints: Checkpoints,
        outbox: Outbox,
        leases: LeaseFactory,
        lease_secs: float,
        max_attempts: int,
        hour_price: float | None = None,
        shutdown: Shutdown,
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._queue = queue
        self._tasks = tasks
        self._media = media
        self._texts = TextReader(tasks=tasks, media=media)
        self._parser = parser
        self._speech = speech
        self._options = options
        self._work_folder = work_folder
        self._checkpoints = checkpoints
        self._outbox = outbox
        self._leases = leases
        self._lease_secs = lease_secs
        self._max_attempts = max_attempts
        self._hour_price = hour_price
        self._shutdown = shutdown

    def run(self, attempt: Attempt) -> AttemptOutcome:
        """
        Complete the job, or skip it if there is nothing to do.

        Raises PermanentJobError, RetryableJobError, LeaseLostError, JobCancelledError,
        ReceiveLimitError, NarrationCancelledError and InfrastructureError.
        """
        message = attempt.message
        job = attempt.job = self._parser.job(message.body)
        if job.unknown_fields:
            attempt.log.info("unknown fields ignored", count=len(job.unknown_fields))
        claimed_at = time.monotonic()
        with self._tracer.span("claim"):
            claim = self._claim(job, message)
        if isinstance(claim, Ended):
            attempt.log.info("nothing to do", status=claim.status)
            # An attempt that was killed after its commit left them.
            self._checkpoints.discard(job.audio_row)
            self._queue.delete(message)
            return AttemptOutcome.SKIPPED
        if isinstance(claim, Held):
            delay = held_delay(
                claim.secs, receive_count=message.receive_count, is_copy=claim.message_id != message.id
            )
            self._queue.give_back(message, delay_secs=delay)
            attempt.log.info("held by another worker", lease_secs=round(claim.secs, 1))
            return AttemptOutcome.SKIPPED
        attempt.claim = claim
        self._refuse_poison(message, claim)
        with self._leases(message, claim, claimed_at) as lease, self._work_folder.job() as folder:
            self._perform(attempt, job, claim, lease, folder)
        return AttemptOutcome.COMPLETED

    def _claim(self, job: Job, message: Message) -> Claim | Held | Ended:
        """Claim the job, after the event of its last ending is published if that has not been done yet."""
        while isinstance(
            answer := self._tasks.claim(job, lease_secs=self._lease_secs, message_id=message.id), Unpublished
        ):
            event = answer.event
            self._outbox.deliver(job.audio_row, event)
            if answer.status == FAILED and event.message_id == message.id:
                # That attempt was killed before it deleted the message, or even before the dead letter.
                raise FailedBeforeError(str(event.error_message), code=str(event.error_code))
        return answer

    def _refuse_poison(self, message: Message, claim: Claim) -> None:
        if claim.crashes >= CRASHES_PER_ATTEMPT * self._max_attempts:
            raise PoisonedJobError(f"{claim.crashes} workers claimed the job and ended without an outcome")
        if message.receive_count > MAX_RECEIVES:
            raise PoisonedJobError(f"the message was received {message.receive_count} times")

    def _perform(self, attempt: Attempt, job: Job, claim: Claim, lease: JobLease, folder: Path) -> None:
        """Narrate a claimed job, store its media, commit its rows, and delete its message last."""
        job = attempt.job = self._texts.with_text(job, claim)
        attempt.log.info("job claimed", characters=len(job.text), voice=job.voice)
        etags = {kind: self._media.etag(address) for kind, address in job.destination.addresses.items()}
        with self._tracer.span("narrate", {"characters": len(job.text), "voice": job.voice}):
            narration = self._narrate(job, claim, lease, folder)
            # Speech and alignment take turns; this is what alignment took in all.
            self._tracer.record("align", secs=narration.alignment_secs)
        attempt.audio_secs = narration.duration_secs
        # The last look at the rows before anything is stored: a cancelled job should leave no media behind.
        retry_call(lease.confirm, secs=lease.secs_left, shutdown=self._shutdown)
        stored = {}
        for kind, path in narration.media.items():
            with self._tracer.span("put", {"media": kind.name}):
                stored[kind] = self._store(kind, path, job.destination.address(kind), etags[kind], lease)
        lease.check()
        lease.stop()
        rows = row_attributes(job, narration, {kind: each.digest for kind, each in stored.items()})
        rows[TaskRow.AUDIO] |= _timings(attempt, narration, self._hour_price)
        event = self._outbox.completed(claim, job, attempt.message.id, rows[TaskRow.AUDIO])
        if event:
            rows[TaskRow.AUDIO] |= event.attributes
        with self._tracer.span("commit"):
            retry_call(
                lambda: self._tasks.commit(
                    claim, audio=rows[TaskRow.AUDIO], subtitles=rows[TaskRow.SUBTITLES]
                ),
                secs=lease.secs_left,
                shutdown=self._shutdown,
            )
        attempt.is_committed = True
        attempt.log.info(
            "job completed",
            audio_secs=round(narration.duration_secs, 3),
            synthesis_secs=round(narration.synthesis_secs, 3),
            alignment_secs=round(narration.alignment_secs, 3),
            processing_secs=round(attempt.figures.processing_secs, 3),
            alignment=narration.alignment,
            segments=narration.segments,
            segments_reused=narration.segments_reused,
            variant=narration.variant,
        )
        self._verify(attempt, job, narration, stored)
        if event:
            with self._tracer.span("publish"):
                self._outbox.deliver(claim.audio_row, event, secs=lease.secs_left)
        self._checkpoints.discard(claim.audio_row)
        retry_call(lambda: self._queue.delete(attempt.message), secs=lease.secs_left, shutdown=self._shutdown)

    def _narrate(self, job: Job, claim: Claim, lease: JobLease, folder: Path) -> Narration:
        """
        Narrate in the speech process, from the segments of earlier attempts on.

        Stops if the lease is lost or a shutdown leaves too little time.
        """
        stop = StopCondition(lease=lease, shutdown=self._shutdown)
        segments = folder / "segments"
        segments.mkdir()
        request = Request(
            text=job.text, folder=folder, options=for_job(self._options, job), segments=segments
        )
        try:
            self._checkpoints.restore(claim.audio_row, segments, lease=lease, stop=stop)
            with self._checkpoints.uploads(claim.audio_row, segments, lease) as uploads:

                def on_progress(progress: Progress) -> None:
                    stop.watch(progress)
                    # The last segment would be deleted at once.
                    if progress.segment and progress.fraction < 1:
                        uploads.add(progress.segment)

                return self._speech.narrate(request, on_progress=on_progress, cancel=stop)
        except NarrationCancelledError:
            lease.check()
            raise

    def _store(
        self, kind: MediaKind, path: Path, address: S3Address, replacing: str | None, lease: JobLease
    ) -> StoredMedia:
        """
        Upload one object without overwriting newer media.

        Raises LeaseLostError, MediaConflictError if another writer keeps changing it, InfrastructureError.
        """
        digest = Digest.of(path)
        for _ in range(MEDIA_TRIES):
            try:
                etag = retry_call(
                    partial(
                        self._media.put,
                        path,
                        address,
                        content_type=kind.content_type,
                        digest=digest,
                        replacing=replacing,
                    ),
                    secs=STORE_SECS,
                    shutdown=self._shutdown,
                    check=lease.check,
                )
            except ObjectChangedError:
                # Another worker wrote the object, or our own write succeeded and its reply was lost. The row
                # tells whether we still hold the job and may overwrite.
                lease.confirm()
                replacing = self._media.etag(address)
            else:
                return StoredMedia(digest, etag)
        raise MediaConflictError(f"{address.uri} changed {MEDIA_TRIES} times while it was written")

    def _verify(
        self, attempt: Attempt, job: Job, narration: Narration, stored: Mapping[MediaKind, StoredMedia]
    ) -> None:
        """
        Look at the media once more after the commit, and write again what changed.

        An entity tag identifies content, not a write: where an earlier attempt stored the same bytes, a late
        write of a lost attempt meets its condition. Errors are logged only, because the job is complete.
        """
        try:
            for kind, path in narration.media.items():
                self._restore(attempt, kind, path, job.destination.address(kind), stored[kind])
        except InfrastructureError as error:
            attempt.log.warning("media not verified", reason=error.message)

    def _restore(
        self, attempt: Attempt, kind: MediaKind, path: Path, address: S3Address, stored: StoredMedia
    ) -> None:
        etag = stored.etag
        for _ in range(MEDIA_TRIES):
            current = self._media.etag(address)
            # A producer may have written the rows anew: then the object belongs to the new job.
            if current == etag or attempt.claim is None or not self._tasks.is_committed(attempt.claim):
                return
            attempt.log.warning("media changed after the commit and are written again", media=kind.name)
            with suppress(ObjectChangedError):
                etag = self._media.put(
                    path, address, content_type=kind.content_type, digest=stored.digest, replacing=current
                )
        attempt.log.error("media keep changing after the commit", media=kind.name)


def _timings(attempt: Attempt, narration: Narration, hour_price: float | None) -> dict[str, Decimal]:
    """Return what the attempt took, and cost by the price of an hour, as attributes of the audio row."""
    figures = attempt.figures
    secs = {
        "queue_wait_seconds": figures.queue_wait_secs,
        "processing_seconds": figures.processing_secs,
        "synthesis_seconds": narration.synthesis_secs,
        "alignment_seconds": narration.alignment_secs,
    }
    timings = {name: Decimal(f"{value:.3f}") for name, value in secs.items()}
    if hour_price is not None:
        timings["estimated_cost"] = Decimal(f"{figures.processing_secs / 3600 * hour_price:.6f}")
    return timings


def row_attributes(
    job: Job, narration: Narration, digests: Mapping[MediaKind, Digest]
) -> dict[TaskRow, dict[str, Any]]:
    """Return the attributes that a commit adds to each task row."""
    shared = {
        "duration_seconds": Decimal(f"{narration.duration_secs:.3f}"),
        "engine": narration.engine,
        "voice": job.voice,
        "alignment": narration.alignment,
    }
    rows: dict[TaskRow, dict[str, Any]] = {row: dict(shared) for row in TaskRow}
    for kind in narration.media:
        rows[kind.row][job.destination.attribute(kind)] = job.destination.address(kind).uri
        if job.destination.is_primary(kind):
            rows[kind.row]["media_sha256"] = digests[kind].hex
    if job.text_address is not None:
        rows[TaskRow.AUDIO] |= {"text_url": job.text_address.uri, "text_sha256": job.text_sha256}
    if job.is_direct:
        rows[TaskRow.AUDIO]["subtitles_url"] = job.destination.address(SRT).uri
    return rows
