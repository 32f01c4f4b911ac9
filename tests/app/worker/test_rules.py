"""The worker's rules, in memory: what happens to a job, by the error that ended its attempt."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.aws.protection import ProtectionStatus
from app.errors import (
    ConfigurationError,
    CredentialsError,
    EngineCrashedError,
    EngineDiedError,
    JobCancelledError,
    LeaseLostError,
    MissingExtraError,
    QueueGoneError,
    RefusedTextError,
    StoryTtsError,
    UnavailableError,
)
from app.health import Health
from app.job import RowKey, S3Address
from app.media import MEDIA
from app.message import MessageParser
from app.narration.base import Progress
from app.narration.options import NarrationOptions
from app.shutdown import RESERVE_SECS, Shutdown
from app.speech_process.client import ProcessState
from app.telemetry import Metrics
from app.work_folder import WorkFolder
from app.worker import attempt as attempt_module
from app.worker.attempt import AttemptRunner, StopCondition
from app.worker.loop import Worker, WorkerExit
from app.worker.outcomes import OutcomeHandler
from app.worker.seams import JobLease
from tests.app.worker.in_memory import (
    FakeLeases,
    FakeSpeech,
    Faults,
    InMemoryMedia,
    InMemoryQueue,
    InMemoryTasks,
    InstantEvent,
)

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
        self.speech = FakeSpeech()
        self.leases = FakeLeases(self.calls)
        self.shutdown = Shutdown(stop_timeout_secs=RESERVE_SECS)
        self.shutdown.requested, self.shutdown.urgent = InstantEvent(), InstantEvent()
        self.health = Health(speech_state=lambda: self.speech.state, lease_secs=60)
        self.metrics = io.StringIO()
        self.protection = FakeProtection(self.calls)
        self._work_folder = work_folder
        self.has_dead_letters = True

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
        runner = AttemptRunner(
            queue=self.queue,
            tasks=self.tasks,
            media=self.media,
            parser=parser,
            speech=self.speech,
            options=NarrationOptions(engine="espeak", voice="en-us"),
            work_folder=self._work_folder,
            leases=self.leases,
            lease_secs=60,
            max_attempts=5,
            shutdown=self.shutdown,
        )
        outcomes = OutcomeHandler(
            queue=self.queue,
            dead_letters=self.letters if self.has_dead_letters else None,
            tasks=self.tasks,
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
        )


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A worker with an empty queue."""
    monkeypatch.setattr(attempt_module, "STORE_SECS", 0.0)
    tmp_path.chmod(0o700)
    return Bench(WorkFolder(tmp_path))


