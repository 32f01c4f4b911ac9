"""The segments of a job: restored, uploaded while the lease holds, and gone when the job has ended."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import (
    CredentialsError,
    EngineDiedError,
    JobCancelledError,
    LeaseLostError,
    RefusedTextError,
    UnavailableError,
)
from app.job import SEGMENTS_PREFIX, RowKey, S3Address
from app.narration.base import OnProgress, Progress, Request
from app.segments.base import ChunkRecord, SegmentRecord
from app.segments.folder import FolderSegments
from app.worker import checkpoints as checkpoints_module
from app.worker.checkpoints import Checkpoints
from tests.app.worker.bench import AUDIO_ROW, BUCKET, Bench
from tests.workers import until

KEYS = [f"{number:064x}" for number in range(4)]


def store(folder: Path, key: str) -> str:
    """Store a small segment, and return its file name."""
    record = SegmentRecord(
        sample_rate=22050,
        samples=100,
        opens_with_pause=False,
        closing_pause_secs=0.2,
        chunks=(ChunkRecord(0, ((0.0, 0.1),), "engine", 0),),
    )
    with FolderSegments(folder).create(key) as writer:
        writer.write(bytes(200))
        return writer.finish(record)


class Narrating:
    """What the speech process does to segments: finds those that are there, and stores the others."""

    def __init__(
        self,
        bench: Bench,
        *,
        first: int = 0,
        stored: int = 3,
        before_each: Callable[[], None] = lambda: None,
    ) -> None:
        self._first, self._stored = first, stored
        self._before_each = before_each
        self.found: list[set[str]] = []
        """The keys that each narration found."""
        bench.speech.narrating = self

    def __call__(self, request: Request, on_progress: OnProgress) -> None:
        """Use and store segments."""
        assert request.segments is not None
        present = FolderSegments(request.segments)
        found = {key for key in KEYS if present.find(key)}
        self.found.append(found)
        for number, key in enumerate(KEYS[self._first : self._stored], start=self._first + 1):
            if key not in found:
                self._before_each()
                name = store(request.segments, key)
                fraction = number / len(KEYS)
                on_progress(Progress(fraction=fraction, chunk=number, audio_secs=180.0, segment=name))


def uploaded(bench: Bench) -> set[str]:
    """Return the keys of the stored segments."""
    assert all(address.key.startswith(SEGMENTS_PREFIX) for address in bench.segments.objects)
    return {address.key.rpartition("/")[2].removesuffix(".segment") for address in bench.segments.objects}


class TestResumption:
    """A job whose attempt ended early goes on after its stored segments."""

    def test_the_next_attempt_gets_what_was_stored(self, bench: Bench) -> None:
        """Segments of an attempt that failed are there in the next one, and gone after the commit."""
        narrating = Narrating(bench)
        bench.speech.steps = [EngineDiedError("killed for memory")]
        bench.send()
        seen: list[set[str]] = []
        bench.faults.on_call = lambda call: seen.append(uploaded(bench)) if call == "release" else None

        bench.drain()

        assert narrating.found == [set(), set(KEYS[:3])]
        assert seen == [set(KEYS[:3])]
        assert bench.statuses() == ["COMPLETED", "COMPLETED"]
        assert uploaded(bench) == set()

    def test_the_last_segment_is_not_uploaded(self, bench: Bench) -> None:
        """What completes the narration would be deleted at once."""
        Narrating(bench, first=len(KEYS) - 1, stored=len(KEYS))
        bench.send()
        bench.drain()
        assert "put" not in bench.segment_faults.calls

    def test_a_shutdown_keeps_what_was_stored(self, bench: Bench) -> None:
        """A job that is given back at a shutdown leaves its segments to the next worker."""
        Narrating(bench)
        bench.speech.steps = [bench.shutdown.request]
        bench.send()
        bench.drain()
        assert bench.outcomes == ["returned"]
        assert uploaded(bench) == set(KEYS[:3])

    def test_a_damaged_segment_is_deleted_and_not_used(self, bench: Bench) -> None:
        """A segment that fails its checksum is removed from the bucket, and made and stored again."""
        narrating = Narrating(bench)
        bench.speech.steps = [EngineDiedError("killed for memory")]
        bench.send()

        def damage(call: str) -> None:
            if call == "release":
                address = min(bench.segments.objects, key=lambda each: each.key)
                content = bytearray(bench.segments.objects[address])
                content[100] ^= 1
                bench.segments.objects[address] = bytes(content)

        bench.faults.on_call = damage
        bench.drain()
        assert narrating.found == [set(), set(KEYS[1:3])]
        assert bench.statuses() == ["COMPLETED", "COMPLETED"]

    def test_foreign_names_are_not_downloaded(self, bench: Bench, tmp_path: Path) -> None:
        """An object whose name is no segment's reaches no path, and is deleted with the others."""
        Narrating(bench)
        folder = Checkpoints(objects=bench.segments, bucket=BUCKET, shutdown=bench.shutdown).folder(AUDIO_ROW)
        bench.segments.objects[S3Address(BUCKET, f"{folder.key}../../escaped.segment")] = b"x"
        bench.send()
        bench.drain()
        assert "download" not in bench.segment_faults.calls
        assert not list(tmp_path.rglob("escaped*"))
        assert uploaded(bench) == set()

    @pytest.mark.parametrize("method", ["names", "download", "put", "delete"])
    @pytest.mark.parametrize("error", [UnavailableError("s3: 503"), CredentialsError("s3: AccessDenied")])
    def test_a_store_that_fails_costs_time_only(self, bench: Bench, method: str, error: Exception) -> None:
        """Without segments, for whatever reason, a job is narrated from its start and completed."""
        Narrating(bench)
        bench.speech.steps = [EngineDiedError("killed for memory")]
        bench.segment_faults.add(method, *[error] * 20)
        bench.send()
        bench.drain()
        assert bench.statuses() == ["COMPLETED", "COMPLETED"]
        assert bench.outcomes == ["returned", "completed"]


