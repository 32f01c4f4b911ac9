"""`story-tts submit`: what cannot be sent is refused first, and what was sent is always told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import job_statuses
from app.cli.submit import _send, submit
from app.client.submission import PreparedJob, Submission, Submitter
from app.errors import InfrastructureError
from app.job import RowKey
from app.local.platform import Platform
from tests.workers import Jobs

MEBIBYTE = 1024 * 1024


class HalfASubmitter(Submitter):
    """Sends the first job and fails to send the second."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.sent = 0

    def send(self, job: PreparedJob) -> Submission:
        """Send, or fail."""
        if self.sent:
            raise self.error
        self.sent += 1
        return job.submission


def job(number: int) -> PreparedJob:
    """Return a job."""
    parent = f"story-{number}"
    return PreparedJob(Submission(f"{number}.txt", RowKey(parent, "tts"), RowKey(parent, "srt")), "{}", "")


@pytest.mark.parametrize("is_watched", [True, False])
@pytest.mark.parametrize("error", [InfrastructureError("sns: gone"), KeyboardInterrupt()], ids=repr)
def test_ids_are_printed_when_a_later_story_fails(
    error: BaseException, capsys: pytest.CaptureFixture[str], *, is_watched: bool
) -> None:
    """Stories that were sent before the fault can be found again."""
    with pytest.raises(type(error)):
        _send([job(1), job(2)], HalfASubmitter(error), is_watched=is_watched, as_json=False)

    assert "1.txt: sent as story-1\n" in capsys.readouterr().out


@pytest.mark.slow
def test_ids_are_printed_when_waiting_is_interrupted(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while a story waits leaves it on the queue, and says how to find it."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job_statuses, "watch", interrupted)
    monkeypatch.setenv("SPEECH_ENGINE", "espeak")
    story = tmp_path / "tale.txt"
    story.write_text("Once upon a time.", encoding="utf-8")

    with pytest.raises(KeyboardInterrupt):
        submit([str(story)], wait=True)

    assert f"{story}: sent as story-" in capsys.readouterr().out
    assert Jobs(platform).depth() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channel", "text", "reason"),
    [
        ("topic", "It was a dark night. " * MEBIBYTE, "bytes"),
        ("queue", "Once \uffff upon a time.", "character 6 is U+FFFF"),
    ],
    ids=["size", "character"],
)
def test_what_the_queue_refuses_is_refused_before_anything_is_sent(  # noqa: PLR0917
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    channel: str,
    text: str,
    reason: str,
) -> None:
    """One line names the story and the reason; the good story before it has no row either."""
    if channel == "queue":
        monkeypatch.setenv("SNS_TOPIC_ARN", "")
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("Once upon a time.", encoding="utf-8")
    bad.write_text(text, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "app", "submit", str(good), str(bad)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SPEECH_ENGINE": "espeak"},
    )

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {bad}: ")
    assert reason in line
    assert platform.client("dynamodb").scan(TableName=platform.table)["Items"] == []
    assert Jobs(platform).depth() == 0
