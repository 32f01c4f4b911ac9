"""The domain: a job, the rows it is recorded in, and the S3 objects it produces. No parsing."""

from dataclasses import dataclass

from app.media import MEDIA, MediaKind, TaskRow

DIRECT_TASK_ID = "direct"
_PRIMARY_SUFFIX = {kind.row: kind.suffix for kind in MEDIA if kind.is_primary}


@dataclass(frozen=True, slots=True)
class S3Address:
    """Where an object lies."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """As rows and people write it."""
        return f"s3://{self.bucket}/{self.key}"

    @classmethod
    def parse(cls, uri: str) -> "S3Address":
        """Return the address that `uri` writes, such as one from a row of ours."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return cls(bucket, key)

    def with_suffix(self, old: str, new: str) -> "S3Address":
        """Return the address with `new` in place of the suffix `old`, appended where the key lacks `old`."""
        return S3Address(self.bucket, self.key.removesuffix(old) + new)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the objects of a job go: two addresses, and the others derived from them by suffix."""

    audio: S3Address
    subtitles: S3Address

    def address(self, kind: MediaKind) -> S3Address:
        """Return where the object of `kind` goes."""
        primary = self.audio if kind.row is TaskRow.AUDIO else self.subtitles
        if kind.is_primary:
            return primary
        return primary.with_suffix(_PRIMARY_SUFFIX[kind.row], kind.suffix)

    @property
    def addresses(self) -> dict[MediaKind, S3Address]:
        """Every object of the job, the audio first."""
        return {kind: self.address(kind) for kind in MEDIA}


@dataclass(frozen=True, slots=True)
class RowKey:
    """The key of one task row."""

    id: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """One story to narrate, every part of it validated."""

    text: str
    voice: str
    speed: float
    use_alignment: bool
    destination: Destination
    audio_row: RowKey
    """The row that is claimed; a direct job's own."""
    subtitles_row: RowKey | None
    """The producer's row of the subtitles; None for a direct job."""
    unknown_fields: tuple[str, ...] = ()

    @property
    def is_direct(self) -> bool:
        """Whether no producer made rows for it."""
        return self.subtitles_row is None

    @property
    def label(self) -> str:
        """What logs call the job: its story, never its text."""
        return f"{self.audio_row.id}/{self.audio_row.task_id}"
