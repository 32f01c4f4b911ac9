"""The commands that talk to AWS, as people and scripts use them: what they print, how they exit."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self
from unittest import mock

import pytest
import soundfile  # type: ignore[import-untyped]

from app.aws.queue import Queue
from app.cli.demo import demo
from app.local.platform import Platform
from app.media import MEDIA
from tests.ministack import on_both_emulators
from tests.workers import PATIENCE_SECS, Jobs, until, worker

pytestmark = pytest.mark.slow

STORY = "Once upon a time, there was a queue.\n\nIt held a story."


def story_tts(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment of the test's platform."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"SPEECH_ENGINE": "espeak", "COLUMNS": "160"} | environment,
    )


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    """The platform of this test, as a producer sees it."""
    return Jobs(platform)


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A story on disk."""
    path = tmp_path / "tale.txt"
    path.write_text(STORY)
    return path


@on_both_emulators
def test_submitted_stories_are_waited_for_and_fetched(
    platform: Platform, jobs: Jobs, story: Path, tmp_path: Path
) -> None:
    """Many stories at once, one of them from standard input: sent, followed to their end, downloaded."""
    with worker(platform):
        done = story_tts(
            "submit", str(story), "-", "--download", str(tmp_path / "out"), stdin="And so to bed."
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 2
    assert done.stdout.count(f"s3://{platform.bucket}/story-") == 4
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}{kind.suffix}" for name in ("standard input", "tale") for kind in MEDIA
    }
    assert "there was a queue" in (tmp_path / "out" / "tale.srt").read_text()
    assert jobs.depth() == 0


def test_formats_are_produced_and_downloaded(platform: Platform, story: Path, tmp_path: Path) -> None:
    """A job with several formats: the first under `media_url`, each downloaded, and listened to by its id."""
    story.with_suffix(".md").write_text(STORY.replace("queue", "*queue*"))
    with worker(platform):
        done = story_tts(
            *("submit", str(story.with_suffix(".md")), "--format", "opus", "--format", "mp3"),
            *("--download", str(tmp_path / "out")),
        )

    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "tale.opus",
        "tale.mp3",
        "tale.srt",
        "tale.vtt",
        "tale.words.json",
        "tale.narrated.txt",
    }
    assert (tmp_path / "out" / "tale.narrated.txt").read_text() == STORY
    assert ".opus" in done.stdout
    assert soundfile.info(tmp_path / "out" / "tale.opus").format == "OGG"

    first = done.stdout.splitlines()[0]
    parent = re.fullmatch(r".*tale.md: sent as (story-[0-9a-f]{16})", first)[1]  # type: ignore[index]
    listed = json.loads(story_tts("list", "--json", "--status", "completed").stdout)
    assert (listed["id"], listed["status"]) == (parent, "COMPLETED")
    cancelled = story_tts("cancel", parent)
    assert (cancelled.returncode, "COMPLETED and stays so" in cancelled.stderr) == (1, True)
    listened = story_tts("listen", parent, "-o", str(tmp_path / "listen"))
    assert listened.returncode == 0, listened.stderr
    suffixes = (".opus", ".mp3", ".srt", ".vtt", ".words.json", ".html")
    assert listened.stdout.split() == [str(tmp_path / "listen" / f"{parent}{suffix}") for suffix in suffixes]
    page = (tmp_path / "listen" / f"{parent}.html").read_text(encoding="utf-8")
    assert f'<source src="{parent}.opus" type="audio/ogg">' in page
    assert '<html lang="en-us">' in page
    assert page.count("<p>") == 2


