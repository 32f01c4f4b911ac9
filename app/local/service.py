"""The whole service on this machine: the emulator, its resources, and a worker process."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from app.errors import LocalServiceError
from app.healthcheck import HEALTH_PATH
from app.local.emulator import Emulator, stop, wait_until
from app.local.parent_death import tied
from app.local.platform import Platform, create_platform

START_SECS = 120.0
STOP_TIMEOUT_SECS = 15
WATCH_SECS = 0.5
"""How often to check that the processes of the service are alive."""
LOCAL_POLL_SECS = 2
"""Shorter than the cloud's long poll, so that Ctrl-C takes effect soon."""


@dataclass(frozen=True, slots=True)
class LocalService:
    """A running service."""

    platform: Platform
    environment: dict[str, str]
    """The variables that a client of the service needs."""
    worker: "subprocess.Popen[bytes]"
    emulator: Emulator

    def adopt(self) -> None:
        """Make this process a client of the service: set the service's variables in its environment."""
        for name in os.environ.keys() - _without_aws(os.environ).keys():
            del os.environ[name]
        os.environ.update(self.environment)

    def watch(self) -> NoReturn:
        """Wait until a process of the service ends. Raises LocalServiceError then."""
        while self.worker.poll() is None and self.emulator.is_running:
            time.sleep(WATCH_SECS)
        if self.emulator.is_running:
            raise LocalServiceError(f"the worker ended with exit code {self.worker.returncode}")
        said = f": {self.emulator.last_line}" if self.emulator.last_line else ""
        raise LocalServiceError(f"the embedded AWS ended{said}")


@contextmanager
def local_service(*, engine: str, port: int = 0, quiet: bool = False) -> Iterator[LocalService]:
    """
    Run the service for the block, with the emulator on `port`; 0 takes any free one.

    The worker's logs go to this process's stderr; with `quiet` only its errors. Both processes end with this
    one, even when it is killed. Raises LocalServiceError where one of them does not start.
    """
    with Emulator(port=port) as emulator, reserved_port() as reserved:
        platform = create_platform(emulator.address)
        environment = platform.environment() | {
            "SPEECH_ENGINE": engine,
            "PORT": str(reserved.getsockname()[1]),
        }
        with local_worker(environment, quiet=quiet) as worker:
            yield LocalService(platform, environment, worker, emulator)


@contextmanager
def local_worker(environment: dict[str, str], *, quiet: bool) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a worker, wait until it is healthy, and run it for the block; it ends with this process."""
    own = {
        "RECEIVE_WAIT_SECS": str(LOCAL_POLL_SECS),
        "STOP_TIMEOUT_SECS": str(STOP_TIMEOUT_SECS),
        "LOG_LEVEL": "ERROR" if quiet else os.environ.get("LOG_LEVEL", "INFO"),
        "LOG_FORMAT": "console",
    }
    worker = subprocess.Popen(
        tied([sys.executable, "-m", "app", "worker", "--host", "127.0.0.1"]),
        env=_without_aws(os.environ) | environment | own,
        stdin=subprocess.DEVNULL,
        # Ctrl-C is for this process, which ends the worker before the emulator that it talks to.
        start_new_session=True,
    )
    try:
        port = int(environment["PORT"])
        if not wait_until(lambda: worker.poll() is not None or is_healthy(port), secs=START_SECS):
            raise LocalServiceError(f"the worker is not healthy after {START_SECS:g} s")
        if worker.poll() is not None:
            raise LocalServiceError(
                f"the worker did not start (exit code {worker.returncode}); its messages above say why"
            )
        yield worker
    finally:
        stop(worker, STOP_TIMEOUT_SECS)


def _without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` without the user's own AWS settings, some of which take precedence over ours."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def is_healthy(port: int) -> bool:
    """Return whether the worker on this machine with this health port answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", HEALTH_PATH)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reserved_port() -> socket.socket:
    """
    Return a socket that reserves its port for a worker while it is open.

    The kernel assigns the port to no connection and to no bind to port 0. A server that sets SO_REUSEADDR, as
    servers do, can still listen on it, because this socket has the option too and does not listen.
    """
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return reserved
