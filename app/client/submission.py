"""The producer's part: rows, then the job; and what becomes of it, for as long as one likes to watch."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
from uuid import uuid4

from app.aws.tasks import CANCELLED, COMPLETED, FAILED, Row, Tasks
from app.job import RowKey
from app.media import TaskRow

SOURCE_PROMPT_CHARACTERS = 200


class Channel(Protocol):
    """Where jobs are sent: a topic, or the queue itself."""

    def send(self, body: str) -> None:
        """Send one job."""


class JobState(StrEnum):
    """How far a submitted story is."""

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
class JobStatus:
    """A submission as its rows show it."""

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
        """Whether nothing more will happen by itself."""
        return self.state in {JobState.COMPLETED, JobState.FAILED}

    @property
    def reason(self) -> str:
        """Why it failed, in one line."""
        return (
            f"{self.audio.get('error_code', 'no code')}: {self.audio.get('error_message', 'no reason given')}"
        )


class Submitter:
    """Creates rows as the producer does, and sends jobs."""

    def __init__(self, *, tasks: Tasks, channel: Channel) -> None:
        self._tasks = tasks
        self._channel = channel

    def submit(
        self,
        text: str,
        *,
        name: str,
        parent_id: str | None = None,
        voice: str | None = None,
        speed: float | None = None,
        use_alignment: bool | None = None,
    ) -> Submission:
        """Create both rows PENDING, then send the job; None leaves a field to its default."""
        parent = parent_id or f"story-{uuid4().hex[:16]}"
        submission = Submission(name, RowKey(parent, uuid4().hex[:16]), RowKey(parent, uuid4().hex[:16]))
        self._tasks.create(
            submission.audio, submission.subtitles, source_prompt=text[:SOURCE_PROMPT_CHARACTERS].strip()
        )
        optional = {"voice": voice, "speed": speed, "use_alignment": use_alignment}
        body = {
            "text": text,
            "parent_id": parent,
            "tts_task_id": submission.audio.task_id,
            "srt_task_id": submission.subtitles.task_id,
        } | {field: value for field, value in optional.items() if value is not None}
        self._channel.send(json.dumps(body, ensure_ascii=False))
        return submission

    def job_statuses(self, submissions: Sequence[Submission]) -> Iterator[JobStatus]:
        """Yield how each submission stands now."""
        for submission in submissions:
            audio = self._tasks.read(submission.audio) or {}
            subtitles = self._tasks.read(submission.subtitles) or {}
            yield JobStatus(submission, _state(audio), float(audio.get("progress", 0)), audio, subtitles)


def _state(audio: Row) -> JobState:
    if not audio:
        return JobState.FAILED
    known = {
        COMPLETED: JobState.COMPLETED,
        FAILED: JobState.FAILED,
        CANCELLED: JobState.FAILED,
        "PENDING": JobState.WAITING,
    }
    return known.get(str(audio.get("status")), JobState.NARRATING)
