"""A local hub: a folder served over HTTP on the loopback, with ranges, as the real sources serve theirs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.forwarding import http_server

_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass(slots=True)
class Hub:
    """What the server serves, how it fails, and which requests it got."""

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
            return self._start(HTTPStatus.SERVICE_UNAVAILABLE)
        if not file.is_file():
            return self._start(HTTPStatus.NOT_FOUND)
        match = _RANGE.fullmatch(self.headers.get("Range") or "")
        data = file.read_bytes()[int(match[1]) if match else 0 :]
        if match and not data:
            return self._start(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        self._start(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK, len(data))
        cut = self.hub.break_after.pop(path, None)
        self.wfile.write(data[:cut])
        self.close_connection = cut is not None
        return None

    def _start(self, status: HTTPStatus, length: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's own signature
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[Hub]:
    """Serve `folder` on a free port of the loopback."""
    hub = Hub(folder)
    with http_server(_Handler, hub=hub) as address:
        hub.url = f"http://{address}"
        yield hub