class TestRemoval:
    """No segment outlives its job."""

    @pytest.mark.parametrize(
        ("steps", "outcomes"),
        [
            ([RefusedTextError("too long")], ["failed"]),
            ([EngineDiedError("killed")] * 5, ["returned"] * 4 + ["failed"]),
        ],
        ids=["refused", "five attempts"],
    )
    def test_a_failed_job_leaves_none(
        self, bench: Bench, steps: list[Exception | Callable[[], None]], outcomes: list[str]
    ) -> None:
        """A job that fails for good takes its segments along."""
        Narrating(bench)
        bench.speech.steps = steps
        bench.send()
        bench.drain()
        assert bench.outcomes == outcomes
        assert uploaded(bench) == set()

    def test_a_failed_call_is_repeated(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """One call that fails leaves nothing behind: what is left is listed and deleted again."""
        monkeypatch.setattr(checkpoints_module, "STORE_SECS", 30.0)
        Narrating(bench)
        bench.speech.steps = [EngineDiedError("killed for memory")]
        bench.segment_faults.add("delete", UnavailableError("s3: connection reset"))
        bench.send()
        bench.drain()
        assert bench.outcomes == ["returned", "completed"]
        assert uploaded(bench) == set()

    def test_a_cancelled_job_leaves_none(self, bench: Bench) -> None:
        """A job cancelled between two segments takes the first along."""
        Narrating(bench)

        def cancel() -> None:
            bench.tasks.rows[AUDIO_ROW]["status"] = "CANCELLED"
            bench.leases.made[-1].fault = JobCancelledError("the producer cancelled the job")

        bench.speech.steps = [cancel]
        bench.send()
        bench.drain()
        assert bench.outcomes == ["skipped"]
        assert (bench.queue.bodies, uploaded(bench)) == ([], set())

    def test_what_a_killed_attempt_left_goes_with_the_copy(self, bench: Bench) -> None:
        """A worker killed between commit and removal: whoever receives the message again removes them."""
        bench.send()
        bench.drain()
        checkpoints = Checkpoints(objects=bench.segments, bucket=BUCKET, shutdown=bench.shutdown)
        left = S3Address(BUCKET, f"{checkpoints.folder(AUDIO_ROW).key}{KEYS[0]}.segment")
        bench.segments.objects[left] = b"left"
        bench.send(rows=False)
        bench.drain()
        assert uploaded(bench) == set()

    def test_a_refused_job_leaves_those_of_another(self, bench: Bench) -> None:
        """A direct job with a taken output shares its audio row with the job that a worker narrates."""
        row, subtitles = RowKey(f"s3://{BUCKET}/a.wav", "direct"), f"s3://{BUCKET}/b.srt"
        folder = Checkpoints(objects=bench.segments, bucket=BUCKET, shutdown=bench.shutdown).folder(row)
        bench.segments.objects[S3Address(BUCKET, f"{folder.key}{KEYS[0]}.segment")] = b"theirs"
        bench.tasks.subtitles[subtitles] = RowKey(f"s3://{BUCKET}/other.wav", "direct")
        bench.queue.send(json.dumps({"text": "Once.", "audio_out": row.id, "subs_out": subtitles}))

        bench.drain()

        assert bench.codes == ["OUTPUT_TAKEN"]
        assert uploaded(bench) == {KEYS[0]}

    def test_jobs_do_not_share_segments(self, bench: Bench) -> None:
        """The folder depends on both parts of the audio row's key."""
        checkpoints = Checkpoints(objects=bench.segments, bucket=BUCKET, shutdown=bench.shutdown)
        keys = [RowKey("a", "b"), RowKey("a", "c"), RowKey("b", "b"), RowKey("s3://bucket/a", "direct")]
        folders = {checkpoints.folder(key).key for key in keys}
        assert len(folders) == len(keys)
        assert all(folder.count("/") == 2 for folder in folders)


class TestLostLease:
    """Once the lease is lost nothing more is stored."""

    def test_nothing_is_uploaded_without_a_lease(self, bench: Bench) -> None:
        """A segment that is finished after the lease was lost stays where it is."""

        def lose() -> None:
            bench.leases.made[-1].fault = LeaseLostError("another worker has claimed the job")

        Narrating(bench, before_each=lose)
        bench.send()
        bench.stop_at("claim")
        bench.drain()
        assert "put" not in bench.segment_faults.calls

    @pytest.mark.parametrize("reply", [[], [UnavailableError("s3: no answer")]], ids=["answered", "lost"])
    def test_an_upload_that_ends_after_the_lease_is_taken_back(
        self, bench: Bench, tmp_path: Path, reply: list[Exception]
    ) -> None:
        """A worker paused in an upload deletes the object when it wakes: the job may have ended."""
        bench.segment_faults.add("after put", *reply)
        checkpoints = Checkpoints(objects=bench.segments, bucket=BUCKET, shutdown=bench.shutdown)
        bench.send()
        message = bench.queue.receive(wait_secs=0, visibility_secs=60)
        assert message is not None
        claim = bench.tasks.claim(
            bench.worker()._runner._parser.job(message.body), lease_secs=60, message_id=message.id
        )
        lease = bench.leases(message, claim, 0.0)  # type: ignore[arg-type]
        uploading, woken = threading.Event(), threading.Event()

        def pause(_: S3Address) -> None:
            uploading.set()
            woken.wait()

        bench.segments.on_put = pause
        with checkpoints.uploads(AUDIO_ROW, tmp_path, lease) as uploads:
            uploads.add(store(tmp_path, KEYS[0]))
            uploading.wait()
            lease.fault = LeaseLostError("another worker has claimed the job")
            woken.set()
        until(lambda: "delete" in bench.segment_faults.effects)
        assert uploaded(bench) == set()
        assert not lease.has_advanced
