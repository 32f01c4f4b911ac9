"""A worker's place on disk: locked while the worker lives, swept by the next one when it is not."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import ConfigurationError

_PREFIX = "worker-"
_FOREIGN_BITS = 0o022


class WorkFolder:
    """
    A folder of this process under a root that workers share.

    The kernel drops its lock (flock) when the process ends, however it ends: whoever starts next removes
    the folders whose lock is free, and nothing else. Raises ConfigurationError where the root cannot serve.
    """

    def __init__(self, root: Path) -> None:
        _prepare(root)
        _sweep(root)
        self.path, self._lock = _locked_folder(root)

    @contextmanager
    def job(self) -> Iterator[Path]:
        """Lend a new, empty folder, and remove it with all it holds."""
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder and let its lock go."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _prepare(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        raise ConfigurationError(f"work folder {root}: {error.strerror}") from error
    # In a place that all may write to, someone else may have been there first.
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"work folder {root}: it belongs to another user; name one of your own")
    if status.st_mode & _FOREIGN_BITS:
        raise ConfigurationError(f"work folder {root}: others may write to it; chmod go-w it")


def _sweep(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        lock = _try_lock(folder)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked_folder(root: Path) -> tuple[Path, int]:
    while True:
        try:
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        except OSError as error:
            raise ConfigurationError(f"work folder {root}: {error.strerror}") from error
        lock = _try_lock(folder)
        # Between its making and its locking, another worker's sweep may have taken it.
        if lock is not None and folder.is_dir():
            return folder, lock
        if lock is not None:
            os.close(lock)


def _try_lock(folder: Path) -> int | None:
    """Return a descriptor that holds the folder's lock, or None where another process does."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None
