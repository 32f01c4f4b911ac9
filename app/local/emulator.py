"""Starts and stops the embedded AWS: moto's server in a child process, on loopback only."""

import os
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import TracebackType
from typing import IO, Any, Self

from app.errors import LocalServiceError, MissingExtraError

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local"}
SERVICES = frozenset({"dynamodb", "s3", "sns", "sqs", "sts"})
"""What the worker and the commands of story-tts call."""
EVERY_SERVICE = frozenset({"*"})
"""Every service of AWS that moto has; its own API, `moto_api`, still has to be named."""
START_SECS = 60.0
STOP_SECS = 5.0


@contextmanager
def emulator(*, port: int = 0, services: Collection[str] = SERVICES) -> Iterator[str]:
    """Run the emulator for the block and yield its address, `http://127.0.0.1:PORT`; see Emulator."""
    with Emulator(port=port, services=services) as running:
        yield running.address


class Emulator:
    """
    An emulator that runs for the `with` block.

    It answers programs on this machine, for the services that it offers, and refuses web pages. The kernel
    ends it with the thread that enters the block, so that it never outlives this process.
    """

    def __init__(self, *, port: int = 0, services: Collection[str] = SERVICES) -> None:
        """Port 0 takes any free one; `services` are offered, by their names in moto."""
        self._port = port
        self._services = services
        self._last_lines: deque[str] = deque(maxlen=1)
        # A pipe that nobody reads would block the emulator once it is full.
        self._drain = threading.Thread(target=self._read_stderr, name="emulator-stderr", daemon=True)
        self.address = ""

    def __enter__(self) -> Self:
        """Raises LocalServiceError where it does not start, MissingExtraError where moto is not installed."""
        if find_spec("moto") is None:
            raise MissingExtraError("the embedded AWS needs moto: pip install 'story-tts[local]'")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "app.local.moto_server"),
                *("--port", str(self._port), "--parent", str(os.getpid())),
                *("--services", ",".join(sorted(self._services))),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # moto allows every origin unless it is told not to.
            env=os.environ | CREDENTIALS | {"AWS_DEFAULT_REGION": REGION, "MOTO_DISABLE_GLOBAL_CORS": "true"},
            # Ctrl-C in the terminal is for the program that started us; it ends the emulator last.
            start_new_session=True,
        )
        try:
            self._drain.start()
            self.address = self._read_address()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def is_running(self) -> bool:
        """Whether its process still lives."""
        return self._process.poll() is None

    @property
    def last_line(self) -> str:
        """What it wrote last to standard error; empty where it wrote nothing."""
        return self._last_lines[-1] if self._last_lines else ""

    def _read_stderr(self) -> None:
        for line in _pipe(self._process.stderr):
            if text := line.strip():
                self._last_lines.append(text)

    def _read_address(self) -> str:
        stdout = _pipe(self._process.stdout)
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(START_SECS):
                raise LocalServiceError(f"the embedded AWS did not start within {START_SECS:g} s")
        line = stdout.readline().strip()
        if not line:
            self._drain.join(STOP_SECS)
            raise LocalServiceError(self.last_line or "the embedded AWS did not start and gave no reason")
        return line

    def _end(self) -> None:
        stop(self._process, STOP_SECS)
        if self._drain.is_alive():
            self._drain.join(STOP_SECS)
        _pipe(self._process.stdout).close()
        _pipe(self._process.stderr).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise LocalServiceError("the embedded AWS has no pipes")
    return pipe


def stop(process: subprocess.Popen[Any], secs: float) -> int:
    """End a process that we started, by SIGTERM, and by SIGKILL after `secs`; return its exit code."""
    try:
        if process.poll() is None:
            process.terminate()
        return process.wait(timeout=secs)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    except BaseException:
        # A second Ctrl-C: whoever sends it does not want to wait.
        process.kill()
        process.wait()
        raise


def wait_until(condition: Callable[[], bool], *, secs: float, every_secs: float = 0.05) -> bool:
    """Return whether `condition` became true within `secs`."""
    deadline = time.monotonic() + secs
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_secs)
    return True