def test_only_a_completed_story_can_be_listened_to(platform: Platform, story: Path, tmp_path: Path) -> None:
    """The error says what the story's state is, and nothing is written."""
    ids = json.loads(story_tts("submit", str(story), "--json").stdout)

    assert ids["parent_id"] in story_tts("list").stdout.splitlines()
    assert story_tts("list", "--status", "failed").stdout == ""
    waiting = story_tts("listen", ids["parent_id"], "-o", str(tmp_path / "listen"))
    unknown = story_tts("listen", "story-0", "-o", str(tmp_path / "listen"))

    assert (waiting.returncode, "is waiting" in waiting.stderr) == (1, True)
    assert (unknown.returncode, f"story-0 in table {platform.table}" in unknown.stderr) == (4, True)
    assert not (tmp_path / "listen").exists()


def test_a_story_is_cancelled(platform: Platform, jobs: Jobs, story: Path) -> None:
    """Both rows become CANCELLED, a worker drops the message, and an unknown story is told apart."""
    ids = json.loads(story_tts("submit", str(story), "--json").stdout)

    done = story_tts("cancel", ids["parent_id"])

    assert (done.returncode, done.stdout) == (0, f"{ids['parent_id']} is cancelled\n")
    with worker(platform):
        until(lambda: jobs.depth() == 0)
    assert {row["status"] for row in jobs.tasks.rows_of(ids["parent_id"])} == {"CANCELLED"}
    assert story_tts("cancel", "story-0").returncode == 4
    assert story_tts("status", ids["parent_id"]).returncode == 1


def test_a_failed_story_ends_the_wait_with_its_reason(platform: Platform, tmp_path: Path) -> None:
    """What the worker refused is told in one line, and the exit code says so."""
    silent = tmp_path / "silent.txt"
    silent.write_text("* * *")
    with worker(platform):
        done = story_tts("submit", str(silent), "--wait")

    assert done.returncode == 1
    assert "✗" in done.stdout
    assert "REFUSED_TEXT" in done.stdout


def test_submit_for_scripts_tells_ids_and_rows_are_pending(jobs: Jobs, story: Path) -> None:
    """With --json each story is one object, whose ids lead to the rows that the producer would have made."""
    done = story_tts("submit", str(story), "--json", "--voice", "bf_emma", "--speed", "1.2")
    assert done.returncode == 0, done.stderr
    ids = json.loads(done.stdout)

    rows = jobs.tasks.rows_of(ids["parent_id"])
    assert {row["task_id"]: (row["type"], row["status"]) for row in rows} == {
        ids["tts_task_id"]: ("TTS", "PENDING"),
        ids["srt_task_id"]: ("SUBTITLE", "PENDING"),
    }
    assert {row["sparse_gsi_hash_key"] for row in rows} == {ids["parent_id"]}
    (message,) = jobs.sqs.receive_message(QueueUrl=jobs.platform.queue_url)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Type"] == "Notification"
    sent = json.loads(envelope["Message"])
    assert (sent["text"], sent["voice"], sent["speed"]) == (STORY, "bf_emma", 1.2)
    status = story_tts("status", ids["parent_id"], "--json")
    assert status.returncode == 0
    assert {row["status"] for row in json.loads(status.stdout)} == {"PENDING"}


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["submit", "absent.txt"], "absent.txt", 1),
        (["submit", "{story}", "--voice", "darth"], "darth", 2),
        (["submit", "{story}", "--speed", "3"], "speed", 2),
        (["submit", "{latin}"], "UTF-8", 1),
        (["submit", "{empty}"], "text", 1),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    jobs: Jobs, story: Path, tmp_path: Path, *, arguments: list[str], said: str, code: int
) -> None:
    """A bad story or option is one line on stderr, with the code that `speak` has for it; nothing is sent."""
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    (tmp_path / "empty.txt").write_text(" \n")
    names = {"story": story, "latin": tmp_path / "latin.txt", "empty": tmp_path / "empty.txt"}

    done = story_tts(*(argument.format(**names) for argument in arguments))

    assert done.returncode == code
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert jobs.depth() == 0


def test_an_unknown_story_has_an_exit_code_of_its_own(platform: Platform) -> None:
    """Scripts can tell a story that is not there from one that failed."""
    done = story_tts("status", "story-absent")

    assert done.returncode == 4
    assert done.stderr == f"no task rows under story-absent in table {platform.table}\n"


