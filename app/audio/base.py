"""The interface of an audio encoder, and how its file is completed or closed."""

from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

from app.audio.processing import Samples


class AudioEncoder(ABC):
    """Writes one file. As a context manager, completes it on success and closes it on an error."""

    @abstractmethod
    def write(self, samples: Samples) -> None:
        """Append mono samples within -1.0 and 1.0. Raises OSError if the disk is full."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file and close it. Raises OSError if the disk is full."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        # Keep the error that ended the block, even if the disk is too full to complete the file.
        with suppress(OSError):
            self.close()
