"""Faults, and when they strike: directed ones for a test, seeded ones for a soak."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.chaos.calls import Boundary


class Side(StrEnum):
    """Whether a fault strikes before the request takes effect, or after."""

    BEFORE = "before"
    AFTER = "after"


class Kind(StrEnum):
    """What happens to a request, or to the worker that sent it."""

    KILL = "SIGKILL"
    """Before: the request is lost with its sender, or arrives `secs` later. After: it took effect."""
    PAUSE = "SIGSTOP"
    """The worker stands still for `secs`. Before: the request takes effect when it wakes."""
    TERM = "SIGTERM"
    HOLD = "hold"
    """The request, or its reply, takes `secs`; the worker lives and renews."""
    CUT = "cut"
    """The connection ends without a reply."""
    ANSWER = "answer"
    """The worker is told `status` and `code`, whatever really happened."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at the `nth` crossing of a boundary, and at the `times - 1` crossings after it."""

    boundary: Boundary
    side: Side
    kind: Kind
    secs: float = 0.0
    until: Callable[[], bool] | None = None
    """Instead of `secs`: the fault lasts until this holds."""
    status: int = 0
    code: str = ""
    nth: int = 1
    times: int = 1

    def __str__(self) -> str:
        """As a schedule is printed."""
        told = f" {self.status} {self.code}" if self.kind is Kind.ANSWER else ""
        lasts = f" {self.secs:.1f} s" if self.secs else ""
        times = f" x{self.times}" if self.times > 1 else ""
        return f"{self.kind}{told}{lasts}{times} {self.side} {self.boundary}"


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
            is_here = (fault.boundary, fault.side) == (boundary, side)
            if is_here and fault.nth <= count < fault.nth + fault.times:
                return fault
        return None


_PATH = (
    Boundary.RECEIVE,
    Boundary.CLAIM,
    Boundary.MARK,
    Boundary.LOOK,
    Boundary.PUT_AUDIO,
    Boundary.PUT_SRT,
    Boundary.PUT_VTT,
    Boundary.PUT_WORDS,
    Boundary.COMMIT,
    Boundary.DELETE,
)
"""What every job crosses, in this order."""
_S3 = frozenset({Boundary.LOOK, Boundary.PUT_AUDIO, Boundary.PUT_SRT, Boundary.PUT_VTT, Boundary.PUT_WORDS})
_SQS = frozenset(
    {Boundary.RECEIVE, Boundary.DELETE, Boundary.EXTEND, Boundary.GIVE_BACK, Boundary.DEAD_LETTER}
)
_ANSWERS = {
    "s3": ((503, "SlowDown"), (500, "InternalError"), (412, "PreconditionFailed"), (403, "ExpiredToken")),
    "s3 put": ((503, "SlowDown"), (412, "PreconditionFailed"), (409, "ConditionalRequestConflict")),
    "sqs": ((503, "ServiceUnavailable"), (500, "InternalFailure"), (403, "ExpiredToken")),
    "dynamodb": (
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServerError"),
        (400, "ExpiredTokenException"),
    ),
}
DELIVERIES_WITH_FAULTS = 3
"""After so many a message is left in peace, so that every run has an end."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    Which faults strike where: a function of the seed, the job, the copy of its message and the delivery.

    It is the same in every run, in whatever order the workers happen to take the jobs.
    """

    seed: int
    lease_secs: float
    kill_share: float = 0.38
    pause_share: float = 0.09
    term_share: float = 0.03
    other_share: float = 0.2

    def plan(self, job: int, copy: int, delivery: int) -> Plan:
        """Return what the `delivery`-th receipt (from 1) of a copy of a job's message will meet."""
        if delivery > DELIVERIES_WITH_FAULTS:
            return Plan()
        dice = Random(f"{self.seed}/{job}/{copy}/{delivery}")  # noqa: S311  # reproducible by intent
        # Each further delivery meets fewer faults than the one before.
        drawn = dice.random() * delivery
        for share, make in (
            (self.kill_share, self._kill),
            (self.pause_share, self._pause),
            (self.term_share, self._term),
            (self.other_share, self._other),
        ):
            if drawn < share:
                return Plan(make(dice))
            drawn -= share
        return Plan()

    def _kill(self, dice: Random) -> list[Fault]:
        side, boundary = self._place(dice)
        if side is Side.BEFORE and dice.random() < 1 / 4:
            # Its last words are still on the wire, and arrive when another may have taken over.
            return [Fault(boundary, side, Kind.KILL, secs=self.lease_secs * dice.uniform(0.5, 2))]
        return [*self._slow_down(dice), Fault(boundary, side, Kind.KILL)]

    def _pause(self, dice: Random) -> list[Fault]:
        side, boundary = self._place(dice)
        return [Fault(boundary, side, Kind.PAUSE, secs=self.lease_secs * dice.uniform(1.1, 2))]

    def _term(self, dice: Random) -> list[Fault]:
        side, boundary = self._place(dice)
        return [*self._slow_down(dice), Fault(boundary, side, Kind.TERM)]

    def _other(self, dice: Random) -> list[Fault]:
        side, boundary = self._place(dice)
        kind = dice.choice((Kind.HOLD, Kind.CUT, Kind.CUT, Kind.ANSWER, Kind.ANSWER))
        if kind is Kind.HOLD:
            return [Fault(boundary, side, kind, secs=self.lease_secs * dice.uniform(0.3, 1.6))]
        # The SDK tries three times: what strikes more often reaches the worker itself.
        times = dice.choice((1, 1, 3, 4))
        if kind is Kind.CUT:
            return [Fault(boundary, side, kind, times=times)]
        status, code = dice.choice(_ANSWERS[_kind_of(boundary)])
        return [Fault(boundary, side, kind, status=status, code=code, times=times)]

    def _place(self, dice: Random) -> tuple[Side, Boundary]:
        side = dice.choice((Side.BEFORE, Side.AFTER))
        # Of a receipt that did not take place nobody knows which job it was for.
        return (Side.AFTER if (boundary := dice.choice(_PATH)) is Boundary.RECEIVE else side), boundary

    def _slow_down(self, dice: Random) -> list[Fault]:
        """Now and then let the job last into its renewals, and let these fail too."""
        if dice.random() > 1 / 5:
            return []
        renewal = dice.choice((Boundary.RENEW, Boundary.EXTEND))
        return [
            Fault(Boundary.LOOK, Side.BEFORE, Kind.HOLD, secs=self.lease_secs * 0.8),
            Fault(renewal, dice.choice(tuple(Side)), dice.choice((Kind.KILL, Kind.CUT)), times=1),
        ]


def _kind_of(boundary: Boundary) -> str:
    if boundary in _S3:
        return "s3" if boundary is Boundary.LOOK else "s3 put"
    return "sqs" if boundary in _SQS else "dynamodb"
