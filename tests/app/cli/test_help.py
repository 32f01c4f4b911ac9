"""Help and errors of usage speak of stories and numbers, not of Python's types."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from app.cli.app import app


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command and group."""
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


def invoke(*arguments: str) -> Any:
    """Run the command line in this process."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "NO_COLOR": "1"})


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_help_names_no_types(command: tuple[str, ...]) -> None:
    """No `<str>`, no `<bool>` and no braces around arguments."""
    shown = invoke(*command, "--help")
    assert shown.exit_code == 0
    assert re.findall(r"<[a-z\[\] |]+>|\{\w+\}", shown.output) == []


def test_usage_shows_which_arguments_repeat() -> None:
    """A required one stands alone, an optional one in brackets."""
    assert "story-tts speak [OPTIONS] STORIES..." in invoke("speak", "--help").output.replace(
        "root", "story-tts"
    )
    assert "redrive [OPTIONS] [IDS]..." in invoke("dead-letters", "redrive", "--help").output


@pytest.mark.parametrize("command", ["speak", "submit"])
@pytest.mark.parametrize("speed", ["9", "0.1", "fast", "nan"])
def test_a_speed_out_of_range_is_explained(command: str, speed: str) -> None:
    """The error names the range, and what is slow and fast."""
    done = invoke(command, "--speed", speed, "story.txt")
    assert done.exit_code == 2
    said = " ".join(done.output.replace("│", " ").split())
    assert f"{speed} is not a speed; give a number from 0.5 (slow) to 2.0 (fast)" in said
