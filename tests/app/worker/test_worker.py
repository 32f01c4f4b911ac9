"""The worker's promises, kept by real processes against an embedded AWS over HTTP."""

import http.client
import io
import json
import os
import signal
import time
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.aws.queue import Topic
from app.job import RowKey
from app.local.platform import Platform
from app.narration.base import Progress
from app.shutdown import RESERVE_SECS, Shutdown
from app.worker.attempt import StopCondition
from app.worker.lease import Lease
from tests.workers import Jobs, WorkerProcess, until, worker

STORY = "Once upon a time, there was a queue. It held a story.\n\nThe story was told."
SENTENCE = "The quick brown fox jumps over the lazy dog, and the dog, being lazy, lets it. "
LONG_STORY = SENTENCE * 1200
ENDLESS_STORY = SENTENCE * 12000


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    """The producer of this test."""
    return Jobs(platform)


def subtitles_of(key: RowKey) -> RowKey:
    """Return the key of the subtitles' row beside an audio row."""
    return RowKey(key.id, "srt")


def speaking(process: WorkerProcess, jobs: Jobs, key: RowKey) -> None:
    """Return once the worker is in the middle of the job: its row shows progress, and more is to come."""
    until(lambda: process.logged("job claimed") and 0 < jobs.row(key).get("progress", 0) < 1)


