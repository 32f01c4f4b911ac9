"""The producer's side: creates task rows, sends jobs, and reads the status of jobs."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import uuid4

from app.aws.rows import CANCELLED, COMPLETED, FAILED, Row
from app.aws.tasks import Tasks
from app.errors import InfrastructureError, InvalidMessageError, StoryTtsError, TaskRowError
from app.job import MAX_TEXT_BYTES, RowKey, S3Address
from app.media import TaskRow

SOURCE_PROMPT_CHARACTERS = 200
MAX_INLINE_BYTES = 200_000
"""Of a text and pronunciations in a message: below the 256 KiB of queues and topics with their old limit."""
TEXT_TYPE = "text/plain; charset=utf-8"
NOT_SENT = "NOT_SENT"
"""The error code of rows whose job was not sent."""
_GROUP = re.compile(r"[!-~]{1,128}")
"""SQS's alphabet of message group ids."""
_REFUSED = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What SQS refuses of a JSON body, which spells control characters: all that is no character of XML 1.0."""


class Channel(Protocol):
    """Where jobs are sent: the topic or the queue."""

    def check(self, body: str) -> None:
        """Raise InvalidMessageError where `body` cannot be sent."""

    def send(self, body: str, *, group: str | None = None) -> None:
        """Send one job; jobs of different groups are delivered fairly."""


class TextStore(Protocol):
    """Where long texts are stored."""

    def create(self, address: S3Address, content: bytes, *, content_type: str) -> None:
        """Store `content` as a new object."""


class JobState(StrEnum):
    """The state of a submitted story."""

    WAITING = "waiting"
    NARRATING = "narrating"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Submission:
    """A story that was submitted."""

    name: str
    audio: RowKey
    subtitles: RowKey


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job that was checked and can be sent."""

    submission: Submission
    body: str
    source_prompt: str
    group: str | None = None
    """The message group: whom the job is for."""
    text: bytes = b""
    """Stored at `text_address` before the job is sent, if the body refers to it."""
    text_address: S3Address | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The status of a submitted story, from its rows."""

    submission: Submission
    state: JobState
    progress: float
    """0 to 1."""
    audio: Row
    subtitles: Row

    def row(self, row: TaskRow) -> Row:
        """Return one of the two task rows."""
        return self.audio if row is TaskRow.AUDIO else self.subtitles

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self.state in {JobState.COMPLETED, JobState.FAILED}

    @property
    def reason(self) -> str:
        """The error code and message, in one line."""
        return (
            f"{self.audio.get('error_code', 'no code')}: {self.audio.get('error_message', 'no reason given')}"
        )


class Submitter:
    """Creates task rows and sends jobs, as a producer does."""

    def __init__(
        self,
        *,
        tasks: Tasks,
        channel: Channel,
        texts: TextStore,
        bucket: str,
        max_inline_bytes: int = MAX_INLINE_BYTES,
    ) -> None:
        """`texts` stores texts in `bucket` that take more than `max_inline_bytes` of a message."""
        self._max_inline_bytes = max_inline_bytes
        self._tasks = tasks
        self._channel = channel
        self._texts = texts
        self._bucket = bucket

    def prepare(
        self,
        text: str,
        *,
        name: str,
        parent_id: str | None = None,
        voice: str | None = None,
        speed: float | None = None,
        use_alignment: bool | None = None,
        formats: Sequence[str] | None = None,
        group: str | None = None,
        pronunciations: Mapping[str, str] | None = None,
    ) -> PreparedJob:
        """
        Return the job, checked; nothing is written or sent. None leaves a field to its default.

        A long text goes into the bucket, and the job refers to it. Raises InvalidMessageError where the queue
        would refuse the job: a character, or the size.
        """
        if group is not None and not _GROUP.fullmatch(group):
            raise InvalidMessageError("must be 1 to 128 letters, digits and punctuation", field="group")
        if refused := _REFUSED.search(text):
            raise InvalidMessageError(
                f"character {refused.start() + 1:,} is U+{ord(refused[0]):04X}, which SQS refuses: remove it"
            )
        parent = parent_id or f"story-{uuid4().hex[:16]}"
        submission = Submission(name, RowKey(parent, uuid4().hex[:16]), RowKey(parent, uuid4().hex[:16]))
        optional = {
            "voice": voice,
            "speed": speed,
            "use_alignment": use_alignment,
            "formats": formats,
            "pronunciations": pronunciations,
        }
        content = text.encode()
        if len(content) > MAX_TEXT_BYTES:
            raise InvalidMessageError(f"{len(content):,} bytes; a text may have {MAX_TEXT_BYTES:,}")
        address = None
        if _message_bytes(text, pronunciations) > self._max_inline_bytes:
            address = S3Address(self._bucket, f"{parent}/{submission.audio.task_id}.txt")
        fields = {
            **({"text_url": address.uri} if address else {"text": text}),
            "parent_id": parent,
            "tts_task_id": submission.audio.task_id,
            "srt_task_id": submission.subtitles.task_id,
        } | {field: value for field, value in optional.items() if value is not None}
        body = json.dumps(fields, ensure_ascii=False)
        self._channel.check(body)
        prompt = text[:SOURCE_PROMPT_CHARACTERS].strip()
        return PreparedJob(submission, body, prompt, group, content if address else b"", address)

    def send(self, job: PreparedJob) -> Submission:
        """
        Create both rows PENDING, then send the job.

        Raises InfrastructureError where that fails; the rows are then FAILED with code NOT_SENT. A worker may
        claim them all the same: AWS may have taken a job whose sending failed.
        """
        submission = job.submission
        try:
            if job.text_address:
                self._texts.create(job.text_address, job.text, content_type=TEXT_TYPE)
            self._tasks.create(submission.audio, submission.subtitles, source_prompt=job.source_prompt)
            self._channel.send(job.body, group=job.group)
        except TaskRowError:
            raise
        except BaseException as error:
            reason = error.message if isinstance(error, StoryTtsError) else type(error).__name__
            status = self._mark_unsent(submission, reason)
            if isinstance(error, InfrastructureError):
                raise InfrastructureError(
                    f"{submission.name}: {submission.audio.id} was not sent, its rows are {status}: {reason}"
                ) from error
            raise
        return submission

    def _mark_unsent(self, submission: Submission, reason: str) -> str:
        """Mark the rows FAILED; return what they are then."""
        try:
            self._tasks.refuse(
                (submission.audio, submission.subtitles), code=NOT_SENT, message=f"not sent: {reason}"
            )
        except StoryTtsError:
            return "still PENDING"
        return FAILED

    def job_statuses(self, submissions: Sequence[Submission]) -> Iterator[JobStatus]:
        """Yield the current status of each submission."""
        for submission in submissions:
            audio = self._tasks.read(submission.audio) or {}
            subtitles = self._tasks.read(submission.subtitles) or {}
            yield JobStatus(submission, state_of(audio), float(audio.get("progress", 0)), audio, subtitles)


def _message_bytes(text: str, pronunciations: Mapping[str, str] | None) -> int:
    """Return what the parts of any size take in a message of a topic: its JSON is a string in more JSON."""
    parts = [text] if pronunciations is None else [text, dict(pronunciations)]
    return sum(
        len(json.dumps(json.dumps(each, ensure_ascii=False), ensure_ascii=False).encode()) for each in parts
    )


def state_of(audio: Row) -> JobState:
    """Return the state of the story whose audio row is `audio`; empty if there is no row."""
    if not audio:
        return JobState.FAILED
    known = {
        COMPLETED: JobState.COMPLETED,
        FAILED: JobState.FAILED,
        CANCELLED: JobState.FAILED,
        "PENDING": JobState.WAITING,
    }
    return known.get(str(audio.get("status")), JobState.NARRATING)
