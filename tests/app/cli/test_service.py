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
from tests.app.cli.commands import story_tts
from tests.ministack import on_both_emulators
from tests.workers import Jobs, until, worker

pytestmark = pytest.mark.slow

STORY = "Once upon a time, there was a queue.\n\nIt held a story."


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
