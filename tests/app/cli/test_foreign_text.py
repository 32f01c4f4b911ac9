"""Names, keys and messages that come from elsewhere are shown as they are, by every command."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.cli.console import LiteralConsole, literal
from app.local.platform import Platform
from tests.workers import worker

FOREIGN = "[/x][bold]:smile:\x1b[2J"
SHOWN = "[/x][bold]:smile:\\x1b[2J"
LONG = "a-name-that-is-longer-than-a-terminal-of-eighty-columns-is-wide-" * 2


def story_tts(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment of the test's platform."""
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"SPEECH_ENGINE": "espeak"} | environment,
    )


def put_row(platform: Platform, **attributes: str) -> None:
    """Write a row as some other program might."""
    platform.client("dynamodb").put_item(
        TableName=platform.table, Item={name: {"S": value} for name, value in attributes.items()}
    )


def put_letter(platform: Platform, **attributes: str) -> None:
    """Write a dead letter as some other program might."""
    platform.client("sqs").send_message(
        QueueUrl=platform.dead_letter_queue_url,
        MessageBody="{}",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )


def printed(value: Any, **options: Any) -> str:
    """Return what a console prints on a terminal of 80 columns."""
    console = LiteralConsole(file=io.StringIO(), force_terminal=True, width=80, **options)
    console.print(value)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, “curly” — ünïcode", "plain, “curly” — ünïcode"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("abc\u202edef", "abc\\u202edef"),
        ("half \ud800 a pair", "half \\ud800 a pair"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    """What would act on a terminal, or could not be printed at all, is spelled out."""
    assert literal(text) == shown


def test_a_console_prints_markup_literally() -> None:
    """Square brackets, emoji codes and control characters are text."""
    assert printed(FOREIGN) == SHOWN + "\n"


@pytest.mark.slow
def test_status_shows_foreign_text(platform: Platform) -> None:
    """A row's attributes are shown as they are, and what is longer than a line is not cut."""
    put_row(platform, id=FOREIGN, task_id=LONG, status="FAILED", media_url=FOREIGN, error_message=FOREIGN)

    done = story_tts("status", FOREIGN)

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count(SHOWN) == 3
    assert LONG in done.stdout
    absent = story_tts("status", FOREIGN + "absent")
    assert f"no task rows under {SHOWN}absent" in absent.stderr


@pytest.mark.slow
def test_dead_letters_show_foreign_text(platform: Platform) -> None:
    """A letter's reason is shown as it is, listed and sent again."""
    shown = "[/x][bold]:smile:"
    put_letter(platform, error_code=shown, error_message=LONG, original_message_id=shown)

    listed = story_tts("dead-letters", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.count(shown) == 2
    assert LONG in listed.stdout
    again = story_tts("dead-letters", "redrive", "--yes")
    assert (again.returncode, again.stderr) == (0, "")
    assert f"{shown}: {LONG}" in again.stdout


@pytest.mark.slow
def test_submit_shows_foreign_text(platform: Platform, tmp_path: Path) -> None:
    """A story's name is shown as it is while it is sent, waited for, done, and failed."""
    good, bad = tmp_path / f"{FOREIGN}good.txt", tmp_path / f"{FOREIGN}bad.txt"
    good.parent.mkdir()
    good.write_text("Once upon a time.")
    bad.write_text("* * *")
    with worker(platform):
        done = story_tts("submit", good, bad, "--wait")

    assert (done.returncode, done.stderr) == (1, "")
    assert f"{SHOWN}good.txt: " in done.stdout
    assert f"{SHOWN}bad.txt: REFUSED_TEXT" in done.stdout
    late = story_tts("submit", good, "--wait", "--timeout", "0")
    assert f"{SHOWN}good.txt: still waiting" in late.stdout
    sent = story_tts("submit", good)
    assert f"{SHOWN}good.txt: sent as story-" in sent.stdout


@pytest.mark.slow
def test_speak_shows_foreign_text(tmp_path: Path) -> None:
    """A story's name is shown as it is, in its media's line and in an error."""
    story = tmp_path / f"{FOREIGN}fox.txt"
    story.parent.mkdir()
    story.write_text("Once upon a time.")

    done = story_tts("speak", story, tmp_path / f"{FOREIGN}absent.txt", "-o", tmp_path / FOREIGN)

    assert done.returncode == 1
    assert f"{SHOWN}absent.txt: no such file" in done.stderr
    assert f"{tmp_path / SHOWN}/" in done.stdout


@pytest.mark.slow
def test_the_doctor_shows_foreign_text() -> None:
    """A setting is shown as it is in the check that it fails."""
    done = story_tts("doctor", QUEUE_URL=FOREIGN)

    assert (done.returncode, done.stderr) == (1, "")
    assert f"QUEUE_URL={SHOWN}" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--voice", FOREIGN), ("--engine", FOREIGN)], ids=str)
def test_a_wrong_option_is_shown_as_it_is(tmp_path: Path, arguments: tuple[str, str]) -> None:
    """An error on standard error holds no escape sequence, and no trace."""
    (tmp_path / "fox.txt").write_text("Once upon a time.")
    done = story_tts("speak", tmp_path / "fox.txt", *arguments)

    assert done.returncode == 2
    assert "\x1b" not in done.stderr
    assert "[/x][bold]:smile:" in done.stderr
