"""The health endpoint: 200 only while the worker is able to process jobs."""

import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import uvicorn

from app.healthcheck import HEALTH_PATH

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
"""Of ASGI."""

STALE_SECS = 90.0
"""How long the poll loop may take for one iteration: a long poll and its retries fit in."""
STALE_LEASES = 1.5
"""How long a job may go without a renewal, in leases: renewals are retried until the lease expires."""


class Health:
    """The worker's health; updated by the poll loop and the lease, read by the endpoint. Thread-safe."""

    def __init__(
        self,
        *,
        speech_state: Callable[[], str],
        lease_secs: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`speech_state` returns the state of the speech process: starting, ready, busy or dead."""
        self._speech_state = speech_state
        self._stale_secs = max(STALE_SECS, STALE_LEASES * lease_secs)
        self._clock = clock
        self._heartbeat_at = clock()
        self._fault: str | None = None

    def heartbeat(self) -> None:
        """Record an iteration of the poll loop, or a renewal of the current job's lease."""
        self._heartbeat_at = self._clock()
        self._fault = None

    def mark_unhealthy(self, reason: str) -> None:
        """Record a fault that keeps the worker from processing jobs, until the next heartbeat."""
        self._fault = reason

    def problem(self) -> str | None:
        """Return what is wrong, in one line; None if the worker is healthy."""
        if self._fault is not None:
            return self._fault
        silent_secs = self._clock() - self._heartbeat_at
        if silent_secs > self._stale_secs:
            return f"no heartbeat of the poll loop for {silent_secs:.0f} s"
        if self._speech_state() == "dead":
            return "the speech process is dead"
        return None


class HealthApp:
    """
    The ASGI application that serves `health`: HEALTH_PATH, and 404 for every other path.

    A framework for one route would take half as long to import as the rest of the worker.
    """

    def __init__(self, health: Health) -> None:
        self._health = health

    async def __call__(self, scope: Message, _receive: object, send: Send) -> None:
        """Answer one request; the server passes on nothing but HTTP."""
        status, document = self._answer(scope["method"], scope["path"])
        body = json.dumps(document).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, method: str, path: str) -> tuple[HTTPStatus, dict[str, str]]:
        if path != HEALTH_PATH:
            return HTTPStatus.NOT_FOUND, {"reason": f"the only path is {HEALTH_PATH}"}
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, {"reason": "the only method is GET"}
        problem = self._health.problem()
        if problem is None:
            return HTTPStatus.OK, {"status": "ok"}
        return HTTPStatus.SERVICE_UNAVAILABLE, {"status": "unhealthy", "reason": problem}


@contextmanager
def health_server(health: Health, *, host: str, port: int) -> Iterator[int]:
    """
    Serve `health` from a thread during the block, and yield the port; `port` 0 picks a free one.

    Raises OSError if the port is in use.
    """
    listener = socket.create_server((host, port))
    server = uvicorn.Server(
        uvicorn.Config(HealthApp(health), log_config=None, access_log=False, lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="health", daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
