"""What happens to a job, by the error that ended its attempt."""

import json

import pytest

from app.errors import (
    ConfigurationError,
    EngineCrashedError,
    EngineDiedError,
    LeaseLostError,
    MissingExtraError,
    RefusedTextError,
    StoryTtsError,
    UnavailableError,
)
from app.worker.loop import WorkerExit
from tests.app.worker.bench import AUDIO_ROW, STORY, SUBTITLES_ROW, Bench


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

    def test_a_dead_letter_keeps_the_group_of_its_job(self, bench: Bench) -> None:
        """So a redriven job waits for its turn with the other jobs of its group."""
        bench.queue.send("not json", group="customer-7")

        bench.drain()

        assert bench.letters.groups == ["customer-7"]

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

    def test_without_a_dead_letter_queue_a_failed_job_is_not_narrated_again(self, bench: Bench) -> None:
        """The message of a failed job comes back to the reason in its row; a new message starts over."""
        bench.has_dead_letters = False
        bench.send()
        bench.speech.steps = [RefusedTextError("nothing to speak")] * 2
        bench.stop_at("give_back", 3)
        bench.drain()
        assert (len(bench.speech.texts), bench.queue.delays) == (1, [5.0, 10.0, 20.0])
        assert bench.statuses() == ["FAILED", "FAILED"]
        assert bench.tasks.rows[AUDIO_ROW]["error_code"] == "REFUSED_TEXT"

        bench.shutdown.requested.clear()
        bench.send(rows=False)
        bench.stop_at("give_back", 4)
        bench.drain()
        assert len(bench.speech.texts) == 2

        # Once there is a dead-letter queue, both messages go there, with the reason.
        bench.has_dead_letters = True
        bench.shutdown.requested.clear()
        bench.faults.on_call = lambda _: None
        bench.queue.show_all()
        bench.drain()
        assert (len(bench.speech.texts), bench.codes) == (2, ["REFUSED_TEXT"] * 2)
        assert bench.queue.bodies == []

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
