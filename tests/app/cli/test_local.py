"""`story-tts local` as a user starts and ends it: real processes, real signals."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.local.platform import Platform
from tests.workers import Jobs, until

pytestmark = pytest.mark.slow

TIMEOUT_SECS = 60


def start(command: str, *options: str, output: Path) -> "subprocess.Popen[bytes]":
    """Start the command with both of its streams in a file, and a work folder of its own beside it."""
    with output.open("wb") as stream:
        return subprocess.Popen(
            # What runs the tests in the background may have told them to ignore signals, which is inherited.
            ["env", "--default-signal=INT,HUP,TERM", sys.executable, "-m", "app", command, *options],
            stdout=stream,
            stderr=stream,
            env=os.environ | {"WORK_DIR": str(output.parent / "work")},
        )


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start the command; whatever is left of it ends with the test."""
    started = []

    def start_local(*options: str) -> "subprocess.Popen[bytes]":
        started.append(start("local", *options, output=tmp_path / "output"))
        return started[-1]

    yield start_local
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program listens on and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def exported(output: Path) -> dict[str, str]:
    """Wait for the command to be ready, and return the environment that it prints."""
    until(lambda: b"Ctrl-C" in output.read_bytes())
    return dict(re.findall(r"^export (\w+)=(\S+)$", output.read_text(), re.MULTILINE))


def descendants(pid: int) -> list[int]:
    """Return the processes that `pid` has started, and theirs."""
    listing = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for file in listing for child in file.read_text().split()]
    return children + [each for child in children for each in descendants(child)]


def is_running(pid: int) -> bool:
    """Return whether the process exists and is not just waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_taken_port_is_one_line_and_exit_code_1(
    local: Callable[..., "subprocess.Popen[bytes]"], taken_port: int, tmp_path: Path
) -> None:
    """The error names the port and says what to do; nothing is left running."""
    process = local("--port", str(taken_port))

    assert process.wait(TIMEOUT_SECS) == 1
    (line,) = (tmp_path / "output").read_text().splitlines()
    assert line == f"error: port {taken_port} is in use: choose another with --port, or 0 for any free one"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_starting_ends_everything(
    local: Callable[..., "subprocess.Popen[bytes]"], number: signal.Signals
) -> None:
    """Ctrl-C and its kin are answered before the service is ready, too."""
    process = local("--port", "0", "--quiet")
    started = until(lambda: descendants(process.pid))
    process.send_signal(number)

    assert process.wait(TIMEOUT_SECS) == 130
    assert [pid for pid in started if is_running(pid)] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_running_service(
    local: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path, number: signal.Signals
) -> None:
    """A service that is ready ends with exit code 0 and leaves no process; its variables are in a file."""
    variables = tmp_path / "variables"
    process = local("--port", "0", "--quiet", "--env-file", str(variables))
    environment = exported(tmp_path / "output")
    assert dict(line.split("=", 1) for line in variables.read_text().splitlines()) == environment
    started = descendants(process.pid)
    process.send_signal(number)

    assert process.wait(TIMEOUT_SECS) == 0
    assert [pid for pid in started if is_running(pid)] == []
    assert not variables.exists()


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_nothing_outlives_a_killed_service(
    local: Callable[..., "subprocess.Popen[bytes]"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_busy: bool,
) -> None:
    """After SIGKILL the emulator, the worker and its speech process end too, even amid a story."""
    process = local("--port", "0", "--quiet")
    environment = exported(tmp_path / "output")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if is_busy:
        jobs = Jobs(_platform(environment))
        key = jobs.story("It was a dark night, and the fox went on. " * 5000)
        until(lambda: jobs.status(key) == "IN_PROGRESS")
    started = until(lambda: len(found := descendants(process.pid)) >= 3 and found)
    process.kill()

    until(lambda: not any(is_running(pid) for pid in started))


def test_a_signal_ends_a_demo(tmp_path: Path) -> None:
    """The demonstration ends as any command does, and leaves no process and no work folder."""
    process = start("demo", "-o", str(tmp_path / "out"), output=tmp_path / "output")
    try:
        until(lambda: b"submitting" in (tmp_path / "output").read_bytes())
        started = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT_SECS) == 130
    finally:
        process.kill()
        process.wait()

    assert [pid for pid in started if is_running(pid)] == []
    assert list((tmp_path / "work").iterdir()) == []


def test_a_service_whose_emulator_died_ends(
    local: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    """Without its AWS the service is of no use: it says so and ends with exit code 1."""
    process = local("--port", "0", "--quiet")
    exported(tmp_path / "output")
    (emulator,) = [
        pid for pid in descendants(process.pid) if b"moto_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    os.kill(emulator, signal.SIGKILL)

    assert process.wait(TIMEOUT_SECS) == 1
    assert "error: the embedded AWS ended" in (tmp_path / "output").read_text()


def _platform(environment: dict[str, str]) -> Platform:
    return Platform(
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        queue_url=environment["QUEUE_URL"],
        dead_letter_queue_url=environment["DEAD_LETTER_QUEUE_URL"],
        topic_arn=environment["SNS_TOPIC_ARN"],
        table=environment["DYNAMODB_TABLE"],
        bucket=environment["OUTPUT_BUCKET"],
    )
