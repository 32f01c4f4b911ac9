"""Reads the text of a job that refers to it: one version, the same in every attempt."""

import hashlib
from dataclasses import replace

from app.aws.claims import Claim
from app.aws.objects import ObjectVersion, UnreadableObjectError
from app.errors import RefusedTextError, TextChangedError, TextMissingError
from app.job import MAX_TEXT_BYTES, Job, S3Address
from app.worker.seams import MediaStore, TaskTable


class TextReader:
    """
    Fetches the texts of claimed jobs.

    The first attempt pins the version and entity tag of the object in the audio row; later attempts read that
    version, or fail if it is gone: a job never mixes two texts.
    """

    def __init__(self, *, tasks: TaskTable, media: MediaStore) -> None:
        self._tasks = tasks
        self._media = media

    def with_text(self, job: Job, claim: Claim) -> Job:
        """
        Return the job with its text; jobs that bring their text are returned as they are.

        Raises TextMissingError (to be retried), TextChangedError, RefusedTextError, LeaseLostError,
        JobCancelledError, InfrastructureError.
        """
        if job.text_address is None:
            return job
        pin = self._pinned(job.text_address, claim)
        if pin.size > MAX_TEXT_BYTES:
            raise RefusedTextError(f"text_url: larger than {MAX_TEXT_BYTES:,} bytes")
        try:
            content = self._media.read_version(job.text_address, pin)
        except UnreadableObjectError as error:
            # The fault of the job or its bucket, not of this worker: it must not stay unhealthy over it.
            raise TextMissingError(f"text_url: cannot be read ({error.message})") from error
        if content is None:
            raise TextChangedError(f"text_url: {job.text_address.uri} changed after the first claim")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise RefusedTextError(f"text_url: not UTF-8 (byte {error.start + 1})") from error
        if not text.strip():
            raise RefusedTextError("text_url: holds no character other than white space")
        return replace(job, text=text, text_sha256=hashlib.sha256(content).hexdigest())

    def _pinned(self, address: S3Address, claim: Claim) -> ObjectVersion:
        # What is pinned counts, even if the object is gone: a bucket with versions still has the text.
        pin = self._tasks.pin_text(claim, address, self._media.version(address))
        if pin is None:
            raise TextMissingError(f"text_url: {address.uri} does not exist (yet)")
        return pin