class TestCompletion:
    """A job without errors."""

    def test_a_job_is_narrated_stored_committed_and_deleted(self, bench: Bench) -> None:
        """The rows name the stored media, the message is deleted, and nothing is left in the work folder."""
        bench.send()

        assert bench.drain() is WorkerExit.OK

        assert bench.statuses() == ["COMPLETED", "COMPLETED"]
        assert bench.tasks.rows[AUDIO_ROW]["media_url"] == WAV.uri
        assert bench.media.objects[WAV] == b"audio of Once upon a time. by 1"
        assert len(bench.media.objects) == len(MEDIA)
        assert (bench.queue.bodies, bench.letters.bodies) == ([], [])
        assert bench.outcomes == ["completed"]

    def test_the_message_is_deleted_after_the_commit(self, bench: Bench) -> None:
        """The lease is not renewed during the commit, and the message is deleted last."""
        bench.send()

        bench.drain()

        steps = [
            call
            for call in bench.calls
            if call in {"claim", "lease starts", "lease stops", "commit", "delete"}
        ]
        assert steps == ["claim", "lease starts", "lease stops", "commit", "delete", "lease stops"]

    def test_a_second_copy_is_deleted_without_work(self, bench: Bench) -> None:
        """A copy of a message whose job is COMPLETED is deleted."""
        bench.send()
        bench.send(rows=False)

        bench.drain()

        assert bench.speech.texts == ["Once upon a time."]
        assert bench.outcomes == ["completed", "skipped"]
        assert bench.queue.bodies == []

    def test_a_cancelled_job_is_deleted_without_work(self, bench: Bench) -> None:
        """A job that the producer cancelled before it started is deleted."""
        bench.send()
        bench.tasks.rows[AUDIO_ROW]["status"] = "CANCELLED"

        bench.drain()

        assert (bench.speech.texts, bench.queue.bodies, bench.letters.bodies) == ([], [], [])

    @pytest.mark.parametrize("key", [AUDIO_ROW, SUBTITLES_ROW])
    @pytest.mark.parametrize("moment", ["narration", "before the media", "before the commit"])
    def test_a_job_cancelled_while_it_runs_ends_on_both_rows(
        self, bench: Bench, key: RowKey, moment: str
    ) -> None:
        """The narration stops, the other row follows, the message is deleted, and nothing is completed."""
        bench.send()

        def cancel(*, noticed: bool = False) -> None:
            bench.tasks.rows[key]["status"] = "CANCELLED"
            if noticed:
                bench.leases.made[-1].fault = JobCancelledError("the job was cancelled")

        if moment == "before the media":
            bench.leases.fault_at_confirmation = JobCancelledError("the job was cancelled")
        if moment == "before the commit":
            bench.media.on_put = lambda _: cancel()
        else:
            bench.speech.steps = [lambda: cancel(noticed=moment == "narration")]

        bench.drain()

        assert bench.statuses() == ["CANCELLED", "CANCELLED"]
        assert (bench.queue.bodies, bench.letters.bodies) == ([], [])
        assert bench.outcomes == ["skipped"]
        assert (bench.media.objects == {}) == (moment != "before the commit")

    def test_a_message_of_a_live_lease_is_returned_until_the_lease_expires(self, bench: Bench) -> None:
        """The message that its holder received comes back with the rest of the lease as delay."""
        bench.send()
        self.hold(bench, message_id="message-1")
        bench.stop_at("give_back", 3)

        bench.drain()

        assert bench.queue.delays == [pytest.approx(31, abs=1)] * 3
        assert bench.speech.texts == []

    def test_a_copy_of_a_held_job_is_returned_with_a_growing_delay(self, bench: Bench) -> None:
        """A copy waits longer each time, an hour at most, and never becomes a dead letter."""
        bench.send()
        self.hold(bench, message_id="another message")
        bench.stop_at("give_back", 100)

        bench.drain()

        assert bench.queue.delays[:4] == [pytest.approx(31 * 2**n, abs=n + 8) for n in range(4)]
        assert max(bench.queue.delays) == 3600
        assert (set(bench.outcomes), bench.letters.bodies) == ({"skipped"}, [])
        assert bench.tasks.rows[AUDIO_ROW]["status"] == "IN_PROGRESS"

    @staticmethod
    def hold(bench: Bench, *, message_id: str) -> None:
        """Let another worker hold the job."""
        bench.tasks.rows[AUDIO_ROW] |= {
            "status": "IN_PROGRESS",
            "lease_expires_at": time.time() + 30,
            "lease_message_id": message_id,
        }