def test_what_a_job_still_takes_is_judged_by_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Asked to stop, a worker gives back what it could not finish in time, and nothing else.

    What came before the first report, as a model that loads, does not count: it comes but once.
    """
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    shutdown = Shutdown(stop_timeout_secs=RESERVE_SECS + 60)
    end = StopCondition(lease=cast("Lease", SimpleNamespace(is_lost=False)), shutdown=shutdown)

    def report(at_secs: float, fraction: float) -> bool:
        nonlocal now
        now = at_secs
        end.watch(Progress(fraction=fraction, chunk=1, audio_secs=1.0))
        return end.is_set()

    shutdown.request()
    assert report(10.0, 0.1)  # 90 more, for all that is known
    assert not report(15.0, 0.2)  # 40 more at a tenth in 5
    assert report(35.0, 0.3)  # 87 more


@pytest.mark.slow
def test_a_story_becomes_media_and_completed_rows(platform: Platform, jobs: Jobs) -> None:
    """One job in: four objects and two COMPLETED rows out, and nothing left on the queue."""
    key = jobs.story(STORY)
    with worker(platform, "--drain") as process:
        assert process.wait() == 0

    audio, subtitles = jobs.row(key), jobs.row(subtitles_of(key))
    assert (audio["status"], subtitles["status"]) == ("COMPLETED", "COMPLETED")
    with wave.open(io.BytesIO(jobs.media(audio))) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 22050)
        assert sound.getnframes() / 22050 == pytest.approx(float(audio["duration_seconds"]), abs=0.001)
    assert jobs.media(subtitles).decode().startswith("1\n00:00:00,")
    listing = jobs.s3.list_objects_v2(Bucket=platform.bucket)["Contents"]
    assert sorted(entry["Key"] for entry in listing) == [
        f"{key.id}/srt.srt",
        f"{key.id}/srt.vtt",
        f"{key.id}/srt.words.json",
        f"{key.id}/tts.wav",
    ]
    assert jobs.depth() == 0
    assert jobs.dead_letters() == []


@pytest.mark.slow
def test_the_words_file_holds_every_word_of_the_source(platform: Platform, jobs: Jobs) -> None:
    """The words file spells the source: each word once, in order, by its span."""
    key = jobs.story(STORY)
    with worker(platform, "--drain") as process:
        assert process.wait() == 0

    body = jobs.s3.get_object(Bucket=platform.bucket, Key=f"{key.id}/srt.words.json")["Body"].read()
    words = json.loads(body)["words"]
    assert [word["text"] for word in words] == STORY.split()
    assert [STORY[slice(*word["span"])] for word in words] == STORY.split()


@pytest.mark.slow
def test_a_direct_job_in_an_envelope_writes_where_it_says(platform: Platform, jobs: Jobs) -> None:
    """The older form, through the topic: its outputs lie under its own keys, its row is its own."""
    uri = f"s3://{platform.bucket}/old/one.wav"
    body = {"text": STORY, "audio_out": uri, "subs_out": f"s3://{platform.bucket}/old/one.srt"}
    Topic(sns=platform.client("sns"), arn=platform.topic_arn).send(json.dumps(body))
    with worker(platform, "--drain") as process:
        assert process.wait() == 0

    row = jobs.row(RowKey(uri, "direct"))
    assert (row["status"], row["media_url"]) == ("COMPLETED", uri)
    assert jobs.media(row)[:4] == b"RIFF"


@pytest.mark.slow
def test_bad_bodies_become_dead_letters_and_the_worker_goes_on(platform: Platform, jobs: Jobs) -> None:
    """Each bad body is one dead letter with its reason, and the good job after it is done."""
    named = {"parent_id": "story-1", "tts_task_id": "a1", "srt_task_id": "b2"}
    bad = {
        "not json": "INVALID_MESSAGE",
        "[" * 100_000 + "]" * 100_000: "INVALID_MESSAGE",
        '{"text": "x", "chapter": ' + "9" * 5000 + "}": "INVALID_MESSAGE",
        '{"text": "x", "speed": NaN}': "INVALID_MESSAGE",
        '{"text": "x", "text": "y"}': "INVALID_MESSAGE",
        json.dumps(named | {"text": "\ud800"}): "INVALID_MESSAGE",
        json.dumps(named | {"text": " "}): "INVALID_MESSAGE",
        json.dumps(named | {"text": "x", "parent_id": "../x"}): "INVALID_MESSAGE",
        json.dumps(named | {"text": "x", "voice": "darth"}): "UNKNOWN_VOICE",
        json.dumps({"text": "x", "audio_out": "s3://foreign/a.wav", "subs_out": "s3://foreign/a.srt"}): (
            "REFUSED_DESTINATION"
        ),
    }
    for body in bad:
        jobs.send(body)
    key = jobs.story(STORY)

    with worker(platform, "--drain") as process:
        assert process.wait() == 0
        log = process.log_path.read_text()

    letters = jobs.dead_letters()
    codes = {letter["Body"]: letter["MessageAttributes"]["error_code"]["StringValue"] for letter in letters}
    assert codes == bad
    assert len(letters) == len(bad)
    assert jobs.status(key) == "COMPLETED"
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_job_refused_at_the_edge_fails_its_rows(platform: Platform, jobs: Jobs) -> None:
    """Whoever waits for a job that cannot be understood learns it from the rows, and can send it again."""
    key = jobs.story(STORY, voice="darth")
    with worker(platform, "--drain") as process:
        assert process.wait() == 0

    for row in (jobs.row(key), jobs.row(subtitles_of(key))):
        assert (row["status"], row["error_code"]) == ("FAILED", "UNKNOWN_VOICE")
        assert row["sparse_gsi_hash_key"] == key.id


@pytest.mark.slow
def test_a_text_without_anything_to_say_fails_after_its_claim(platform: Platform, jobs: Jobs) -> None:
    """A text that the narrator refuses ends its claimed job: FAILED rows, a dead letter, no media."""
    key = jobs.story("*** --- ***")
    with worker(platform, "--drain") as process:
        assert process.wait() == 0

    assert jobs.row(key)["error_code"] == "REFUSED_TEXT"
    assert jobs.status(subtitles_of(key)) == "FAILED"
    assert [letter["MessageAttributes"]["error_code"]["StringValue"] for letter in jobs.dead_letters()] == [
        "REFUSED_TEXT"
    ]
    assert "Contents" not in jobs.s3.list_objects_v2(Bucket=platform.bucket)


@pytest.mark.slow
def test_a_missing_row_is_waited_for_and_then_given_up(platform: Platform, jobs: Jobs) -> None:
    """A story whose rows never come is tried again later, then a dead letter; no row is made."""
    key = jobs.story(STORY, rows=False)
    with worker(platform, "--drain", MAX_RECEIVES="2") as process:
        assert process.wait() == 0
        retries = process.logged("job will be retried")

    assert [retry["delay_secs"] for retry in retries] == [5.0]
    assert jobs.tasks.rows_of(key.id) == []
    assert [letter["MessageAttributes"]["error_code"]["StringValue"] for letter in jobs.dead_letters()] == [
        "TASK_ROW_MISSING"
    ]


@pytest.mark.slow
def test_without_a_dead_letter_queue_a_bad_message_stays(platform: Platform, jobs: Jobs) -> None:
    """Nothing is dropped: where there is no dead-letter queue the message comes back later."""
    jobs.send("not json")
    with worker(platform, DEAD_LETTER_QUEUE_URL="") as process:
        until(lambda: process.logged("job failed"))
        process.signal(signal.SIGTERM)
        assert process.wait() == 0

    assert jobs.depth() == 1


@pytest.mark.slow
def test_a_killed_workers_job_is_finished_by_another(platform: Platform, jobs: Jobs) -> None:
    """SIGKILL while it speaks: a second worker commits once, and the media are those its row names."""
    key = jobs.story(LONG_STORY)
    with worker(platform) as first:
        speaking(first, jobs, key)
        children = first.children
        first.signal(signal.SIGKILL)
        first.wait()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
        with worker(platform, "--drain", WORK_DIR=str(first.work_dir)) as second:
            assert second.wait(240) == 0
            assert len(second.logged("job completed")) == 1
            assert list(second.work_dir.glob("*")) == []

    audio, subtitles = jobs.row(key), jobs.row(subtitles_of(key))
    assert (audio["status"], audio["lease_epoch"]) == ("COMPLETED", 2)
    assert len(jobs.media(audio)) > 1_000_000
    assert jobs.media(subtitles)
    assert jobs.depth() == 0


@pytest.mark.slow
def test_a_worker_that_slept_past_its_lease_writes_nothing(platform: Platform, jobs: Jobs) -> None:
    """SIGSTOP beyond the lease: another takes over; the sleeper sees it has lost, and works on."""
    key = jobs.story(LONG_STORY)
    with worker(platform) as sleeper:
        speaking(sleeper, jobs, key)
        sleeper.signal(signal.SIGSTOP)
        with worker(platform) as other:
            row = jobs.wait_for(key, "COMPLETED")
            sleeper.signal(signal.SIGCONT)
            lost = until(lambda: sleeper.logged("job lost"))
            assert len(other.logged("job completed")) == 1
        assert jobs.row(key) == row
        assert jobs.media(row)
        assert lost[0]["epoch"] == 1
        again = jobs.story(STORY)
        jobs.wait_for(again, "COMPLETED")


@pytest.mark.slow
def test_sigterm_gives_a_long_job_back_at_once(platform: Platform, jobs: Jobs) -> None:
    """Stopped in a job it cannot finish, a worker exits 0 in time; the message is there at once."""
    key = jobs.story(ENDLESS_STORY)
    with worker(platform, STOP_TIMEOUT_SECS="10") as process:
        speaking(process, jobs, key)
        children = process.children
        process.signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert [line["reason"] for line in process.logged("job returned")] == ["shutdown"]

    received = jobs.sqs.receive_message(QueueUrl=platform.queue_url, WaitTimeSeconds=0)["Messages"]
    assert len(received) == 1
    assert jobs.row(key)["lease_expires_at"] == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


@pytest.mark.slow
def test_sigterm_lets_a_short_job_finish(platform: Platform, jobs: Jobs) -> None:
    """A job that ends within the grace time is finished before the worker exits."""
    key = jobs.story(LONG_STORY)
    with worker(platform, STOP_TIMEOUT_SECS="120") as process:
        speaking(process, jobs, key)
        process.signal(signal.SIGTERM)
        assert process.wait(120) == 0

    assert jobs.status(key) == "COMPLETED"
    assert jobs.depth() == 0


@pytest.mark.slow
def test_a_second_sigterm_does_not_wait_for_the_job(platform: Platform, jobs: Jobs) -> None:
    """Asked twice, the worker gives back even a job that it could have finished."""
    key = jobs.story(LONG_STORY)
    with worker(platform, STOP_TIMEOUT_SECS="120") as process:
        speaking(process, jobs, key)
        # Two signals at once would be one to the kernel, so it is asked again until it has gone.
        until(lambda: not process.signal(signal.SIGTERM), secs=20)
        assert process.wait() == 0

    assert jobs.status(key) == "IN_PROGRESS"
    assert jobs.depth() == 1


@pytest.mark.slow
def test_a_killed_speech_child_costs_an_attempt_not_the_job(platform: Platform, jobs: Jobs) -> None:
    """The child killed mid-story, as for want of memory: the worker tries again and completes the job."""
    key = jobs.story(LONG_STORY)
    with worker(platform) as process:
        speaking(process, jobs, key)
        (child,) = process.children
        os.kill(child, signal.SIGKILL)
        retry = until(lambda: process.logged("job will be retried"))
        assert retry[0]["code"] == "ENGINE_DIED"
        row = jobs.wait_for(key, "COMPLETED")
        assert row["lease_epoch"] == 2


@pytest.mark.slow
def test_two_copies_of_a_message_are_one_commit(platform: Platform, jobs: Jobs) -> None:
    """A message that is delivered twice, to two workers, is narrated by one and deleted by both."""
    key = RowKey("story-twice", "tts")
    jobs.tasks.create(key, subtitles_of(key), source_prompt="test")
    body = {"text": STORY * 20, "parent_id": key.id, "tts_task_id": "tts", "srt_task_id": "srt"}
    jobs.send(json.dumps(body))
    jobs.send(json.dumps(body))
    with worker(platform, "--drain") as first, worker(platform, "--drain") as second:
        assert (first.wait(), second.wait()) == (0, 0)
        completed = first.logged("job completed") + second.logged("job completed")

    assert len(completed) == 1
    assert jobs.row(key)["lease_epoch"] == 1
    assert jobs.depth() == 0


@pytest.mark.slow
def test_a_deleted_queue_ends_the_worker(platform: Platform, jobs: Jobs) -> None:
    """Without its queue a worker has nothing to live for: it says so and exits with 3."""
    with worker(platform) as process:
        until(lambda: healthz(process)[0] == 200)
        jobs.sqs.delete_queue(QueueUrl=platform.queue_url)
        until(
            lambda: (
                healthz(process) == (503, {"status": "unhealthy", "reason": "sqs: the queue does not exist"})
            )
        )
        assert process.wait() == 3


@pytest.mark.slow
def test_wrong_settings_end_the_start_with_a_line_each(platform: Platform) -> None:
    """A missing and a malformed variable are both named, in a line each, with exit code 2."""
    with worker(platform, QUEUE_URL="", PORT="http") as process:
        assert process.wait() == 2
        lines = process.log_path.read_text().splitlines()

    assert len(lines) == 2
    assert any(line.startswith("error: QUEUE_URL is required") for line in lines)
    assert any("PORT" in line for line in lines)


@pytest.mark.slow
def test_a_busy_worker_is_healthy_and_idle_ones_exit_soon(platform: Platform, jobs: Jobs) -> None:
    """Health holds through a job; SIGTERM while idle ends the worker with 0."""
    with worker(platform) as process:
        until(lambda: healthz(process)[0] == 200)
        key = jobs.story(STORY)
        jobs.wait_for(key, "COMPLETED")
        assert healthz(process) == (200, {"status": "ok"})
        process.signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.slow
def test_logs_and_metrics_tell_of_the_job_and_never_its_text(platform: Platform, jobs: Jobs) -> None:
    """Logs are JSON lines, metrics embedded documents of the right shape; the story is in neither."""
    jobs.story("The butler did it, in the library, with a candlestick.")
    jobs.story("Colonel Mustard lies.", voice="darth")
    with worker(platform, "--drain", LOG_LEVEL="DEBUG") as process:
        assert process.wait() == 0
        said = process.log_path.read_text() + process.metrics_path.read_text()
        documents = process.metrics

    for word in ("butler", "library", "candlestick", "Mustard"):
        assert word not in said
    done = next(document for document in documents if document["outcome"] == "completed")
    assert {document["outcome"] for document in documents} == {"completed", "failed"}
    metrics: dict[str, Any] = {
        metric["Name"]: metric["Unit"]
        for directive in done["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }
    assert set(metrics) <= set(done)
    assert metrics["RealTimeFactor"] == "None"
    assert done["JobsCompleted"] == 1
    assert done["AudioSeconds"] > 1
    assert abs(done["RealTimeFactor"] - done["ProcessingSeconds"] / done["AudioSeconds"]) < 0.001
    assert abs(done["_aws"]["Timestamp"] / 1000 - time.time()) < 600


def healthz(process: WorkerProcess) -> tuple[int, dict[str, str]]:
    """Return status and body of the worker's health endpoint; 0 where nobody listens (yet)."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except OSError:
        return 0, {}
    finally:
        connection.close()


@pytest.mark.slow
def test_an_engine_that_cannot_load_ends_the_start(platform: Platform, tmp_path: Path) -> None:
    """A worker whose engine is not installed says how to install it, in one line, and exits with 2."""
    shadow = tmp_path / "shadow" / "kokoro"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ModuleNotFoundError(name='kokoro')\n")
    with worker(platform, PYTHONPATH=str(shadow.parent), SPEECH_ENGINE="kokoro") as process:
        assert process.wait() == 2
        said = process.log_path.read_text()

    assert "error: " in said.splitlines()[-1]
    assert "Traceback" not in said
