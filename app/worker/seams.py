"""The interfaces that the worker depends on: queue, task table, media store, speech process, lease."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from app.aws.claims import Answer, Claim
from app.aws.objects import Digest, ObjectVersion
from app.aws.queue import Depth, Message
from app.errors import StoryTtsError
from app.events import JobEvent
from app.job import Job, RowKey, S3Address
from app.narration.base import Cancellation, Narration, OnProgress, Request
from app.speech_process.client import ProcessState


class JobQueue(Protocol):
    """The queue of jobs. Methods raise InfrastructureError if it is unavailable."""

    def receive(self, *, wait_secs: int, visibility_secs: float) -> Message | None:
        """Return the next message, hidden from others for `visibility_secs`, or None after `wait_secs`."""

    def give_back(self, message: Message, *, delay_secs: float = 0) -> None:
        """Return `message` to the queue, visible after `delay_secs`."""

    def delete(self, message: Message) -> None:
        """Delete `message`."""

    def depth(self) -> Depth:
        """Return how many messages the queue holds."""


class DeadLetterQueue(Protocol):
    """The queue for jobs that cannot succeed."""

    def send(
        self, body: str, *, attributes: Mapping[str, str] | None = None, group: str | None = None
    ) -> None:
        """Send a dead letter with string attributes, in the message group of its job."""


class TaskTable(Protocol):
    """The task rows. Methods raise InfrastructureError if the table is unavailable."""

    def claim(self, job: Job, *, lease_secs: float, message_id: str) -> Answer:
        """Claim the job if it is free. Raises TaskRowMissingError, TaskRowError."""

    def release(self, claim: Claim, *, cause: str | None = None) -> None:
        """End the lease now; `cause` is the error code of an attempt that counts."""

    def cancel(self, claim: Claim) -> None:
        """Mark both rows CANCELLED after the producer has cancelled one."""

    def pin_text(self, claim: Claim, address: S3Address, found: ObjectVersion | None) -> ObjectVersion | None:
        """Store `found` as the version of that text unless one is stored; return what is stored."""

    def commit(self, claim: Claim, *, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        """Mark both rows COMPLETED, or neither. Raises LeaseLostError, JobCancelledError."""

    def is_committed(self, claim: Claim) -> bool:
        """Return whether this claim completed the job that the row shows."""

    def fail(
        self,
        claim: Claim,
        *,
        code: str,
        message: str,
        message_stays: bool = False,
        event: JobEvent | None = None,
    ) -> None:
        """Mark both rows FAILED, for good if the message stays. Raises LeaseLostError, JobCancelledError."""

    def refuse(
        self, rows: Iterable[RowKey], *, code: str, message: str, event: JobEvent | None = None
    ) -> JobEvent | None:
        """
        Mark rows FAILED that were never claimed, unless a worker holds or ended them.

        Returns the event that is to be published: `event`, or that of an earlier ending, which comes first.
        """

    def clear_event(self, audio: RowKey, event: JobEvent) -> None:
        """Forget an event that is published."""


class EventTarget(Protocol):
    """Where events are published."""

    def publish(self, event: JobEvent) -> None:
        """Publish the event. Raises EventsRefusedError, and InfrastructureError if the target is down."""


class MediaStore(Protocol):
    """The objects of a job. Methods raise InfrastructureError if the store is unavailable."""

    def etag(self, address: S3Address) -> str | None:
        """Return the entity tag of the object, None if it does not exist."""

    def put(
        self, path: Path, address: S3Address, *, content_type: str, digest: Digest, replacing: str | None
    ) -> str:
        """
        Upload the file if the object's entity tag is still `replacing`; return its new entity tag.

        Raises ObjectChangedError.
        """

    def version(self, address: S3Address) -> ObjectVersion | None:
        """Return the current version of the object, None if it does not exist."""

    def read_version(self, address: S3Address, version: ObjectVersion) -> bytes | None:
        """Return that version's content, None if it is gone or replaced. Raises UnreadableObjectError."""


class SegmentObjects(Protocol):
    """The stored segments of jobs. Methods raise InfrastructureError if the store is unavailable."""

    def names(self, folder: S3Address) -> list[str]:
        """Return the names of the objects below `folder`, a key that ends with a slash."""

    def download(self, address: S3Address, path: Path) -> int:
        """Download the object to `path` and return its size in bytes."""

    def put(
        self, path: Path, address: S3Address, *, content_type: str, digest: Digest, replacing: str | None
    ) -> str:
        """Upload the file; `replacing` None means as a new object. Raises ObjectChangedError."""

    def delete(self, address: S3Address) -> None:
        """Delete the object; do nothing if there is none."""


class Speech(Protocol):
    """The speech process."""

    @property
    def state(self) -> ProcessState:
        """Its current state."""

    @property
    def fault(self) -> StoryTtsError | None:
        """The error that it reported when it failed to start."""

    def start(self) -> None:
        """Start it unless it runs; do not wait until it is ready."""

    def narrate(self, request: Request, *, on_progress: OnProgress, cancel: Cancellation) -> Narration:
        """Narrate one story. Raises EngineDiedError, NarrationCancelledError and what the narrator raises."""


class JobLease(Protocol):
    """The lease of one job, renewed while its `with` block runs."""

    progress: float
    """The progress of the job, 0 to 1."""
    has_advanced: bool
    """Whether a segment was stored under this lease."""

    def __enter__(self) -> Self:
        """Start renewing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""

    def stop(self) -> None:
        """Stop renewing; when it returns, no renewal is in progress."""

    @property
    def is_lost(self) -> bool:
        """Whether the lease is lost, by a refused renewal or by the clock."""

    @property
    def secs_left(self) -> float:
        """Seconds until the lease expires without renewal."""

    def check(self) -> None:
        """Raise LeaseLostError or JobCancelledError if the lease is known to be lost; calls no service."""

    def confirm(self) -> None:
        """Renew the lease now. Raises LeaseLostError, JobCancelledError, InfrastructureError."""


class LeaseFactory(Protocol):
    """Creates the lease of a claimed message."""

    def __call__(self, message: Message, claim: Claim, claimed_at: float) -> JobLease:
        """Return the lease; `claimed_at` is the monotonic time before the claim."""