class TestPermanentErrors:
    """Errors that no further attempt can fix: FAILED rows and a dead letter."""

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ("not json", "INVALID_MESSAGE"),
            ("[" * 100_000 + "]" * 100_000, "INVALID_MESSAGE"),
            (json.dumps(STORY | {"text": " "}), "INVALID_MESSAGE"),
            (json.dumps(STORY | {"parent_id": "../x"}), "INVALID_MESSAGE"),
            (json.dumps(STORY | {"voice": "darth"}), "UNKNOWN_VOICE"),
            (
                json.dumps(
                    {"text": "x", "audio_out": "s3://foreign/a.wav", "subs_out": "s3://foreign/a.srt"}
                ),
                "REFUSED_DESTINATION",
            ),
        ],
        ids=["no json", "nested", "blank", "bad id", "voice", "bucket"],
    )
    def test_an_invalid_message_becomes_a_dead_letter(self, bench: Bench, body: str, code: str) -> None:
        """The body is sent to the dead-letter queue with its reason, and the next job is processed."""
        bench.queue.send(body)
        bench.send()

        bench.drain()

        assert (bench.letters.bodies, bench.codes) == ([body], [code])
        assert bench.letters.attributes[0]["original_message_id"] == "message-1"
        assert bench.outcomes == ["failed", "completed"]

    def test_a_refused_job_fails_its_rows(self, bench: Bench) -> None:
        """A producer sees in its rows why a job was refused before it was claimed."""
        bench.send(voice="darth")

        bench.drain()

        rows = [bench.tasks.rows[key] for key in (AUDIO_ROW, SUBTITLES_ROW)]
        assert [(row["status"], row["error_code"]) for row in rows] == [("FAILED", "UNKNOWN_VOICE")] * 2
        assert rows[0]["sparse_gsi_hash_key"] == "story-1"

    def test_a_permanent_error_of_the_narration_fails_the_job(self, bench: Bench) -> None:
        """A text that cannot be narrated leaves FAILED rows, a dead letter and no media."""
        bench.send()
        bench.speech.steps = [RefusedTextError("nothing to speak")]

        bench.drain()

        assert bench.tasks.rows[AUDIO_ROW]["error_code"] == "REFUSED_TEXT"
        assert bench.statuses() == ["FAILED", "FAILED"]
        assert (bench.codes, bench.media.objects, bench.queue.bodies) == (["REFUSED_TEXT"], {}, [])

    def test_rows_fail_before_the_letter_is_sent_and_the_message_goes_last(self, bench: Bench) -> None:
        """If any of the three steps fails, the message comes back, and the next attempt completes them."""
        bench.send()
        bench.speech.steps = [RefusedTextError("nothing to speak")] * 3
        bench.faults.add("delete", UnavailableError("sqs: 503"))

        bench.drain()

        assert bench.statuses() == ["FAILED", "FAILED"]
        assert bench.codes == ["REFUSED_TEXT"] * 2
        assert bench.outcomes == ["returned", "failed"]

    def test_without_a_dead_letter_queue_the_message_stays(self, bench: Bench) -> None:
        """The message is returned with a growing delay: no message is dropped."""
        bench.has_dead_letters = False
        bench.queue.send("not json")
        bench.stop_at("give_back", 3)

        bench.drain()

        assert bench.queue.delays == [5.0, 10.0, 20.0]
        assert bench.queue.bodies == ["not json"]

    def test_a_message_that_crashes_its_workers_is_given_up(self, bench: Bench) -> None:
        """A job whose claims ended 20 times without any outcome fails before it is narrated again."""
        bench.send()
        bench.tasks.rows[AUDIO_ROW]["crashes"] = 20

        bench.drain()

        assert (bench.codes, bench.speech.texts) == (["POISONED"], [])
        assert bench.tasks.rows[AUDIO_ROW]["error_code"] == "POISONED"

    def test_a_message_that_comes_back_without_end_is_given_up(self, bench: Bench) -> None:
        """As a last defence, a message that was received more than 90 times fails with a reason."""
        bench.send()
        for _ in range(90):
            message = bench.queue.receive(wait_secs=0, visibility_secs=0)
            assert message

        bench.drain()

        assert (bench.codes, bench.speech.texts) == (["POISONED"], [])
        assert bench.tasks.rows[AUDIO_ROW]["error_code"] == "POISONED"


