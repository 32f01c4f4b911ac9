"""
What the service publishes when a job has ended: the event, its schema, and its place in the audio row.

The class is the source of the JSON Schema in docs/reference.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from app.job import Job, RowKey, timestamp

VERSION = 1
"""Of the schema. New fields may appear under the same version; none changes its meaning or goes."""
SOURCE = "story-tts"
OUTBOX = "unpublished_event"
"""The attribute of the audio row that holds an event until it is published."""
EVENT_ID = "event_id"
"""The attribute of the audio row with the id of its last event."""
DETAIL_TYPES: Mapping[str, str] = {"COMPLETED": "Narration Completed", "FAILED": "Narration Failed"}
"""Status of a job -> the event's type on EventBridge."""


class JobEvent(BaseModel):
    """How a job ended. It never contains the story's text."""

    # What a newer worker stored is published whole.
    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    version: int = VERSION
    """version of this schema"""
    id: str
    """the same in every delivery of this event, and in no other event"""
    time: str
    """when the job ended: ISO 8601, UTC, milliseconds"""
    service: str
    """`SERVICE_NAME` of the worker"""
    status: str
    """`COMPLETED` or `FAILED`, as in the rows"""
    message_id: str
    """id of the SQS message with the job"""
    parent_id: str
    """of the job; in the direct form its `audio_out`"""
    tts_task_id: str
    """of the job; in the direct form `direct`"""
    srt_task_id: str | None = None
    """of the job; absent in the direct form"""
    media: dict[str, str] | None = None
    """`COMPLETED`: address of each object by format, such as `wav`, `srt`, `vtt`, `words`"""
    duration_seconds: float | None = None
    """`COMPLETED`: length of the audio"""
    engine: str | None = None
    """`COMPLETED`: the speech engine"""
    voice: str | None = None
    """`COMPLETED`: the voice"""
    alignment: str | None = None
    """`COMPLETED`: how words were timed, as in the rows"""
    queue_wait_seconds: float | None = None
    """how long the message waited for the last attempt"""
    processing_seconds: float | None = None
    """what the last attempt took"""
    synthesis_seconds: float | None = None
    """`COMPLETED`: what synthesis took of it"""
    alignment_seconds: float | None = None
    """`COMPLETED`: what alignment took of it"""
    estimated_cost: float | None = None
    """`COMPLETED`, if `TASK_HOUR_PRICE` is set: what the last attempt cost, as in the rows"""
    error_code: str | None = None
    """`FAILED`: the reason, for programs"""
    error_message: str | None = None
    """`FAILED`: the reason, for people; at most 500 characters"""

    @classmethod
    def parse(cls, text: str) -> "JobEvent":
        """Return the event that a row holds."""
        return cls.model_validate_json(text)

    @property
    def detail_type(self) -> str:
        """Its type on EventBridge."""
        return DETAIL_TYPES[self.status]

    @property
    def text(self) -> str:
        """The JSON that is published, at most a few KB."""
        return self.model_dump_json(exclude_none=True)

    @property
    def attributes(self) -> dict[str, str]:
        """What the audio row holds of it until it is published."""
        return {EVENT_ID: self.id, OUTBOX: self.text}


def job_event(
    audio: RowKey, subtitles: RowKey | None, *, status: str, ended_by: str, **fields: Any
) -> JobEvent:
    """Return the event of a job; its id follows from `ended_by`, the claim or the message that ended it."""
    identity = f"{audio.id}\n{audio.task_id}\n{status}\n{ended_by}"
    return JobEvent(
        id=hashlib.sha256(identity.encode()).hexdigest()[:32],
        time=timestamp(),
        status=status,
        parent_id=audio.id,
        tts_task_id=audio.task_id,
        srt_task_id=subtitles.task_id if subtitles else None,
        **fields,
    )


def media_of(job: Job) -> dict[str, str]:
    """Return the address of each object of a job, by format."""
    return {kind.label: address.uri for kind, address in job.destination.addresses.items()}
