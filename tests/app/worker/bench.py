"""A worker with everything around it in memory, for the tests of its rules."""

import io
import json
from typing import Any, cast

from app.aws.protection import ProtectionStatus
from app.health import Health
from app.job import RowKey, S3Address
from app.message import MessageParser
from app.narration.options import NarrationOptions
from app.shutdown import RESERVE_SECS, Shutdown
from app.telemetry import Metrics, NoTracer, Tracer
from app.work_folder import WorkFolder
from app.worker.attempt import AttemptRunner
from app.worker.checkpoints import Checkpoints
from app.worker.loop import Worker, WorkerExit
from app.worker.outbox import Outbox
from app.worker.outcomes import OutcomeHandler
from tests.app.worker.fakes import FakeLeases, FakeSpeech, InstantEvent
from tests.app.worker.faults import Faults
from tests.app.worker.in_memory import InMemoryMedia, InMemoryQueue, InMemoryTarget
from tests.app.worker.in_memory_tasks import InMemoryTasks

BUCKET = "story-video-data"
STORY = {"text": "Once upon a time.", "parent_id": "story-1", "tts_task_id": "a1", "srt_task_id": "b2"}
AUDIO_ROW, SUBTITLES_ROW = RowKey("story-1", "a1"), RowKey("story-1", "b2")
WAV = S3Address(BUCKET, "story-1/a1.wav")


class FakeProtection:
    """Protection that is granted unless a test says otherwise."""

    def __init__(self, calls: list[str]) -> None:
        self._calls = calls
        self.answers: list[ProtectionStatus] = []

    def protect(self) -> ProtectionStatus:
        """Record it."""
        self._calls.append("protect")
        return self.answers.pop(0) if self.answers else ProtectionStatus.PROTECTED

    def renew(self) -> None:
        """Record it."""
        self._calls.append("renew protection")

    def release(self) -> None:
        """Record it."""
        self._calls.append("unprotect")


class Bench:
    """A worker and everything around it, in memory."""

    def __init__(self, work_folder: WorkFolder) -> None:
        self.faults = Faults()
        self.calls = self.faults.calls
        self.queue, self.letters = InMemoryQueue(self.faults), InMemoryQueue(self.faults)
        self.tasks = InMemoryTasks(self.faults)
        self.media = InMemoryMedia(self.faults)
        self.segment_faults = Faults()
        self.segments = InMemoryMedia(self.segment_faults)
        """Objects apart from the media, so that tests of the worker's other calls do not count these."""
        self.speech = FakeSpeech()
        self.leases = FakeLeases(self.calls)
        self.shutdown = Shutdown(stop_timeout_secs=RESERVE_SECS)
        self.shutdown.requested, self.shutdown.urgent = InstantEvent(), InstantEvent()
        self.health = Health(speech_state=lambda: self.speech.state, lease_secs=60)
        self.metrics = io.StringIO()
        self.protection = FakeProtection(self.calls)
        self._work_folder = work_folder
        self.has_dead_letters = True
        self.tracer: Tracer = NoTracer()
        self.events = InMemoryTarget(self.faults)
        self.has_events = False
        self.hour_price: float | None = None

    @property
    def waits(self) -> list[float]:
        """The pauses that the worker made, in seconds."""
        return cast("InstantEvent", self.shutdown.requested).waits

    @property
    def outcomes(self) -> list[str]:
        """The outcomes of all attempts."""
        return [json.loads(line)["outcome"] for line in self.metrics.getvalue().splitlines()]

    @property
    def codes(self) -> list[str]:
        """The error codes of the dead letters."""
        return [attributes["error_code"] for attributes in self.letters.attributes]

    def statuses(self) -> list[str]:
        """Return the status of both rows of STORY."""
        return [str(self.tasks.rows[key]["status"]) for key in (AUDIO_ROW, SUBTITLES_ROW)]

    def send(self, *, rows: bool = True, **fields: Any) -> None:
        """Send STORY with other `fields`, after its rows are created."""
        if rows:
            self.tasks.create(AUDIO_ROW, SUBTITLES_ROW, source_prompt="Once")
        self.queue.send(json.dumps(STORY | fields))

    def stop_at(self, method: str, number: int = 1) -> None:
        """Ask the worker to stop when it calls `method` for the `number`-th time."""

        def stop(called: str) -> None:
            if called == method and self.calls.count(method) >= number:
                self.shutdown.request()

        self.faults.on_call = stop

    def drain(self) -> WorkerExit:
        """Run the worker until the queue is empty, or it is asked to stop."""
        return self.worker().run(drain=True)

    def worker(self) -> Worker:
        """Return a worker."""
        parser = MessageParser(output_bucket=BUCKET, default_voice="en-us", voices={"en-us"})
        checkpoints = Checkpoints(objects=self.segments, bucket=BUCKET, shutdown=self.shutdown)
        outbox = Outbox(
            tasks=self.tasks,
            targets=[self.events] if self.has_events else [],
            service="story-tts",
            shutdown=self.shutdown,
        )
        runner = AttemptRunner(
            queue=self.queue,
            tasks=self.tasks,
            media=self.media,
            parser=parser,
            speech=self.speech,
            options=NarrationOptions(engine="espeak", voice="en-us"),
            work_folder=self._work_folder,
            checkpoints=checkpoints,
            outbox=outbox,
            leases=self.leases,
            lease_secs=60,
            max_attempts=5,
            hour_price=self.hour_price,
            shutdown=self.shutdown,
            tracer=self.tracer,
        )
        outcomes = OutcomeHandler(
            queue=self.queue,
            dead_letters=self.letters if self.has_dead_letters else None,
            tasks=self.tasks,
            checkpoints=checkpoints,
            outbox=outbox,
            parser=parser,
            max_attempts=5,
        )
        return Worker(
            queue=self.queue,
            runner=runner,
            outcomes=outcomes,
            speech=self.speech,
            receive_wait_secs=20,
            visibility_secs=60,
            health=self.health,
            metrics=Metrics(stream=self.metrics, service="story-tts"),
            protection=self.protection,
            shutdown=self.shutdown,
            tracer=self.tracer,
        )