class TestRetries:
    """Errors that another attempt may fix."""

    def test_the_delay_grows_and_the_fifth_attempt_is_the_last(self, bench: Bench) -> None:
        """A retryable error is retried after 5, 10, 20 and 40 s, then the job fails with the same code."""
        bench.send()
        bench.speech.steps = [EngineDiedError("the speech process was killed")] * 5

        bench.drain()

        assert bench.queue.delays == [5.0, 10.0, 20.0, 40.0]
        assert bench.outcomes == ["returned"] * 4 + ["failed"]
        assert (bench.codes, bench.statuses()) == (["ENGINE_DIED"], ["FAILED", "FAILED"])

    def test_a_second_crash_of_native_code_is_final(self, bench: Bench) -> None:
        """The same text crashes it again: it fails after two crashes, whatever else happens in between."""
        bench.send()
        crash = EngineCrashedError("the speech process crashed (SIGABRT)")
        bench.speech.steps = [crash, EngineDiedError("the speech process was killed"), crash]

        bench.drain()

        assert bench.outcomes == ["returned", "returned", "failed"]
        assert (bench.codes, bench.statuses()) == (["ENGINE_CRASHED"], ["FAILED", "FAILED"])

    def test_receives_without_an_attempt_do_not_count(self, bench: Bench) -> None:
        """Shutdowns and outages of AWS return the job as often as they like: it keeps its five attempts."""
        bench.send()
        bench.faults.add("put", *[UnavailableError("s3: 503")] * 30)
        bench.speech.steps = [EngineDiedError("x"), *[lambda: None] * 30, *[EngineDiedError("x")] * 3]

        bench.drain()

        assert bench.outcomes == ["returned"] * 34 + ["completed"]
        assert bench.letters.bodies == []
        assert bench.tasks.rows[AUDIO_ROW]["attempt_causes"] == ["ENGINE_DIED"] * 4
        assert max(bench.queue.delays) == 900

    def test_a_retry_may_succeed(self, bench: Bench) -> None:
        """One crash of the speech process costs one attempt."""
        bench.send()
        bench.speech.steps = [EngineDiedError("the speech process was killed")]

        bench.drain()

        assert bench.outcomes == ["returned", "completed"]
        assert bench.tasks.rows[AUDIO_ROW]["lease_epoch"] == 2

    def test_a_bug_costs_an_attempt_not_the_worker(self, bench: Bench) -> None:
        """An unexpected exception is retried as UNEXPECTED_FAULT."""
        bench.send()
        bench.speech.steps = [ZeroDivisionError()] * 5

        assert bench.drain() is WorkerExit.OK

        assert bench.codes == ["UNEXPECTED_FAULT"]

    def test_missing_rows_are_retried_and_never_created(self, bench: Bench) -> None:
        """A job whose rows do not exist is retried, because the producer may be late, and then fails."""
        bench.send(rows=False)

        bench.drain()

        assert bench.queue.delays == [5.0, 10.0, 20.0, 40.0]
        assert (bench.codes, bench.tasks.rows) == (["TASK_ROW_MISSING"], {})

    def test_rows_that_come_late_are_found(self, bench: Bench) -> None:
        """A producer that creates its rows after the message loses nothing."""
        bench.send(rows=False)

        def create_late(method: str) -> None:
            if method == "give_back":
                bench.tasks.create(AUDIO_ROW, SUBTITLES_ROW, source_prompt="Once")

        bench.faults.on_call = create_late

        bench.drain()

        assert bench.statuses() == ["COMPLETED", "COMPLETED"]


