"""
The fault proxy: an HTTP server between one worker and the emulator, which knows every request's meaning.

Each worker has a gate of its own, so that a request's sender is known by the port it came to. The product
needs no hooks for any of this: its boundaries are HTTP requests.
"""

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from signal import Signals
from typing import Any, cast
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from app.local.platform import Platform
from tests.chaos.calls import Boundary, call_of
from tests.chaos.faults import Fault, Kind, Plan, Side
from tests.chaos.journal import Blow, Delivery, Entry, Journal

LONGEST_SECS = 60.0
"""No fault lasts longer, whatever it waits for."""
_POLL_SECS = 0.02
_UPSTREAM_TIMEOUT_SECS = 60.0
_OWN_HEADERS = frozenset(
    {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}
)

PlanOf = Callable[[Delivery], Plan | None]


class _CutError(Exception):
    """The connection ends here."""


class Gate:
    """One worker's way to AWS, and the faults that wait there."""

    def __init__(
        self, platform: Platform, journal: Journal, *, name: str, plan: Plan, lease_secs: float
    ) -> None:
        """`plan` holds until `plan_of` returns another one for a delivery."""
        self.name = name
        self.journal = journal
        self.plan = plan
        self.plan_of: PlanOf = lambda _: None
        self.lease_secs = lease_secs
        self.upstream = urlsplit(platform.endpoint_url).netloc
        self.delivery: Delivery | None = None
        self.outage: Fault | None = None
        self.send_signal: Callable[[Signals], bool] = lambda _: False
        """Signals the worker behind this gate; returns whether it lived."""
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, name=f"gate {name}", daemon=True).start()
        address = f"127.0.0.1:{self._server.server_address[1]}"
        self.platform = replace(
            platform,
            endpoint_url=f"http://{address}",
            queue_url=platform.queue_url.replace(self.upstream, address),
            dead_letter_queue_url=platform.dead_letter_queue_url.replace(self.upstream, address),
        )

    def received(self, delivery: Delivery) -> None:
        """Take what a worker received as the meaning of its next requests."""
        self.journal.delivered(delivery)
        self.delivery = delivery
        self.plan = self.plan_of(delivery) or self.plan

    def signal(self, fault: Fault, number: Signals) -> None:
        """Deal a blow to the worker."""
        if self.send_signal(number):
            self.journal.struck(Blow(fault, self.name, self.delivery, time.monotonic()))

    @property
    def is_down(self) -> bool:
        """Whether every request is met by the same fault."""
        return self.outage is not None

    def down(self, *, secs: float) -> AbstractContextManager[Callable[[], int]]:
        """Cut every connection for `secs` of the block; yields the number of requests that met this."""
        return self._outage(Fault(Boundary.OTHER, Side.BEFORE, Kind.CUT), secs)

    def refusing(self, status: int, code: str, *, secs: float) -> AbstractContextManager[Callable[[], int]]:
        """Answer every request with an error for `secs`, at least, of the block."""
        return self._outage(Fault(Boundary.OTHER, Side.BEFORE, Kind.ANSWER, status=status, code=code), secs)

    @contextmanager
    def _outage(self, fault: Fault, secs: float) -> Iterator[Callable[[], int]]:
        started = time.monotonic()
        self.outage = fault
        try:
            yield lambda: sum(fault in entry.faults for entry in self.journal.entries)
            time.sleep(max(0.0, started + secs - time.monotonic()))
        finally:
            self.outage = None

    def close(self) -> None:
        """Take no further connection; what is under way goes its way."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        super().__init__(("127.0.0.1", 0), _Crossing)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed leaves its connections half-way: that is what we are here for."""


