"""
Segments as files of one folder. A segment appears in the folder complete, or not at all.

A file, KEY.segment, has five parts: a magic number; the samples (mono, 16-bit, little endian); the record as
JSON; its length in 8 bytes, little endian; and the SHA-256 of everything before, in 32 bytes. The samples
come first, because they are written while they are synthesized. The key is part of the record, so that a
renamed file is not taken for another segment.
"""

import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from app.segments.base import ChunkRecord, SegmentRecord

SUFFIX = ".segment"
SEGMENT_NAME = re.compile(r"[0-9a-f]{64}\.segment")
_PART = ".part"
_MAGIC = b"STTSSEG1"
_LENGTH_BYTES, _DIGEST_BYTES = 8, hashlib.sha256().digest_size
_TRAILER_BYTES = _LENGTH_BYTES + _DIGEST_BYTES
_BLOCK_BYTES = 1 << 17
_SAMPLE_BYTES = 2
_MAX_RECORD_BYTES = 16 << 20


def file_name(key: str) -> str:
    """Return the name of the file that holds the segment with `key`."""
    return f"{key}{SUFFIX}"


def is_intact(path: Path) -> bool:
    """Return whether `path` is a complete, undamaged segment with the key in its name."""
    return _read(path) is not None


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """A verified segment file."""

    path: Path
    record: SegmentRecord

    def pcm(self) -> Iterator[bytes]:
        """Yield the samples in blocks."""
        left = self.record.samples * _SAMPLE_BYTES
        with self.path.open("rb") as file:
            file.seek(len(_MAGIC))
            while left:
                block = file.read(min(left, _BLOCK_BYTES))
                if not block:
                    raise OSError(f"{self.path} was cut short while it was read")
                left -= len(block)
                yield block


class FolderSegments:
    """The segments in `folder`, an existing folder of this user."""

    def __init__(self, folder: Path, *, reads: bool = True) -> None:
        """`reads` False ignores the segments that are there, and replaces them."""
        self._folder = folder
        self._reads = reads
        self._own: set[str] = set()

    def find(self, key: str) -> SegmentFile | None:
        """
        Return the segment, or None if it is missing or damaged. A damaged file is removed.

        Those created by this object are not found: whoever uploads them may have moved them away.
        """
        if not self._reads or key in self._own:
            return None
        path = self._folder / file_name(key)
        record = _read(path)
        with suppress(OSError):
            if record is None:
                path.unlink()
            else:
                # What was used last is removed last.
                os.utime(path)
        return None if record is None else SegmentFile(path, record)

    def create(self, key: str) -> "SegmentFileWriter":
        """Return a writer for a new segment."""
        self._own.add(key)
        return SegmentFileWriter(self._folder, key)

    def sweep(self, *, max_bytes: int, max_age_secs: float) -> None:
        """Remove files older than `max_age_secs`, then the oldest until `max_bytes` or less are left."""
        limit = time.time() - max_age_secs
        total = 0
        for path, status in sorted(self._files(), key=lambda file: -file[1].st_mtime):
            total += status.st_size
            if status.st_mtime < limit or total > max_bytes:
                with suppress(OSError):
                    path.unlink()

    def remove_unfinished(self, *, parent: int) -> None:
        """Remove what children of the process `parent` were writing when they were killed."""
        for path in self._folder.glob(f"*-{parent}-*{_PART}"):
            with suppress(OSError):
                path.unlink()

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.iterdir():
            if path.name.endswith((SUFFIX, _PART)):
                with suppress(OSError):
                    yield path, path.lstat()


class SegmentFileWriter:
    """Writes one segment to a temporary file, and renames it when it is finished."""

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / file_name(key)
        self._key = key
        self._digest = hashlib.sha256()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._file = tempfile.NamedTemporaryFile(
            dir=self._path.parent, prefix=f"{self._key[:16]}-{os.getppid()}-", suffix=_PART, delete=False
        )
        self._append(_MAGIC)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
        with suppress(FileNotFoundError):
            Path(self._file.name).unlink()

    def write(self, pcm: bytes) -> None:
        """Append samples."""
        self._append(pcm)

    def finish(self, record: SegmentRecord) -> str:
        """Complete the file and give it its name; return the name."""
        if self._file is None:
            raise ValueError("the segment is not open")
        document = json.dumps({"key": self._key, **asdict(record)}, separators=(",", ":")).encode()
        self._append(document)
        self._append(len(document).to_bytes(_LENGTH_BYTES, "little"))
        self._file.write(self._digest.digest())
        self._file.close()
        Path(self._file.name).replace(self._path)
        return self._path.name

    def _append(self, data: bytes) -> None:
        if self._file is None:
            raise ValueError("the segment is not open")
        self._file.write(data)
        self._digest.update(data)


def _read(path: Path) -> SegmentRecord | None:
    """Return the record of the segment file, or None if the file is missing, damaged or foreign."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not _is_undamaged(file, size):
                return None
            file.seek(size - _TRAILER_BYTES)
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            samples_bytes = size - _TRAILER_BYTES - length - len(_MAGIC)
            if length > _MAX_RECORD_BYTES or samples_bytes < 0:
                return None
            file.seek(len(_MAGIC) + samples_bytes)
            document = json.loads(file.read(length))
            return _record(document, key=path.name.removesuffix(SUFFIX), samples_bytes=samples_bytes)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_undamaged(file: IO[bytes], size: int) -> bool:
    """Return whether the file begins with the magic number and ends with the digest of what precedes."""
    if size < len(_MAGIC) + _TRAILER_BYTES or file.read(len(_MAGIC)) != _MAGIC:
        return False
    digest = hashlib.sha256(_MAGIC)
    left = size - len(_MAGIC) - _DIGEST_BYTES
    while left:
        block = file.read(min(left, _BLOCK_BYTES))
        if not block:
            return False
        digest.update(block)
        left -= len(block)
    return file.read() == digest.digest()


def _record(document: dict[str, Any], *, key: str, samples_bytes: int) -> SegmentRecord | None:
    samples = int(document["samples"])
    if document.pop("key") != key or samples * _SAMPLE_BYTES != samples_bytes:
        return None
    chunks = tuple(
        ChunkRecord(
            start=int(chunk["start"]),
            times=tuple((float(start), float(end)) for start, end in chunk["times"]),
            method=str(chunk["method"]),
            interpolated=int(chunk["interpolated"]),
        )
        for chunk in document["chunks"]
    )
    return SegmentRecord(
        sample_rate=int(document["sample_rate"]),
        samples=samples,
        opens_with_pause=bool(document["opens_with_pause"]),
        closing_pause_secs=float(document["closing_pause_secs"]),
        chunks=chunks,
    )