class TestReturns:
    """Jobs that are returned to the queue."""

    @pytest.mark.parametrize("method", ["etag", "put", "commit"])
    def test_the_lease_is_released_before_the_message_is_returned(self, bench: Bench, method: str) -> None:
        """While AWS is unavailable the job goes back: renewals stop, the lease ends, the message shows."""
        bench.send()
        bench.faults.add(method, UnavailableError("503"))

        bench.drain()

        start = bench.calls.index("lease starts")
        steps = [
            call for call in bench.calls[start:] if call in {"lease stops", "release", "give_back", "claim"}
        ]
        assert steps[steps.index("release") - 1 : steps.index("release") + 3] == [
            "lease stops",
            "release",
            "give_back",
            "claim",
        ]
        assert bench.outcomes == ["returned", "completed"]

    def test_an_outcome_that_cannot_be_recorded_is_decided_again(self, bench: Bench) -> None:
        """If even the release fails, the message comes back after its visibility timeout."""
        bench.send()
        bench.faults.add("put", UnavailableError("503"))
        bench.faults.add("release", UnavailableError("503"))
        bench.stop_at("receive", 2)

        bench.drain()

        assert (bench.outcomes, bench.queue.delays) == (["returned"], [])
        assert len(bench.queue.bodies) == 1

    def test_a_shutdown_returns_the_job_at_once(self, bench: Bench) -> None:
        """A job that cannot end in time is returned without delay, and the worker exits with 0."""
        bench.send()
        bench.speech.steps = [bench.shutdown.request]

        assert bench.drain() is WorkerExit.OK

        assert (bench.outcomes, bench.queue.delays) == (["returned"], [0])
        assert bench.tasks.rows[AUDIO_ROW]["lease_expires_at"] == 0

    def test_a_message_received_during_a_shutdown_is_returned_untouched(self, bench: Bench) -> None:
        """A stop request that arrives during the long poll returns the message without a claim."""
        bench.send()
        bench.stop_at("receive")

        bench.drain()

        assert (bench.queue.delays, bench.outcomes) == ([0], [])
        assert "claim" not in bench.calls

    @pytest.mark.parametrize(
        "fault", [ConfigurationError("align/en.pt has another SHA-256"), MissingExtraError("pip install x")]
    )
    def test_a_fault_of_the_worker_returns_the_job_and_ends_the_worker(
        self, bench: Bench, fault: StoryTtsError
    ) -> None:
        """A damaged model file costs the job nothing: it goes back at once, and the worker ends unhealthy."""
        bench.send()
        bench.speech.steps = [fault]

        with pytest.raises(type(fault)):
            bench.drain()

        assert (bench.outcomes, bench.queue.delays) == (["returned"], [0])
        assert bench.tasks.rows[AUDIO_ROW]["lease_expires_at"] == 0
        assert not {"attempts", "attempt_causes"} & bench.tasks.rows[AUDIO_ROW].keys()
        assert bench.letters.bodies == []
        assert bench.health.problem() == fault.message

    def test_a_lost_lease_writes_nothing(self, bench: Bench) -> None:
        """If the lease is lost during the narration, the attempt ends without any write."""
        bench.send()

        def lose() -> None:
            bench.leases.made[-1].fault = LeaseLostError("another worker has claimed the job")

        bench.speech.steps = [lose]
        bench.stop_at("receive", 2)

        bench.drain()

        assert bench.outcomes == ["lost"]
        assert not {"put", "commit", "fail", "release", "give_back", "delete"} & set(bench.calls)

    def test_a_commit_of_a_lost_job_is_refused(self, bench: Bench) -> None:
        """If the row has another holder at the commit, the attempt is lost and the message stays."""
        bench.send()

        def take_over() -> None:
            bench.tasks.rows[AUDIO_ROW]["lease_epoch"] += 1

        bench.speech.steps = [take_over]
        bench.stop_at("receive", 2)

        bench.drain()

        assert bench.outcomes == ["lost"]
        assert "COMPLETED" not in bench.statuses()
        assert len(bench.queue.bodies) == 1


