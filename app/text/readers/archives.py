"""Reads parts of zip archives that come from outside: EPUB and Word documents."""

import io
import zipfile
import zlib
from types import TracebackType
from typing import Self

from app.errors import RefusedTextError

MAX_PART_BYTES = 32 * 1024 * 1024
"""Of one part, unpacked: twice the longest story."""
MAX_TOTAL_BYTES = 128 * 1024 * 1024
"""Of all parts that are read, unpacked. Others, such as pictures, are never unpacked."""


class Archive:
    """A zip archive in memory."""

    def __init__(self, data: bytes) -> None:
        """Raise RefusedTextError if `data` is no zip archive."""
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise RefusedTextError("a damaged zip archive") from error
        self._total = 0

    def read(self, name: str) -> bytes | None:
        """Return a part, None if there is none. Raises RefusedTextError if it is damaged or too large."""
        try:
            part = self._zip.getinfo(name)
        except KeyError:
            return None
        self._total += part.file_size
        if part.file_size > MAX_PART_BYTES or self._total > MAX_TOTAL_BYTES:
            raise RefusedTextError(f"its part {name!r} is too large: it unpacks to {part.file_size:,} bytes")
        if part.flag_bits & 1:
            raise RefusedTextError("an archive with a password")
        if part.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise RefusedTextError(f"its part {name!r} is compressed in an unusual way")
        try:
            # With a size, so that an archive that lies about it unpacks to no more: `read(name)` would.
            with self._zip.open(part) as file:
                return file.read(part.file_size)
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise RefusedTextError(f"its part {name!r} is damaged") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
