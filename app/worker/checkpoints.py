"""
The segments of jobs in the output bucket: the next attempt, on any machine, goes on where this one ended.

They lie below `segments/`, in a folder for each job. An attempt downloads what is there, uploads each segment
as it is finished, and deletes the folder once the job has ended. Errors of the store never fail a job: they
cost the next attempt time.
"""

import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from app.aws.objects import Digest, ObjectChangedError
from app.errors import InfrastructureError, NarrationCancelledError, disk_error
from app.job import RowKey, S3Address, segments_folder
from app.narration.base import Cancellation
from app.segments.folder import SEGMENT_NAME, is_intact
from app.shutdown import Shutdown
from app.worker.retry import retry_call
from app.worker.seams import JobLease, SegmentObjects

CONTENT_TYPE = "application/octet-stream"
STORE_SECS = 30.0
"""How long to retry while S3 is unavailable, before the job goes on without it."""
FLUSH_SECS = 3.0
"""How long an attempt that is given back waits for its last uploads."""

log = structlog.get_logger()


class Checkpoints:
    """The segments of all jobs of this service."""

    def __init__(self, *, objects: SegmentObjects, bucket: str, shutdown: Shutdown) -> None:
        self._objects = objects
        self._bucket = bucket
        self._shutdown = shutdown

    def folder(self, row: RowKey) -> S3Address:
        """Return where the segments of the job with this audio row lie."""
        return segments_folder(self._bucket, row)

    def restore(self, row: RowKey, folder: Path, *, lease: JobLease, stop: Cancellation) -> int:
        """
        Download the segments of earlier attempts into `folder`, and return how many there are.

        A damaged one is deleted. Raises NarrationCancelledError, LeaseLostError and DiskFullError.
        """
        remote = self.folder(row)
        count = 0
        try:
            names = retry_call(
                lambda: self._objects.names(remote),
                secs=STORE_SECS,
                shutdown=self._shutdown,
                check=lease.check,
            )
            for name in filter(SEGMENT_NAME.fullmatch, names):
                if stop.is_set():
                    raise NarrationCancelledError("the narration was cancelled")
                count += self._restore(address_of(remote, name), folder / name, lease)
        except InfrastructureError as error:
            log.warning("segments not restored", reason=error.message)
        except OSError as error:
            raise disk_error(error, folder) from error
        return count

    def _restore(self, address: S3Address, path: Path, lease: JobLease) -> bool:
        retry_call(
            lambda: self._objects.download(address, path),
            secs=STORE_SECS,
            shutdown=self._shutdown,
            check=lease.check,
        )
        if is_intact(path):
            return True
        log.warning("damaged segment deleted", uri=address.uri)
        path.unlink()
        self._objects.delete(address)
        return False

    def uploads(self, row: RowKey, folder: Path, lease: JobLease) -> "SegmentUploads":
        """Return the uploads of one attempt, of segments that lie in `folder`."""
        return SegmentUploads(
            objects=self._objects,
            remote=self.folder(row),
            folder=folder,
            lease=lease,
            shutdown=self._shutdown,
        )

    def discard(self, row: RowKey) -> None:
        """Delete the segments of a job that has ended."""
        remote = self.folder(row)

        def delete_all() -> None:
            for name in self._objects.names(remote):
                self._objects.delete(address_of(remote, name))

        try:
            retry_call(delete_all, secs=STORE_SECS, shutdown=self._shutdown)
        except InfrastructureError as error:
            # The bucket's lifecycle rule removes them.
            log.warning("segments not deleted", reason=error.message)


class SegmentUploads:
    """
    Uploads segments in a thread, while the attempt's lease holds.

    An upload that ends after the lease or the block deletes its object again: the job may have ended, and
    nobody else would.
    """

    def __init__(
        self, *, objects: SegmentObjects, remote: S3Address, folder: Path, lease: JobLease, shutdown: Shutdown
    ) -> None:
        self._objects = objects
        self._shutdown = shutdown
        self._remote = remote
        self._folder = folder
        self._lease = lease
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="segment-uploads", daemon=True)

    def add(self, name: str) -> None:
        """Upload the segment with this file name soon."""
        self._names.put(name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is being uploaded; after a success drop the rest, which nobody needs any more."""
        if error is None:
            self._closed.set()
        self._names.put(None)
        self._thread.join(FLUSH_SECS)
        self._closed.set()

    def _run(self) -> None:
        waiting: list[str] = []
        while (name := self._names.get()) is not None:
            # What was not stored is tried again with the next one.
            waiting = [each for each in [*waiting, name] if not self._upload(each)]

    def _is_over(self) -> bool:
        return self._closed.is_set() or self._lease.is_lost

    def _upload(self, name: str) -> bool:
        """Upload one segment; return whether there is nothing left to do for it."""
        path, address = self._folder / name, address_of(self._remote, name)
        if self._is_over():
            return True
        try:
            self._objects.put(
                path, address, content_type=CONTENT_TYPE, digest=Digest.of(path), replacing=None
            )
        except ObjectChangedError:
            # Stored already, by this or another attempt.
            path.unlink(missing_ok=True)
            return True
        except InfrastructureError as error:
            log.warning("segment not stored", reason=error.message)
            if self._is_over():
                # Only the reply may be lost.
                self._take_back(address)
            return False
        except OSError:
            # The attempt has ended, and its folder is gone.
            return True
        if self._is_over():
            self._take_back(address)
        else:
            self._lease.has_advanced = True
            path.unlink(missing_ok=True)
        return True

    def _take_back(self, address: S3Address) -> None:
        try:
            retry_call(lambda: self._objects.delete(address), secs=STORE_SECS, shutdown=self._shutdown)
        except InfrastructureError as error:
            log.warning("segment not deleted", reason=error.message)


def address_of(folder: S3Address, name: str) -> S3Address:
    """Return the address of `name` in a folder."""
    return S3Address(folder.bucket, folder.key + name)