def test_dead_letters_are_listed_and_sent_again(platform: Platform, jobs: Jobs) -> None:
    """A story that failed is shown with its reason, and goes back to the queue, and to its group."""
    key = jobs.story(STORY, voice="darth", group="customer-7")
    with worker(platform, "--drain") as process:
        assert process.wait() == 0

    listed = story_tts("dead-letters", "list", "--json")
    (letter,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert letter["error_code"] == "UNKNOWN_VOICE"
    dry = story_tts("dead-letters", "redrive", "--dry-run")
    assert "1 would be sent again" in dry.stdout
    refused = story_tts("dead-letters", "redrive", stdin="n\n")
    assert refused.returncode == 1
    unknown = story_tts("dead-letters", "redrive", "no-such-id", "--yes")
    assert unknown.returncode == 1
    assert jobs.depth() == 0
    redriven = story_tts("dead-letters", "redrive", letter["id"], "--yes")
    assert redriven.returncode == 0, redriven.stderr
    assert jobs.depth() == 1
    assert jobs.depth(platform.dead_letter_queue_url) == 0
    assert jobs.status(key) == "FAILED"
    again = Queue(sqs=jobs.sqs, url=platform.queue_url).receive(wait_secs=1, visibility_secs=0)
    assert again is not None
    assert again.group == "customer-7"


def test_the_doctor_finds_all_well_and_each_thing_that_is_not(platform: Platform) -> None:
    """Where all is well every check says so; what is missing fails its own check and tells what to do."""
    well = story_tts("doctor", "--json")
    checks = {line["check"]: line for line in map(json.loads, well.stdout.splitlines())}
    assert well.returncode == 0, well.stdout
    assert list(checks) == [
        "settings",
        "credentials",
        "queue",
        "dead letters",
        "table",
        "bucket",
        "events",
        "engine",
        "disk",
    ]

    ill = story_tts(
        "doctor",
        "--json",
        QUEUE_URL=platform.queue_url + "-absent",
        DYNAMODB_TABLE="absent-table",
        OUTPUT_BUCKET="absent-bucket",
        KOKORO_VOICE="darth",
        EVENT_BUS="absent",
    )
    checks = {line["check"]: line for line in map(json.loads, ill.stdout.splitlines())}
    assert ill.returncode == 1
    failed = {name for name, line in checks.items() if not line["ok"]}
    assert failed == {"queue", "table", "bucket", "events", "engine"}
    assert all(checks[name]["advice"] for name in failed)
    assert "Traceback" not in ill.stderr


def test_the_doctor_names_every_missing_setting(platform: Platform) -> None:  # noqa: ARG001  # its environment
    """Without settings there is a line for each that is missing, and nothing else is tried."""
    done = story_tts("doctor", QUEUE_URL="", OUTPUT_BUCKET="")

    assert done.returncode == 1
    assert done.stdout.count("✗") == 2
    assert done.stdout.count("→") == 1


def test_the_doctor_says_once_that_aws_does_not_answer(
    platform: Platform,  # noqa: ARG001  # its environment
) -> None:
    """Where nothing listens there is one finding for all of AWS, with what to do; the rest is checked."""
    done = story_tts("doctor", "--json", AWS_ENDPOINT_URL="http://127.0.0.1:9")

    checks = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["ok"] for name, line in checks.items()} == {
        "settings": True, "AWS": False, "engine": True, "disk": True,
    }  # fmt: skip
    assert "story-tts local" in checks["AWS"]["advice"]


def test_health_of_a_worker_is_ok(platform: Platform) -> None:
    """The container's health check agrees with a healthy worker."""
    with worker(platform) as process:
        done = until(lambda: _healthy(process.port))

    assert done.stdout == "ok\n"


def _healthy(port: int) -> subprocess.CompletedProcess[str] | None:
    done = story_tts("health", PORT=str(port))
    return done if done.returncode == 0 else None


