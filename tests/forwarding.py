"""An HTTP server on loopback in front of the embedded AWS, whose handler decides on each request."""

import http.client
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, content."""
TIMEOUT_SECS = 60.0
# What the server writes itself.
_OWN_HEADERS = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}


class Forwarder(BaseHTTPRequestHandler):
    """One connection; subclasses say what becomes of each request on it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: str
    """host:port."""

    def answer(self, body: bytes) -> Answer:
        """Return what the client gets."""
        return self.forward(body)

    def forward(self, body: bytes) -> Answer:
        """Pass the request on, and return what AWS answers."""
        left_out = {"host", "expect", "transfer-encoding"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
        self._upstream.request(self.command, self.path, body or None, headers)
        answer = self._upstream.getresponse()
        content = answer.read()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_HEADERS}
        size = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        return answer.status, kept | {"Content-Length": size}, content

    def serve(self) -> None:
        """Answer one request."""
        self.reply(self.answer(self.read()))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = lambda self: self.serve()  # noqa: N815

    def reply(self, answer: Answer) -> None:
        """Send an answer."""
        status, headers, content = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def read(self) -> bytes:
        """Return the request's body, which may be chunked."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            size = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(size)
            if len(content) < size:
                raise ConnectionResetError
            return content
        content = b""
        while size := int(re.split(rb"[;\r]", self.rfile.readline())[0], 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return content

    def setup(self) -> None:
        """Open a connection of its own to AWS."""
        super().setup()
        self._upstream = http.client.HTTPConnection(self.upstream, timeout=TIMEOUT_SECS)

    def finish(self) -> None:
        """Close both connections."""
        self._upstream.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
        """Write no access log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was killed and left its connection half-way."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler], **attributes: Any) -> Iterator[str]:
    """Serve a handler with these attributes on a free port of the loopback; yield host:port."""
    with _Server(("127.0.0.1", 0), type(handler.__name__, (handler,), attributes)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
