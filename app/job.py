"""The domain: a job, the rows it is recorded in, and the S3 objects it produces. No parsing."""

from dataclasses import dataclass

DIRECT_TASK_ID = "direct"


@dataclass(frozen=True, slots=True)
class S3Address:
    """Where an object lies."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """As rows and people write it."""
        return f"s3://{self.bucket}/{self.key}"

    def sibling(self, suffix: str) -> "S3Address":
        """Return the address of the same stem with another suffix; `.srt` is the one that is replaced."""
        return S3Address(self.bucket, self.key.removesuffix(".srt") + suffix)


@dataclass(frozen=True, slots=True)
class Destination:
    """The four objects of a job."""

    audio: S3Address
    srt: S3Address

    @property
    def vtt(self) -> S3Address:
        """WebVTT, beside the SRT."""
        return self.srt.sibling(".vtt")

    @property
    def words(self) -> S3Address:
        """Every word and its time, beside the SRT."""
        return self.srt.sibling(".words.json")

    @property
    def addresses(self) -> tuple[S3Address, S3Address, S3Address, S3Address]:
        """All four, the audio first."""
        return (self.audio, self.srt, self.vtt, self.words)


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