def test_the_demo_leaves_media_and_nothing_else(tmp_path: Path) -> None:
    """The first command that anybody runs: media in a folder, rows and cues on the screen.

    The user's own AWS settings do not lead it elsewhere.
    """
    done = story_tts("demo", "-o", str(tmp_path / "demo"), AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")

    assert done.returncode == 0, done.stderr
    assert sorted(path.suffix for path in (tmp_path / "demo").iterdir()) == [
        *(".html", ".json", ".srt", ".vtt", ".wav")
    ]
    assert done.stdout.count("COMPLETED") == 2
    assert "Knowing that Mrs. Mallard was afflicted" in done.stdout


class RunningEmulator:
    """In place of the emulator that `demo` starts: one that runs already."""

    is_running = True
    last_line = ""

    def __init__(self, address: str) -> None:
        self.address = address

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it running."""


def test_the_demo_works_on_another_emulator(
    second_aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No step of the demo, from the platform to the download, leans on a mistake of moto's."""
    monkeypatch.setattr("app.local.service.Emulator", lambda **_: RunningEmulator(second_aws))
    with mock.patch.dict(os.environ):
        demo(output=tmp_path / "demo")

    assert capsys.readouterr().out.count("COMPLETED") == 2
    assert len(list((tmp_path / "demo").glob("*.wav"))) == 1


def test_local_prints_an_environment_that_works(tmp_path: Path, story: Path) -> None:
    """What `local` prints is what a client needs; Ctrl-C ends all of it with 0."""
    said = tmp_path / "said"
    with said.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "local", "--port", "0", "--quiet"], stdout=stdout, stderr=stdout
        )
    try:
        until(lambda: b"Press Ctrl-C to stop" in said.read_bytes())
        environment = dict(re.findall(r"^export (\w+)=(\S+)$", said.read_text(), re.MULTILINE))
        done = story_tts("submit", str(story), "--wait", **environment)
        assert done.returncode == 0, done.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_smoke_tells_what_it_looked_at_and_how_long_it_took(platform: Platform) -> None:
    """A service that is well passes every check, for people and for scripts, and the numbers are there."""
    with worker(platform):
        told = story_tts("smoke")
        scripted = story_tts("smoke", "--json")

    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("✓") == 7
    assert "real-time factor" in told.stdout
    report = json.loads(scripted.stdout)
    assert (scripted.returncode, report["ok"], report["state"]) == (0, True, "completed")
    assert report["timings"]["audio_secs"] > 5


@pytest.mark.usefixtures("platform")
def test_a_smoke_story_that_nobody_takes_has_an_exit_code_of_its_own() -> None:
    """A service that is asleep is told from one that fails."""
    late = story_tts("smoke", "--timeout", "1")

    assert late.returncode == 3
    assert "still waiting when the time limit passed" in late.stdout


def test_a_smoke_story_that_failed_says_why(platform: Platform, jobs: Jobs) -> None:
    """The reason in the row is the reason that is told, and the exit code says that something is wrong."""
    command = [sys.executable, "-m", "app", "smoke", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as smoke:
        until(lambda: jobs.depth() == 1)
        table = platform.client("dynamodb")
        for row in table.scan(TableName=platform.table)["Items"]:
            table.update_item(
                TableName=platform.table,
                Key={"id": row["id"], "task_id": row["task_id"]},
                UpdateExpression="SET #s = :failed, error_code = :code, error_message = :why",
                ExpressionAttributeNames={"#s": "status"},
                ExpressionAttributeValues={
                    ":failed": {"S": "FAILED"},
                    ":code": {"S": "REFUSED_TEXT"},
                    ":why": {"S": "nothing to speak"},
                },
            )
        report = json.loads(smoke.communicate(timeout=PATIENCE_SECS)[0])

    assert (smoke.returncode, report["ok"]) == (1, False)
    assert report["checks"] == [
        {"name": "story", "ok": False, "found": "REFUSED_TEXT: nothing to speak"},
    ]
