"""What the worker needs of its surroundings: queue, task table, media store, speech, lease, protection."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from app.aws.objects import Digest
from app.aws.queue import Depth, Message
from app.aws.tasks import Claim, Ended, Held
from app.errors import StoryTtsError
from app.job import Job, RowKey, S3Address
from app.narration.base import Cancellation, Narration, OnProgress, Request
from app.speech_process.client import ProcessState


class JobQueue(Protocol):
    """The queue of jobs. Calls raise InfrastructureError where it cannot be reached."""

    def receive(self, *, wait_secs: int, visibility_secs: float) -> Message | None:
        """Return the next message, hidden from others for `visibility_secs`, or None after `wait_secs`."""

    def give_back(self, message: Message, *, delay_secs: float = 0) -> None:
        """Show `message` to other workers after `delay_secs`."""

    def delete(self, message: Message) -> None:
        """Remove `message` for good."""

    def depth(self) -> Depth:
        """Return how many messages the queue holds."""


class DeadLetterQueue(Protocol):
    """Where jobs go that cannot succeed."""

    def send(self, body: str, *, attributes: Mapping[str, str] | None = None) -> None:
        """Add a letter."""


class TaskTable(Protocol):
    """The task rows. Calls raise InfrastructureError where the table cannot be reached."""

    def claim(self, job: Job, *, lease_secs: float) -> Claim | Held | Ended:
        """Take the job where it is free. Raises TaskRowMissingError, TaskRowError."""

    def release(self, claim: Claim) -> None:
        """End the lease now."""

    def commit(self, claim: Claim, *, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        """Complete both rows or neither. Raises LeaseLostError."""

    def fail(self, claim: Claim, *, code: str, message: str) -> None:
        """Mark both rows FAILED. Raises LeaseLostError."""

    def refuse(self, rows: Iterable[RowKey], *, code: str, message: str) -> None:
        """Mark rows FAILED that were never claimed, where nobody holds or ended them."""


class MediaStore(Protocol):
    """The objects of a job. Calls raise InfrastructureError where the store cannot be reached."""

    def etag(self, address: S3Address) -> str | None:
        """Return the entity tag of the object, None where there is none."""

    def put(
        self, path: Path, address: S3Address, *, content_type: str, digest: Digest, replacing: str | None
    ) -> None:
        """Write the file if `replacing` still holds. Raises ObjectChangedError where it does not."""


class Speech(Protocol):
    """The speech process."""

    @property
    def state(self) -> ProcessState:
        """What it is doing now."""

    @property
    def fault(self) -> StoryTtsError | None:
        """What kept it from starting, as it reported itself."""

    def start(self) -> None:
        """Start it where it does not run; return at once."""

    def narrate(self, request: Request, *, on_progress: OnProgress, cancel: Cancellation) -> Narration:
        """Narrate one story. Raises EngineDiedError, NarrationCancelledError and what the narrator raises."""


class JobLease(Protocol):
    """The hold on one job, renewed while its `with` block runs."""

    progress: float
    """Share of the job that is done, 0 to 1."""

    def __enter__(self) -> Self:
        """Start renewing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop renewing."""

    def stop(self) -> None:
        """Stop renewing; after it returns no renewal is under way."""

    @property
    def is_lost(self) -> bool:
        """Whether the job belongs to another worker, known by an answer or by the clock."""

    @property
    def secs_left(self) -> float:
        """How long the lease lasts without renewal."""

    def check(self) -> None:
        """Raise LeaseLostError unless the lease holds, as far as is known here."""

    def confirm(self) -> None:
        """Ask the row, and renew the lease. Raises LeaseLostError, InfrastructureError."""


class LeaseFactory(Protocol):
    """Makes the lease of a claimed message."""

    def __call__(self, message: Message, claim: Claim, claimed_at: float) -> JobLease:
        """Return the lease; `claimed_at` is the monotonic time before the claim."""
