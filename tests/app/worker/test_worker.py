"""Real workers against an embedded AWS: end to end, killed, paused and stopped."""

import http.client
import io
import json
import os
import signal
import time
import wave
from pathlib import Path
from typing import Any

import pytest

from app.aws.queue import Topic
from app.job import RowKey
from app.local.platform import Platform
from app.media import AUDIO, MEDIA
from tests.ministack import on_both_emulators
from tests.workers import Jobs, WorkerProcess, until, worker

STORY = "Once upon a time, there was a queue. It held a story.\n\nThe story was told."
SENTENCE = "The quick brown fox jumps over the lazy dog, and the dog, being lazy, lets it. "
LONG_STORY = SENTENCE * 200
"""Takes seconds: more than a test needs to act after the claim."""
ENDLESS_STORY = SENTENCE * 12000


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    """The producer of this test."""
    return Jobs(platform)


def subtitles_of(key: RowKey) -> RowKey:
    """Return the key of the subtitles' row beside an audio row."""
    return RowKey(key.id, "srt")


def speaking(process: WorkerProcess, jobs: Jobs, key: RowKey) -> None:
    """Return once the worker's child narrates the job, which is IN_PROGRESS."""
    until(lambda: any(AUDIO.file_name in files for _, _, files in os.walk(process.work_dir)))
    assert jobs.status(key) == "IN_PROGRESS"


def advancing(jobs: Jobs, key: RowKey) -> None:
    """Return once the job's row shows progress, from which the worker estimates the time that it needs."""
    until(lambda: 0 < jobs.row(key).get("progress", 0) < 1)


@on_both_emulators
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
    body = jobs.s3.get_object(Bucket=platform.bucket, Key=f"{key.id}/srt.words.json")["Body"].read()
    words = json.loads(body)["words"]
    assert [word["text"] for word in words] == STORY.split()
    assert [STORY[slice(*word["span"])] for word in words] == STORY.split()
    listing = jobs.s3.list_objects_v2(Bucket=platform.bucket)["Contents"]
    assert {entry["Key"] for entry in listing} == {
        f"{key.id}/{'tts' if kind is AUDIO else 'srt'}{kind.suffix}" for kind in MEDIA
    }
    assert jobs.depth() == 0
    assert jobs.dead_letters() == []


@on_both_emulators
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
            assert second.wait() == 0
            assert len(second.logged("job completed")) == 1
            assert list(second.work_dir.glob("*")) == []

    audio, subtitles = jobs.row(key), jobs.row(subtitles_of(key))
    assert (audio["status"], audio["lease_epoch"]) == ("COMPLETED", 2)
    assert len(jobs.media(audio)) > 1_000_000
    assert jobs.media(subtitles)
    assert jobs.depth() == 0


@pytest.mark.slow
def test_another_machine_goes_on_after_the_stored_segments(platform: Platform, jobs: Jobs) -> None:
    """SIGKILL between two segments: a worker without any file of the first one reuses what is stored."""
    text = "\n\n".join(f"Paragraph {number}. {SENTENCE}" for number in range(150))
    key = jobs.story(text)

    def stored() -> list[str]:
        listing = jobs.s3.list_objects_v2(Bucket=platform.bucket, Prefix="segments/")
        return [each["Key"] for each in listing.get("Contents", ())]

    with worker(platform, SEGMENT_SECS="60") as first:
        until(lambda: len(stored()) >= 2)
        first.signal(signal.SIGKILL)
        first.wait()
    assert jobs.status(key) == "IN_PROGRESS"
    with worker(platform, "--drain", SEGMENT_SECS="60") as second:
        assert second.wait() == 0
        (completed,) = second.logged("job completed")

    assert 2 <= completed["segments_reused"] < completed["segments"]
    assert stored() == []
    audio = jobs.row(key)
    with wave.open(io.BytesIO(jobs.media(audio))) as sound:
        assert sound.getnframes() / 22050 == pytest.approx(float(audio["duration_seconds"]), abs=0.001)
    body = jobs.s3.get_object(Bucket=platform.bucket, Key=f"{key.id}/srt.words.json")["Body"].read()
    assert [word["text"] for word in json.loads(body)["words"]] == text.split()


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
        advancing(jobs, key)
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
    key = jobs.story(LONG_STORY * 2)
    with worker(platform, STOP_TIMEOUT_SECS="120") as process:
        advancing(jobs, key)
        process.signal(signal.SIGTERM)
        assert process.wait(120) == 0

    assert jobs.status(key) == "COMPLETED"
    assert jobs.depth() == 0


@pytest.mark.slow
def test_a_second_sigterm_does_not_wait_for_the_job(platform: Platform, jobs: Jobs) -> None:
    """Asked twice, the worker gives back even a job that it could have finished."""
    key = jobs.story(LONG_STORY * 2)
    with worker(platform, STOP_TIMEOUT_SECS="120") as process:
        advancing(jobs, key)
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
