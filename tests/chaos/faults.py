"""Faults, and when they strike: directed ones for a test, seeded ones for a soak."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from signal import Signals

from tests.chaos.calls import PATH, PUTS, Boundary


class Side(StrEnum):
    """Whether a fault strikes before the request takes effect, or after."""

    BEFORE = "before"
    AFTER = "after"


class Kind(StrEnum):
    """What happens to a request, or to the worker that sent it."""

    KILL = "SIGKILL"
    """Before: the request is lost with its sender, or arrives `secs` later. After: it took effect."""
    PAUSE = "SIGSTOP"
    """The worker stops for `secs`. Before: the request takes effect when it continues."""
    TERM = "SIGTERM"
    HOLD = "hold"
    """The request, or its reply, takes `secs`; the worker lives and renews."""
    CUT = "cut"
    """The connection ends without a reply."""
    ANSWER = "answer"
    """The worker gets `status` and `code`, whatever really happened."""


SIGNALS = {Kind.KILL: Signals.SIGKILL, Kind.PAUSE: Signals.SIGSTOP, Kind.TERM: Signals.SIGTERM}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at the first crossings of a boundary, of which there are `times`."""

    boundary: Boundary
    side: Side
    kind: Kind
    secs: float = 0.0
    until: Callable[[], bool] | None = None
    """Instead of `secs`: the fault lasts until this holds."""
    status: int = 0
    code: str = ""
    times: int = 1

    @property
    def lasts(self) -> bool:
        """Whether it takes time."""
        return self.secs > 0 or self.until is not None

    def __str__(self) -> str:
        """As a schedule is printed."""
        answer = f" {self.status} {self.code}" if self.kind is Kind.ANSWER else ""
        lasts = f" {self.secs:.1f} s" if self.secs else ""
        times = f" x{self.times}" if self.times > 1 else ""
        return f"{self.kind}{answer}{lasts}{times} {self.side} {self.boundary}"


class Plan:
    """The faults that one delivery of a message, or one worker, will meet. Safe between threads."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self._crossings: Counter[tuple[Boundary, Side]] = Counter()
        self._lock = threading.Lock()

    def strike(self, boundary: Boundary, side: Side) -> Fault | None:
        """Count a crossing and return the fault that it meets, if any."""
        with self._lock:
            self._crossings[boundary, side] += 1
            count = self._crossings[boundary, side]
        for fault in self.faults:
            if (fault.boundary, fault.side) == (boundary, side) and count <= fault.times:
                return fault
        return None


_SERVICES = {Boundary.RECEIVE: "sqs", Boundary.DELETE: "sqs", Boundary.LOOK: "s3"}
_SERVICES |= dict.fromkeys(PUTS.values(), "s3 put") | {Boundary.PUBLISH: "sns"}
_ANSWERS = {
    "s3": ((503, "SlowDown"), (500, "InternalError"), (412, "PreconditionFailed"), (403, "ExpiredToken")),
    "s3 put": ((503, "SlowDown"), (412, "PreconditionFailed"), (409, "ConditionalRequestConflict")),
    "sns": ((503, "ServiceUnavailable"), (400, "Throttling"), (403, "AuthorizationError"), (404, "NotFound")),
    "sqs": ((503, "ServiceUnavailable"), (500, "InternalFailure"), (403, "ExpiredToken")),
    "dynamodb": (
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServerError"),
        (400, "ExpiredTokenException"),
    ),
}
DELIVERIES_WITH_FAULTS = 3
"""Later deliveries of a message meet no fault, so that every run ends."""
_SHARES = ((Kind.KILL, 0.62), (Kind.PAUSE, 0.14), (Kind.TERM, 0.03), (Kind.ANSWER, 0.16))
"""Of the first deliveries; the last is for all faults that leave the worker alone."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    Which faults strike where: a function of the seed, the job, the copy of its message and the delivery.

    It is the same in every run, in whatever order the workers take the jobs.
    """

    seed: int
    lease_secs: float

    def plan(self, job: int, copy: int, delivery: int) -> Plan:
        """Return what the `delivery`-th receipt (from 1) of a copy of a job's message will meet."""
        if delivery > DELIVERIES_WITH_FAULTS:
            return Plan()
        dice = Random(f"{self.seed}/{job}/{copy}/{delivery}")  # noqa: S311  # reproducible by intent
        # Each further delivery meets fewer faults than the one before.
        drawn = dice.random() * delivery
        for kind, share in _SHARES:
            if drawn < share:
                return Plan(self._faults(kind, dice))
            drawn -= share
        return Plan()

    def _faults(self, kind: Kind, dice: Random) -> list[Fault]:
        side, boundary = dice.choice(tuple(Side)), dice.choice(PATH)
        if boundary is Boundary.RECEIVE:
            side = Side.AFTER  # of a receipt that did not take place nobody knows which job it was for
        if kind is Kind.ANSWER:
            return [self._harmless(boundary, side, dice)]
        if kind is Kind.PAUSE:
            return [Fault(boundary, side, kind, secs=self.lease_secs * dice.uniform(1.1, 2))]
        if kind is Kind.KILL and side is Side.BEFORE and dice.random() < 1 / 4:
            # The request is still on the wire, and arrives when another worker may have taken over.
            return [Fault(boundary, side, kind, secs=self.lease_secs * dice.uniform(0.5, 2))]
        slow = []
        if dice.random() < 1 / 5:
            # The job lasts into its renewals, and these fail too.
            renewal = dice.choice((Boundary.RENEW, Boundary.EXTEND))
            slow = [
                Fault(Boundary.LOOK, Side.BEFORE, Kind.HOLD, secs=self.lease_secs * 0.8),
                Fault(renewal, dice.choice(tuple(Side)), dice.choice((Kind.KILL, Kind.CUT))),
            ]
        return [*slow, Fault(boundary, side, kind)]

    def _harmless(self, boundary: Boundary, side: Side, dice: Random) -> Fault:
        kind = dice.choice((Kind.HOLD, Kind.CUT, Kind.CUT, Kind.ANSWER, Kind.ANSWER))
        if kind is Kind.HOLD:
            return Fault(boundary, side, kind, secs=self.lease_secs * dice.uniform(0.3, 1.6))
        # The SDK tries three times: what strikes more often reaches the worker itself.
        times = dice.choice((1, 1, 3, 4))
        if kind is Kind.CUT:
            return Fault(boundary, side, kind, times=times)
        status, code = dice.choice(_ANSWERS[_SERVICES.get(boundary, "dynamodb")])
        return Fault(boundary, side, kind, status=status, code=code, times=times)
