"""
Events about ended jobs: a row holds its event from the write that ends the job until the event is published.

If a worker crashes in between, the message is still on the queue, and whoever receives it publishes the
event: each ending is published at least once, always with the same id.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import structlog

from app.aws.claims import Claim
from app.aws.rows import COMPLETED, FAILED
from app.aws.tasks import MAX_ERROR_MESSAGE
from app.errors import InfrastructureError, StoryTtsError
from app.events import JobEvent, job_event, media_of
from app.job import Job, RowKey
from app.shutdown import Shutdown
from app.worker.retry import retry_call
from app.worker.seams import EventTarget, TaskTable

_OF_THE_ROW = (
    "duration_seconds",
    "engine",
    "voice",
    "alignment",
    "queue_wait_seconds",
    "processing_seconds",
    "synthesis_seconds",
    "alignment_seconds",
    "estimated_cost",
)
"""Attributes of a completed audio row that its event repeats."""

log = structlog.get_logger()


class Outbox:
    """Creates events, and publishes those that rows hold; without targets there are none."""

    def __init__(
        self, *, tasks: TaskTable, targets: Sequence[EventTarget], service: str, shutdown: Shutdown
    ) -> None:
        self._tasks = tasks
        self._targets = targets
        self._service = service
        self._shutdown = shutdown

    def completed(self, claim: Claim, job: Job, message_id: str, audio: Mapping[str, Any]) -> JobEvent | None:
        """Return the event of a job that is about to be completed with these attributes of its audio row."""
        if not self._targets:
            return None
        return job_event(
            claim.audio_row,
            claim.subtitles_row,
            status=COMPLETED,
            ended_by=claim.owner,
            service=self._service,
            message_id=message_id,
            media=media_of(job),
            **{name: audio[name] for name in _OF_THE_ROW if name in audio},
        )

    def failed(
        self,
        audio: RowKey,
        subtitles: RowKey | None,
        error: StoryTtsError,
        *,
        message_id: str,
        claim: Claim | None = None,
        **figures: float,
    ) -> JobEvent | None:
        """Return the event of a job that is about to fail, claimed or, without a claim, refused."""
        if not self._targets:
            return None
        return job_event(
            audio,
            subtitles,
            status=FAILED,
            # A message is refused for one reason, however often it is received.
            ended_by=claim.owner if claim else f"{message_id} {error.code}",
            service=self._service,
            message_id=message_id,
            error_code=error.code,
            error_message=error.message[:MAX_ERROR_MESSAGE],
            **{name: round(value, 3) for name, value in figures.items()},
        )

    def deliver(self, audio: RowKey, event: JobEvent, *, secs: float = 0.0) -> None:
        """
        Publish an event that the row holds, then clear it there.

        While a target is down, it is tried for up to `secs`. Raises EventsRefusedError and other
        InfrastructureErrors: the row keeps the event, so the message must stay on the queue.
        """
        if not self._targets:
            log.info("event dropped: events are switched off", event_id=event.id)
        try:
            for target in self._targets:
                retry_call(partial(target.publish, event), secs=secs, shutdown=self._shutdown)
        except InfrastructureError as error:
            log.error("event not published", event_id=event.id, status=event.status, reason=error.message)
            raise
        self._tasks.clear_event(audio, event)
