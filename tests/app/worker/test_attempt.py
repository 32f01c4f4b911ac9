"""What an attempt does with a job that it can complete, and with its media."""

import json
import time
from hashlib import sha256
from types import SimpleNamespace
from typing import cast

import pytest

from app.aws.objects import UnreadableObjectError
from app.errors import (
    JobCancelledError,
    LeaseLostError,
    UnavailableError,
)
from app.job import RowKey, S3Address
from app.media import MEDIA
from app.narration.base import Progress
from app.shutdown import RESERVE_SECS, Shutdown
from app.worker.attempt import StopCondition
from app.worker.loop import WorkerExit
from app.worker.seams import JobLease
from tests.app.worker.bench import AUDIO_ROW, BUCKET, STORY, SUBTITLES_ROW, WAV, Bench


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


class TestReferredText:
    """A job that refers to its text."""

    URL = S3Address(BUCKET, "in/a.txt")

    def send(self, bench: Bench) -> None:
        """Send a job that refers to the text."""
        bench.tasks.create(AUDIO_ROW, SUBTITLES_ROW, source_prompt="Once")
        fields = {name: value for name, value in STORY.items() if name != "text"}
        bench.queue.send(json.dumps(fields | {"text_url": self.URL.uri}))

    def test_the_text_is_read_after_the_claim(self, bench: Bench) -> None:
        """It is narrated without its byte order mark; the row says what was read, and how long it took."""
        bench.media.objects[self.URL] = "\ufeffOnce.".encode()
        self.send(bench)

        bench.drain()

        row = bench.tasks.rows[AUDIO_ROW]
        assert (bench.speech.texts, bench.statuses()) == (["Once."], ["COMPLETED", "COMPLETED"])
        assert row["text_url"] == row["text_version"]["url"] == self.URL.uri
        assert row["text_sha256"] == sha256("\ufeffOnce.".encode()).hexdigest()
        names = ("queue_wait_seconds", "processing_seconds", "synthesis_seconds", "alignment_seconds")
        assert all(row[name] >= 0 for name in names)

    def test_a_text_that_changes_between_attempts_fails_the_job(self, bench: Bench) -> None:
        """Two attempts never narrate two texts; the pin goes with the failure."""
        bench.media.objects[self.URL] = b"Once."
        self.send(bench)
        versions = iter([b"Once.", b"Twice."])

        def change(called: str) -> None:
            if called == "version":
                bench.media.objects[self.URL] = next(versions)

        bench.faults.on_call = change
        bench.faults.add("after pin_text", UnavailableError("dynamodb: no answer"))
        bench.drain()

        assert bench.codes == ["TEXT_CHANGED"]
        assert bench.statuses() == ["FAILED", "FAILED"]
        assert "text_version" not in bench.tasks.rows[AUDIO_ROW]

    def test_a_text_that_is_deleted_between_attempts_fails_the_job(self, bench: Bench) -> None:
        """Waiting for it would be in vain: the text that was pinned is gone."""
        bench.media.objects[self.URL] = b"Once."
        self.send(bench)
        bench.faults.add("after pin_text", UnavailableError("dynamodb: no answer"))
        bench.faults.on_call = lambda called: bench.media.objects.clear() if called == "pin_text" else None

        bench.drain()

        assert (bench.codes, bench.speech.texts) == (["TEXT_CHANGED"], [])

    def test_a_kept_version_is_narrated_after_its_deletion(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A bucket with versions has the text that was pinned, though the object is gone."""
        bench.media.objects[self.URL] = b"Once."
        self.send(bench)
        bench.faults.add("after pin_text", UnavailableError("dynamodb: no answer"))
        bench.faults.on_call = lambda called: bench.media.objects.clear() if called == "pin_text" else None
        monkeypatch.setattr(bench.media, "read_version", lambda _address, _version: b"Once.")

        bench.drain()

        assert (bench.statuses(), bench.speech.texts) == (["COMPLETED", "COMPLETED"], ["Once."])

    def test_a_text_that_may_not_be_read_counts_against_its_job(self, bench: Bench) -> None:
        """No worker is unhealthy for it, and the job fails after its attempts."""
        bench.media.objects[self.URL] = b"Once."
        self.send(bench)
        bench.faults.add("read_version", *[UnreadableObjectError("s3: AccessDenied")] * 5)

        bench.drain()

        assert (bench.codes, bench.outcomes) == (["TEXT_MISSING"], ["returned"] * 4 + ["failed"])

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (None, "TEXT_MISSING"),
            (b"caf\xe9", "REFUSED_TEXT"),
            (b" \n", "REFUSED_TEXT"),
            (b"x" * (16 * 1024**2 + 1), "REFUSED_TEXT"),
        ],
        ids=["absent", "encoding", "blank", "size"],
    )
    def test_what_is_no_text_is_refused(self, bench: Bench, content: bytes | None, code: str) -> None:
        """An object that does not exist is waited for, as rows are; others are refused at once."""
        if content is not None:
            bench.media.objects[self.URL] = content
        self.send(bench)

        bench.drain()

        assert (bench.codes, bench.speech.texts) == ([code], [])
        assert (len(bench.queue.delays) > 1) == (content is None)


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
