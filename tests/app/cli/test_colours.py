"""Colours are for terminals whose user has not said otherwise, and lines fit 80 columns."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

COMMANDS = pytest.mark.parametrize(
    "arguments",
    [("--help",), ("speak", "--help"), ("voices", "--engine", "kokoro"), ("models", "list"), ("doctor",)],
    ids=" ".join,
)
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7])(?:;[0-9;]*)?m")


def environment(**changes: str) -> dict[str, str]:
    """Return an environment without settings and without what a CI's runner says of colours."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return kept | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | changes


def on_terminal(*arguments: str, **changes: str) -> str:
    """Return what the command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment(COLUMNS="80", **changes),
    ):
        os.close(theirs)
        written = b""
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                while part := terminal.read(4096):
                    written += part
            except OSError:  # the last program that had the terminal has ended
                pass
    return written.decode()


@COMMANDS
def test_no_color_is_respected(arguments: tuple[str, ...]) -> None:
    """With NO_COLOR set a terminal gets no colour."""
    written = on_terminal(*arguments, NO_COLOR="1")

    assert written
    assert COLOUR.search(written) is None


@COMMANDS
def test_a_pipe_gets_plain_text_of_80_columns(arguments: tuple[str, ...]) -> None:
    """In a pipe there is no escape sequence, and what we lay out fits 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )

    assert "\x1b" not in done.stdout + done.stderr
    if arguments != ("doctor",):  # its lines hold messages, which are not cut
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_a_terminal_gets_colours() -> None:
    """The test above would see a colour: without NO_COLOR there is one."""
    assert COLOUR.search(on_terminal("doctor")) is not None


def test_no_name_is_cut(tmp_path: Path) -> None:
    """Long names are folded in tables and whole in lists of files; nothing ends in an ellipsis."""
    name = "a-name-that-is-longer-than-any-column-of-any-table-" * 2
    (tmp_path / f"{name}.txt").write_text("Once.")
    done = subprocess.run(
        [sys.executable, "-m", "app", "speak", str(tmp_path / f"{name}.txt"), "-o", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )

    assert "…" not in done.stdout
    assert f"{tmp_path}/{name}.wav" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("speak", "story.txt", "--speed", "fast"), "error: Invalid value for '--speed': "),
        (("speak", "story.txt", "--speed", "9"), "error: Invalid value for '--speed': "),
        (("speak",), "error: Missing argument 'STORIES'."),
        (("speek",), "error: No such command 'speek'."),
    ],
)
def test_wrong_usage_is_one_line(arguments: tuple[str, ...], message: str) -> None:
    """On a terminal, too, it is a line like that of any other error, and a line that names the help."""
    error, hint = on_terminal(*arguments).splitlines()

    assert error.startswith(message)
    assert "--help` shows the options" in hint
