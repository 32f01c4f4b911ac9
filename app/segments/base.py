"""What a segment holds, and the interface of a store of segments."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """The timing of one chunk of a segment."""

    start: int
    """The chunk's first sample, counted from the first of the segment."""
    times: tuple[tuple[float, float], ...]
    """Start and end of each word in seconds, from the start of the chunk."""
    method: str
    """How the words were timed: an aligner's name, "engine" or "proportional"; empty for a silent chunk."""
    interpolated: int
    """Words without a time of their own, interpolated between their neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """Everything about a segment besides its samples."""

    sample_rate: int
    samples: int
    opens_with_pause: bool
    """Whether the pause that the segment before asks for precedes this one."""
    closing_pause_secs: float
    """The pause that this segment asks for before the next one."""
    chunks: tuple[ChunkRecord, ...]


class StoredSegment(Protocol):
    """A segment that was read from a store and verified."""

    @property
    def record(self) -> SegmentRecord:
        """What is known of the segment besides its samples."""

    def pcm(self) -> Iterator[bytes]:
        """Yield the samples in blocks: mono, 16-bit, little endian."""


class SegmentWriter(Protocol):
    """Stores one segment. As a context manager, drops it unless `finish` was called."""

    def __enter__(self) -> Self:
        """Start writing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the segment unless it is finished."""

    def write(self, pcm: bytes) -> None:
        """Append samples: mono, 16-bit, little endian. Raises OSError if the disk is full."""

    def finish(self, record: SegmentRecord) -> str:
        """Store the segment; return its file name, empty if nothing is kept. Raises OSError."""


class SegmentStore(Protocol):
    """Keeps segments by key. A key is a digest over everything that decides a segment's samples and times."""

    def find(self, key: str) -> StoredSegment | None:
        """Return the segment, or None if it is missing, damaged or stored under a foreign key."""

    def create(self, key: str) -> SegmentWriter:
        """Return a writer for a new segment."""


class NoSegments:
    """Keeps nothing: every narration starts afresh, and an interrupted one is lost."""

    def find(self, key: str) -> StoredSegment | None:  # noqa: ARG002 - the interface's argument
        """Return None."""
        return None

    def create(self, key: str) -> SegmentWriter:  # noqa: ARG002 - the interface's argument
        """Return a writer that drops what it is given."""
        return _NoWriter()


class _NoWriter:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def write(self, pcm: bytes) -> None:
        pass

    def finish(self, record: SegmentRecord) -> str:  # noqa: ARG002 - the interface's argument
        return ""
