"""The health endpoint: 200 only while the worker is able to process jobs."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from app.healthcheck import HEALTH_PATH

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


def health_app(health: Health) -> FastAPI:
    """Return the ASGI application that serves `health`."""
    app = FastAPI(title="story-tts", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(HEALTH_PATH)
    def healthz() -> JSONResponse:
        problem = health.problem()
        if problem is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unhealthy", "reason": problem}, status_code=503)

    return app


@contextmanager
def health_server(health: Health, *, host: str, port: int) -> Iterator[int]:
    """
    Serve `health` from a thread during the block, and yield the port; `port` 0 picks a free one.

    Raises OSError if the port is in use.
    """
    listener = socket.create_server((host, port))
    server = uvicorn.Server(
        uvicorn.Config(health_app(health), log_config=None, access_log=False, lifespan="off", ws="none")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="health", daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=5)
        listener.close()
