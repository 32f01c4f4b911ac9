"""A local hub: a folder served over HTTP on the loopback, with ranges, as the real sources serve theirs."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass(slots=True)
class Hub:
    """What the server serves, how it misbehaves, and what it was asked."""

    folder: Path
    url: str = ""
    break_after: dict[str, int] = field(default_factory=dict)
    """Path to the number of bytes after which its next answer breaks off."""
    failures: dict[str, int] = field(default_factory=dict)
    """Path to how many of its next answers are 503."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and Range of each request."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the name that http.server calls
        path = unquote(urlsplit(self.path).path).lstrip("/")
        self.hub.requests.append((path, self.headers.get("Range")))
        file = self.hub.folder / path
        if self.hub.failures.get(path, 0) > 0:
            self.hub.failures[path] -= 1
            return self._empty(HTTPStatus.SERVICE_UNAVAILABLE)
        if not file.is_file():
            return self._empty(HTTPStatus.NOT_FOUND)
        return self._send(path, file.read_bytes())

    def _empty(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, path: str, data: bytes) -> None:
        match = _RANGE.fullmatch(self.headers.get("Range") or "")
        start = int(match[1]) if match else 0
        if match and start >= len(data):
            return self._empty(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        self.send_response(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        cut = self.hub.break_after.pop(path, None)
        self.wfile.write(data[start:] if cut is None else data[start : start + cut])
        self.close_connection = cut is not None
        return None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own signature
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve `folder` on a free port of the loopback."""
    hub = Hub(folder)
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