class _Crossing(BaseHTTPRequestHandler):
    """One connection of a worker; each request on it is passed on, with the faults that it meets."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.gate = cast("_Server", self.server).gate
        self.upstream = http.client.HTTPConnection(self.gate.upstream, timeout=_UPSTREAM_TIMEOUT_SECS)

    def finish(self) -> None:
        self.upstream.close()
        with suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
        """Nothing: the journal has it."""

    def _cross(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = call_of(self.command, self.path, dict(self.headers), body, lease_secs=self.gate.lease_secs)
        entry = Entry(self.gate.name, call, self.gate.delivery)
        self.gate.journal.note(entry)
        plan = self.gate.plan
        try:
            before = plan.strike(call.boundary, Side.BEFORE)
            told = self._strike(before, entry, body) or self._strike(self.gate.outage, entry, body)
            status, headers, content = self._passed_on(entry, body) if told is None else told
            if told is None:
                plan = self._understood(entry, plan, content)
                told = self._strike(plan.strike(call.boundary, Side.AFTER), entry, body)
                status, headers, content = told or (status, headers, content)
            self._reply(status, headers, content)
        except (_CutError, OSError, http.client.HTTPException):
            self._cut()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _cross  # noqa: N815  # the base class names them

    def _passed_on(self, entry: Entry, body: bytes) -> "_Answer":
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in {"host", "expect"}
        }
        entry.passed = time.monotonic()
        self.upstream.request(self.command, self.path, body=body or None, headers=headers)
        answer = self.upstream.getresponse()
        content = answer.read()
        entry.answered, entry.status = time.monotonic(), answer.status
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OWN_HEADERS}
        size = answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        return answer.status, kept | {"Content-Length": size}, content

    def _understood(self, entry: Entry, plan: Plan, content: bytes) -> Plan:
        """Learn from what took effect; return the plan that holds from here."""
        if not entry.took_effect:
            return plan
        if entry.call.boundary is Boundary.DELETE and entry.call.receipt_handle:
            self.gate.journal.deleted(entry.call.receipt_handle)
        if entry.call.boundary is Boundary.RECEIVE:
            for message in json.loads(content).get("Messages", []):
                entry.delivery = delivery_of(message)
                self.gate.received(entry.delivery)
                return self.gate.plan
            # An empty answer is no crossing.
            return Plan()
        return plan

    def _strike(self, fault: Fault | None, entry: Entry, body: bytes) -> "_Answer | None":
        """Let a fault have its way; return what the worker is told instead of the truth, if anything."""
        if fault is None:
            return None
        entry.faults.append(fault)
        match fault.kind:
            case Kind.KILL:
                self._kill(fault, entry, body)
            case Kind.PAUSE:
                self.gate.signal(fault, Signals.SIGSTOP)
                _last(fault)
                self.gate.send_signal(Signals.SIGCONT)
            case Kind.TERM:
                self.gate.signal(fault, Signals.SIGTERM)
            case Kind.HOLD:
                _last(fault)
            case Kind.CUT:
                raise _CutError
            case Kind.ANSWER:
                return error_answer(entry.call.service, fault.status, fault.code)
        return None

    def _kill(self, fault: Fault, entry: Entry, body: bytes) -> None:
        self.gate.signal(fault, Signals.SIGKILL)
        if fault.secs or fault.until:
            _last(fault)
            self._understood(entry, Plan(), self._passed_on(entry, body)[2])
        raise _CutError

    def _reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _cut(self) -> None:
        """End the connection with a reset, as a network does that fails."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)


_Answer = tuple[int, dict[str, str], bytes]


def _last(fault: Fault) -> None:
    """Return when a fault is over."""
    if fault.until is None:
        time.sleep(fault.secs)
        return
    deadline = time.monotonic() + LONGEST_SECS
    while not fault.until() and time.monotonic() < deadline:
        time.sleep(_POLL_SECS)


def delivery_of(message: dict[str, Any]) -> Delivery:
    """Return what a receipt is about; a job's body may say which copy it is, in a field of its own."""
    try:
        fields = json.loads(message["Body"])
        story, copy = str(fields["parent_id"]), int(fields.get("copy", 0))
    except (ValueError, TypeError, KeyError):
        story, copy = "", 0
    count = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Delivery(message["MessageId"], message["ReceiptHandle"], story, copy, count)


def error_answer(service: str, status: int, code: str) -> "_Answer":
    """Return an error as the service would spell it."""
    if service == "s3":
        text = f"<Error><Code>{escape(code)}</Code><Message>by the proxy</Message></Error>"
        kind = "application/xml"
    else:
        text, kind = json.dumps({"__type": code, "message": "by the proxy"}), "application/x-amz-json-1.0"
    content = text.encode()
    return status, {"Content-Type": kind, "Content-Length": str(len(content))}, content
