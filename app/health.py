"""The health endpoint: 200 only while jobs could be done."""

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
"""So long the poll loop may go without a turn: a long poll and its retries fit in."""


class Health:
    """What is known of the worker's health; written by the poll loop and the lease, read by the endpoint."""

    def __init__(
        self, *, speech_state: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`speech_state` tells the child's: starting, ready, busy or dead."""
        self._speech_state = speech_state
        self._clock = clock
        self._turned_at = clock()
        self._fault: str | None = None

    def heartbeat(self) -> None:
        """Note a turn of the poll loop, or a renewal of the job at hand."""
        self._turned_at = self._clock()
        self._fault = None

    def mark_unhealthy(self, reason: str) -> None:
        """Note a fault that keeps the worker from its jobs until the next turn."""
        self._fault = reason

    def complaint(self) -> str | None:
        """Return what is wrong, in one line; None where nothing is."""
        if self._fault is not None:
            return self._fault
        silent_secs = self._clock() - self._turned_at
        if silent_secs > STALE_SECS:
            return f"the poll loop has not turned for {silent_secs:.0f} s"
        if self._speech_state() == "dead":
            return "the speech process is dead"
        return None


def health_app(health: Health) -> FastAPI:
    """Return the ASGI application that serves `health`."""
    app = FastAPI(title="story-tts", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(HEALTH_PATH)
    def healthz() -> JSONResponse:
        complaint = health.complaint()
        if complaint is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unhealthy", "reason": complaint}, status_code=503)

    return app


@contextmanager
def health_server(health: Health, *, host: str, port: int) -> Iterator[int]:
    """
    Serve `health` from a thread for the block and yield the port, chosen by the system where `port` is 0.

    Raises OSError where the port is taken.
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
