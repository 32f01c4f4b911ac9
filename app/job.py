"""The domain: a job, its task rows, and the S3 objects it produces. No parsing."""

import hashlib
import json
from dataclasses import dataclass

from app.media import MEDIA, MediaKind, TaskRow

DIRECT_TASK_ID = "direct"
_PRIMARY_SUFFIX = {kind.row: kind.suffix for kind in MEDIA if kind.is_primary}


@dataclass(frozen=True, slots=True)
class S3Address:
    """The address of an S3 object."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The address as an s3:// URI."""
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> "S3Address":
        """Return the address in `uri`, which must be valid, such as one that this program stored in a row."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    def with_suffix(self, old: str, new: str) -> "S3Address":
        """Return the address with the suffix `old` replaced by `new`, or with `new` appended."""
        return S3Address(self.bucket, self.key.removesuffix(old) + new)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a job's objects are stored: two addresses; the others are derived from them by suffix."""

    audio: S3Address
    subtitles: S3Address

    def address(self, kind: MediaKind) -> S3Address:
        """Return the address of the object of `kind`."""
        primary = self.audio if kind.row is TaskRow.AUDIO else self.subtitles
        if kind.is_primary:
            return primary
        return primary.with_suffix(_PRIMARY_SUFFIX[kind.row], kind.suffix)

    @property
    def addresses(self) -> dict[MediaKind, S3Address]:
        """The addresses of all objects of the job, the audio first."""
        return {kind: self.address(kind) for kind in MEDIA}


@dataclass(frozen=True, slots=True)
class RowKey:
    """The primary key of a task row."""

    id: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """One story to narrate; all fields are validated."""

    text: str
    voice: str
    speed: float
    use_alignment: bool
    destination: Destination
    audio_row: RowKey
    """The row that is claimed; a direct job creates its own."""
    subtitles_row: RowKey | None
    """The producer's subtitles row; None for a direct job."""
    unknown_fields: tuple[str, ...] = ()

    @property
    def is_direct(self) -> bool:
        """Whether the job is in direct form, without rows of a producer."""
        return self.subtitles_row is None

    @property
    def request_sha256(self) -> str:
        """A digest over everything that decides what the job produces, and where."""
        outputs = [address.uri for address in self.destination.addresses.values()]
        request = [self.text, self.voice, self.speed, self.use_alignment, outputs]
        return hashlib.sha256(json.dumps(request).encode()).hexdigest()

    @property
    def label(self) -> str:
        """The job's name in logs."""
        return f"{self.audio_row.id}/{self.audio_row.task_id}"
