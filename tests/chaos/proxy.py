"""
The fault proxy: an HTTP server between one worker and the emulator, which knows every request's meaning.

Each worker has a gate of its own, so that a request's sender is known by the port it came to. The product
needs no hooks for this: its boundaries are HTTP requests.
"""

import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from signal import Signals
from typing import Any
from urllib.parse import urlsplit

from app.local.platform import Platform
from tests.chaos.calls import Boundary, call_of
from tests.chaos.faults import SIGNALS, Fault, Kind, Plan, Side
from tests.chaos.journal import Blow, Delivery, Entry, Journal
from tests.chaos.stories import job_in, story_named
from tests.forwarding import Answer, Forwarder, http_server

LONGEST_SECS = 60.0
"""No fault lasts longer, whatever it waits for."""
_POLL_SECS = 0.02
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
        self.delivery: Delivery | None = None
        self.outage_fault: Fault | None = None
        self.send_signal: Callable[[Signals], bool] = lambda _: False
        """Signals the worker behind this gate; returns whether it lived."""
        self._server = ExitStack()
        upstream = urlsplit(platform.endpoint_url).netloc
        address = self._server.enter_context(http_server(_Crossing, upstream=upstream, gate=self))
        self.platform = replace(
            platform,
            endpoint_url=f"http://{address}",
            queue_url=platform.queue_url.replace(upstream, address),
            dead_letter_queue_url=platform.dead_letter_queue_url.replace(upstream, address),
        )

    def received(self, delivery: Delivery) -> None:
        """Take what a worker received as the meaning of its next requests."""
        self.journal.messages[delivery.receipt_handle] = delivery.message_id
        self.delivery = delivery
        self.plan = self.plan_of(delivery) or self.plan

    def signal(self, fault: Fault, number: Signals) -> None:
        """Send the worker a signal."""
        if self.send_signal(number):
            self.journal.blows.append(Blow(fault, self.name, self.delivery, time.monotonic()))

    @contextmanager
    def outage(
        self, kind: Kind, *, secs: float, status: int = 0, code: str = ""
    ) -> Iterator[Callable[[], int]]:
        """Meet every request with one fault for `secs`, at least, of the block; yield how many met it."""
        fault = Fault(Boundary.OTHER, Side.BEFORE, kind, status=status, code=code)
        started = time.monotonic()
        self.outage_fault = fault
        try:
            yield lambda: sum(fault in entry.faults for entry in self.journal.entries)
            time.sleep(max(0.0, started + secs - time.monotonic()))
        finally:
            self.outage_fault = None

    def close(self) -> None:
        """Take no further connection; what is under way goes its way."""
        self._server.close()


class _Crossing(Forwarder):
    """Passes each request on, with the faults that it meets."""

    gate: Gate

    def serve(self) -> None:
        """Answer one request, or end the connection."""
        try:
            super().serve()
        except (_CutError, OSError, http.client.HTTPException):
            self._cut()

    def answer(self, body: bytes) -> Answer:
        """Return what the worker gets: the truth, or what a fault makes of it."""
        call = call_of(self.command, self.path, dict(self.headers), body, lease_secs=self.gate.lease_secs)
        entry = Entry(self.gate.name, call, self.gate.delivery)
        self.gate.journal.entries.append(entry)
        plan = self.gate.plan
        before = plan.strike(call.boundary, Side.BEFORE)
        instead = self._strike(before, entry, body) or self._strike(self.gate.outage_fault, entry, body)
        if instead is not None:
            return instead
        answer = self._pass(entry, body)
        plan = self._plan_after(entry, plan, answer[2])
        return self._strike(plan.strike(call.boundary, Side.AFTER), entry, body) or answer

    def _pass(self, entry: Entry, body: bytes) -> Answer:
        entry.passed = time.monotonic()
        answer = self.forward(body)
        entry.answered, entry.status = time.monotonic(), answer[0]
        return answer

    def _plan_after(self, entry: Entry, plan: Plan, content: bytes) -> Plan:
        """Learn from what took effect; return the plan that holds from here."""
        if not entry.took_effect:
            return plan
        if entry.call.boundary is Boundary.CLAIM:
            self.gate.journal.claimed.add(entry.story)
        if entry.call.boundary is Boundary.DELETE and entry.call.receipt_handle:
            journal = self.gate.journal
            journal.deleted_messages.add(journal.messages[entry.call.receipt_handle])
        if entry.call.boundary is not Boundary.RECEIVE:
            return plan
        for message in json.loads(content).get("Messages", []):
            entry.delivery = delivery_of(message)
            self.gate.received(entry.delivery)
            return self.gate.plan
        # An empty answer is no crossing.
        return Plan()

    def _strike(self, fault: Fault | None, entry: Entry, body: bytes) -> Answer | None:
        """Let a fault have its way; return what the worker gets instead of the truth, if anything."""
        if fault is None:
            return None
        entry.faults.append(fault)
        if fault.kind is Kind.ANSWER:
            return _error(entry.call.service, fault)
        if fault.kind in SIGNALS:
            self.gate.signal(fault, SIGNALS[fault.kind])
        if fault.kind is Kind.CUT or (fault.kind is Kind.KILL and not fault.lasts):
            raise _CutError
        _last(fault)
        if fault.kind is Kind.KILL:
            self._plan_after(entry, Plan(), self._pass(entry, body)[2])
            raise _CutError
        if fault.kind is Kind.PAUSE:
            self.gate.send_signal(Signals.SIGCONT)
        return None

    def _cut(self) -> None:
        """End the connection with a reset, as a network does that fails."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RDWR)


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
    job = job_in(message["Body"])
    story = str(job.get("parent_id") or story_named(str(job.get("audio_out", ""))))
    count = int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Delivery(message["MessageId"], message["ReceiptHandle"], story, int(job.get("copy", 0)), count)


def _error(service: str, fault: Fault) -> Answer:
    """Return an error as the service spells it."""
    is_xml = service in {"s3", "sns"}
    if is_xml:
        text = f"<Error><Code>{fault.code}</Code><Message>by the proxy</Message></Error>"
        text = f"<ErrorResponse>{text}</ErrorResponse>" if service == "sns" else text
    else:
        text = json.dumps({"__type": fault.code, "message": "by the proxy"})
    kind = "application/xml" if is_xml else "application/x-amz-json-1.0"
    return fault.status, {"Content-Type": kind, "Content-Length": str(len(text))}, text.encode()
