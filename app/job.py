"""The domain: a job, its task rows, and the S3 objects it produces. No parsing."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from app.media import AUDIO, PRIMARY_ATTRIBUTE, SRT, SUBTITLE_MEDIA, MediaKind, TaskRow

DIRECT_TASK_ID = "direct"
SEGMENTS_PREFIX = "segments/"
"""
Keys of the output bucket that hold the segments of unfinished jobs. The worker and a lifecycle rule delete
them, so no media may lie there.
"""
MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Of a text that a job refers to."""


def timestamp() -> str:
    """Return the current time as rows and events hold it: ISO 8601, UTC, milliseconds, Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
    """The audio in its first format."""
    subtitles: S3Address
    """The subtitles as SubRip."""
    formats: tuple[MediaKind, ...] = (AUDIO,)
    """The formats of the audio, at least one."""

    def address(self, kind: MediaKind) -> S3Address:
        """Return the address of the object of `kind`."""
        primary, address = self._primary(kind.row)
        return address if kind is primary else address.with_suffix(primary.suffix, kind.suffix)

    def attribute(self, kind: MediaKind) -> str:
        """Return the row attribute with the address: `media_url`, else one named after the kind."""
        if self.is_primary(kind):
            return PRIMARY_ATTRIBUTE
        return f"{kind.format_name}_url" if kind.row is TaskRow.AUDIO else kind.attribute

    def is_primary(self, kind: MediaKind) -> bool:
        """Whether `kind` is the main object of its row."""
        return kind is self._primary(kind.row)[0]

    def _primary(self, row: TaskRow) -> tuple[MediaKind, S3Address]:
        return (self.formats[0], self.audio) if row is TaskRow.AUDIO else (SRT, self.subtitles)

    @property
    def addresses(self) -> dict[MediaKind, S3Address]:
        """The addresses of all objects of the job, the audio first."""
        return {kind: self.address(kind) for kind in (*self.formats, *SUBTITLE_MEDIA)}


@dataclass(frozen=True, slots=True)
class RowKey:
    """The primary key of a task row."""

    id: str
    task_id: str


def segments_folder(bucket: str, audio_row: RowKey) -> S3Address:
    """Return where the segments of the job with this audio row lie, a key that ends with a slash."""
    name = hashlib.sha256(f"{audio_row.id}\n{audio_row.task_id}".encode()).hexdigest()[:32]
    return S3Address(bucket, f"{SEGMENTS_PREFIX}{name}/")


@dataclass(frozen=True, slots=True)
class Job:
    """One story to narrate; all fields are validated."""

    text: str
    """Empty until it is read, if the job refers to it."""
    voice: str
    speed: float
    use_alignment: bool
    destination: Destination
    audio_row: RowKey
    """The row that is claimed; a direct job creates its own."""
    subtitles_row: RowKey | None
    """The producer's subtitles row; None for a direct job."""
    pronunciations: tuple[tuple[str, str], ...] = ()
    """(word or phrase, pronunciation): how the job wants words to be said."""
    unknown_fields: tuple[str, ...] = ()
    text_address: S3Address | None = None
    """Where the text is, if the message does not bring it."""
    text_sha256: str = ""
    """Of the object that the text was read from."""

    @property
    def is_direct(self) -> bool:
        """Whether the job is in direct form, without rows of a producer."""
        return self.subtitles_row is None

    @property
    def request_sha256(self) -> str:
        """A digest over everything that decides what the job produces, and where."""
        outputs = [(kind.name, address.uri) for kind, address in self.destination.addresses.items()]
        source = {"url": self.text_address.uri} if self.text_address else self.text
        request = [source, self.voice, self.speed, self.use_alignment, outputs]
        if self.pronunciations:  # not an empty list: rows of older jobs have digests without it
            request.append(sorted(self.pronunciations))
        return hashlib.sha256(json.dumps(request).encode()).hexdigest()

    @property
    def label(self) -> str:
        """The job's name in logs."""
        return f"{self.audio_row.id}/{self.audio_row.task_id}"