class TestMedia:
    """Conditional writes of media."""

    def test_media_of_an_earlier_attempt_are_replaced(self, bench: Bench) -> None:
        """Objects that existed at the claim are overwritten."""
        bench.send()
        bench.media.objects[WAV] = b"by an earlier attempt"

        bench.drain()

        assert bench.media.objects[WAV] == b"audio of Once upon a time. by 1"

    def test_media_that_appear_in_the_meantime_are_replaced_while_the_lease_holds(self, bench: Bench) -> None:
        """A late write of a lost attempt is overwritten, once the row has confirmed the lease."""
        bench.send()
        self.write_before_put(bench, times=1)

        bench.drain()

        assert bench.media.objects[WAV] == b"audio of Once upon a time. by 1"
        assert bench.calls.count("confirm") == 2

    def test_media_of_a_new_holder_are_not_replaced(self, bench: Bench) -> None:
        """If the row says that the job is lost, the object stays as it is."""
        bench.send()
        self.write_before_put(bench, times=1)
        bench.leases.fault_at_confirmation = LeaseLostError("another worker has claimed the job")
        bench.leases.confirmations = 1
        bench.stop_at("receive", 2)

        bench.drain()

        assert bench.media.objects == {WAV: b"foreign 1"}
        assert bench.outcomes == ["lost"]

    def test_the_lease_is_checked_before_each_write(self, bench: Bench) -> None:
        """A worker that was paused after looking at the object does not write once its lease has expired."""
        bench.send()

        def expire(address: S3Address) -> None:
            if address == WAV:
                bench.leases.made[-1].fault = LeaseLostError("the lease expired without a renewal")

        bench.media.on_put = expire
        bench.stop_at("receive", 2)

        bench.drain()

        assert list(bench.media.objects) == [WAV]
        assert bench.outcomes == ["lost"]

    def test_an_object_that_keeps_changing_is_retried_later(self, bench: Bench) -> None:
        """After five conflicts the attempt ends with MEDIA_CONFLICT, and the next one succeeds."""
        bench.send()
        self.write_before_put(bench, times=5)

        bench.drain()

        assert bench.outcomes == ["returned", "completed"]
        assert bench.tasks.rows[AUDIO_ROW]["media_url"] == WAV.uri

    @pytest.mark.parametrize("times", [1, 2, 100])
    def test_media_that_a_late_write_replaced_are_written_again_after_the_commit(
        self, bench: Bench, times: int
    ) -> None:
        """
        A late write whose condition holds, because of equal bytes, is not refused: it is found afterwards.

        Only the committed media stay. If a writer never gives up, the job is completed all the same.
        """
        bench.send()
        late = iter(range(times))

        def overwrite(method: str) -> None:
            if method == "etag" and "commit" in bench.calls and next(late, None) is not None:
                bench.media.objects[WAV] = b"a late write"

        bench.faults.on_call = overwrite

        bench.drain()

        assert (bench.outcomes, bench.queue.bodies) == (["completed"], [])
        is_mended = bench.media.objects[WAV] == b"audio of Once upon a time. by 1"
        assert is_mended == (times < 100)

    def test_an_outage_after_the_commit_does_not_undo_the_job(self, bench: Bench) -> None:
        """If S3 is unavailable after the commit, the message is deleted without the last look."""
        bench.send()
        bench.faults.on_call = lambda method: (
            bench.faults.add("etag", UnavailableError("s3: 503")) if method == "commit" else None
        )

        bench.drain()

        assert (bench.outcomes, bench.queue.bodies) == (["completed"], [])

    @staticmethod
    def write_before_put(bench: Bench, *, times: int) -> None:
        """Let another writer change the audio just before each of the first `times` writes."""
        numbers = iter(range(1, times + 1))

        def write(address: S3Address) -> None:
            if address == WAV and (number := next(numbers, None)):
                bench.media.objects[WAV] = f"foreign {number}".encode()

        bench.media.on_put = write


