"""
A process's private folder for temporary files, locked while the process lives.

Every process makes its own folder below a root that processes share. The folder holds a marker file, and a
lock (flock) that the kernel releases however the process ends. A process that starts removes the folders of
processes that are gone: real folders (no links) of the same user, with the marker and a free lock.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import ConfigurationError

_PREFIX = "worker-"
_MARKER_NAME = ".story-tts-work-folder"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class WorkFolder:
    """
    A folder of this process below `root`, removed when the process closes it.

    Raises ConfigurationError if `root` is a link, is not a folder, cannot be written to, belongs to another
    user or can be written to by others.
    """

    def __init__(self, root: Path) -> None:
        prepare_root(root)
        _remove_abandoned_folders(root)
        self.path, self._lock = _create_locked_folder(root)

    @contextmanager
    def job(self) -> Iterator[Path]:
        """Yield a new, empty folder, and remove it with its contents afterwards."""
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.path))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder and release its lock. Closing it again does nothing."""
        if self._lock >= 0:
            _remove(self.path)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def prepare_root(root: Path) -> None:
    """
    Make `root` if it is missing, and check that nobody else can change what is in it.

    Raises ConfigurationError as WorkFolder does.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.lstat()
    except OSError as error:
        raise ConfigurationError(f"work folder {root}: {error.strerror}") from error
    # In a folder that everyone may write to, such as /tmp, another user could have created it first.
    if stat.S_ISLNK(status.st_mode):
        raise ConfigurationError(f"work folder {root}: is a link; set WORK_DIR to the folder itself")
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"work folder {root}: belongs to another user; set WORK_DIR to your own")
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise ConfigurationError(f"work folder {root}: others may write to it; run chmod go-w {root}")


def _remove_abandoned_folders(root: Path) -> None:
    for folder in root.glob(f"{_PREFIX}*"):
        if not _is_work_folder(folder):
            continue
        lock = _try_lock(folder)
        if lock is not None:
            _remove(folder)
            os.close(lock)


def _is_work_folder(folder: Path) -> bool:
    """Return whether a process of this user made `folder`: its name alone does not prove that."""
    try:
        status, marker = folder.lstat(), (folder / _MARKER_NAME).lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and stat.S_ISREG(marker.st_mode)
        and status.st_uid == marker.st_uid == os.geteuid()
    )


def _remove(folder: Path) -> None:
    """Remove `folder`, its marker last, so that another process can finish an interrupted removal."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name == _MARKER_NAME:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _create_locked_folder(root: Path) -> tuple[Path, int]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = _try_lock(folder)
        # The marker comes after the lock: a folder with a marker and a free lock is always abandoned.
        (folder / _MARKER_NAME).touch(mode=0o600)
    except OSError as error:
        raise ConfigurationError(f"work folder {root}: {error.strerror}") from error
    if lock is None:
        raise ConfigurationError(f"work folder {root}: its file system does not support locks (flock)")
    return folder, lock


def _try_lock(folder: Path) -> int | None:
    """Return a file descriptor that holds the folder's lock, or None if another process holds it."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None