class TestLoop:
    """The poll loop: back-off, health, the speech process, protection."""

    def test_the_back_off_grows_while_aws_is_unavailable(self, bench: Bench) -> None:
        """Failed receives are repeated after 1, 2, 4 ... s, up to 30 s; a success starts over."""
        bench.send()
        bench.faults.add("receive", *[UnavailableError("sqs: 503")] * 7)

        assert bench.drain() is WorkerExit.OK

        assert bench.waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        assert bench.outcomes == ["completed"]

    def test_refused_credentials_make_the_worker_unhealthy_until_they_work(self, bench: Bench) -> None:
        """The worker backs off and reports the reason; it is healthy again after the next receive."""
        problems: list[str | None] = []
        bench.faults.add("receive", CredentialsError("sqs: ReceiveMessage was refused (ExpiredToken)"))
        self.on_wait(bench, lambda: problems.append(bench.health.problem()))

        bench.drain()

        assert problems == ["sqs: ReceiveMessage was refused (ExpiredToken)"]
        assert bench.health.problem() is None

    def test_an_infrastructure_error_of_an_attempt_backs_off_too(self, bench: Bench) -> None:
        """An attempt that AWS refused is followed by a pause, so that there is no hot loop."""
        bench.send()
        bench.faults.add("claim", CredentialsError("dynamodb: UpdateItem was refused (ExpiredToken)"))

        bench.drain()

        assert bench.waits == [1.0]
        assert bench.outcomes == ["returned", "completed"]

    def test_a_deleted_queue_ends_the_worker(self, bench: Bench) -> None:
        """After five reports that the queue does not exist the worker exits with 3."""
        bench.faults.add("receive", *[QueueGoneError("sqs: the queue does not exist")] * 5)

        assert bench.drain() is WorkerExit.QUEUE_GONE

        assert bench.health.problem() == "sqs: the queue does not exist"

    def test_nothing_is_received_before_the_speech_process_is_ready(self, bench: Bench) -> None:
        """While models load the worker is healthy and takes no job from others."""
        bench.send()
        bench.speech.state = ProcessState.STARTING

        def become_ready() -> None:
            assert "receive" not in bench.calls
            bench.speech.state = ProcessState.READY

        self.on_wait(bench, become_ready)

        bench.drain()

        assert bench.outcomes == ["completed"]

    def test_a_dead_speech_process_is_restarted_with_growing_pauses(self, bench: Bench) -> None:
        """The first restart is immediate; a process that dies again makes the worker unhealthy."""
        problems: list[str | None] = []
        bench.speech.state = bench.speech.state_after_start = ProcessState.DEAD

        def recover() -> None:
            problems.append(bench.health.problem())
            if bench.speech.starts == 3:
                bench.speech.state_after_start = ProcessState.READY

        self.on_wait(bench, recover)

        bench.drain()

        assert bench.waits == [1.0, 2.0, 4.0]
        assert set(problems) == {"the speech process fails to start"}
        assert bench.health.problem() is None

    def test_a_speech_process_that_can_never_start_ends_the_worker(self, bench: Bench) -> None:
        """A missing package is the worker's fault: it raises before it receives a job."""
        bench.send()
        bench.speech.state = ProcessState.DEAD
        bench.speech.fault = MissingExtraError("pip install story-tts[speech]")

        with pytest.raises(MissingExtraError):
            bench.drain()

        assert "receive" not in bench.calls

    def test_protection_is_requested_before_a_receive_and_released_after_the_job(self, bench: Bench) -> None:
        """Between two jobs and after an empty receive a deployment finds the task unprotected."""
        bench.send()

        bench.drain()

        calls = [call for call in bench.calls if call in {"protect", "receive", "delete", "unprotect"}]
        assert (
            calls == ["protect", "receive", "delete", "unprotect", "protect", "receive"] + ["unprotect"] * 2
        )

    def test_nothing_is_received_while_a_deployment_waits(self, bench: Bench) -> None:
        """A task that a deployment wants to stop leaves the jobs to the new tasks, and asks again later."""
        bench.send()
        bench.protection.answers = [ProtectionStatus.DEPLOYMENT_WAITS] * 3 + [ProtectionStatus.UNPROTECTED]
        self.on_wait(bench, lambda: bench.calls.append("pause"))

        bench.drain()

        assert bench.calls[1:9] == ["protect", "pause"] * 3 + ["protect", "receive"]
        assert bench.health.problem() is None
        assert bench.outcomes == ["completed"]

    @staticmethod
    def on_wait(bench: Bench, action: Callable[[], None]) -> None:
        """Run `action` whenever the worker pauses."""
        event = cast("InstantEvent", bench.shutdown.requested)
        wait = event.wait

        def wait_and_act(timeout: float | None = None) -> bool:
            action()
            return wait(timeout)

        event.wait = wait_and_act  # type: ignore[method-assign]


def test_the_remaining_time_is_estimated_from_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A shutdown returns a job that cannot end in time, and finishes one that can.

    The time before the first report does not count: models load only once.
    """
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shutdown = Shutdown(stop_timeout_secs=RESERVE_SECS + 60)
    stop = StopCondition(lease=cast("JobLease", SimpleNamespace(is_lost=False)), shutdown=shutdown)

    def report(at_secs: float, fraction: float) -> bool:
        nonlocal now
        now = at_secs
        stop.watch(Progress(fraction=fraction, chunk=1, audio_secs=1.0))
        return stop.is_set()

    shutdown.request()
    assert report(10.0, 0.1)  # 90 s more, as far as is known
    assert not report(15.0, 0.2)  # 40 s more at a tenth in 5 s
    assert report(35.0, 0.3)  # 87 s more
