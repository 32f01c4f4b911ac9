"""Every fault that the worker promises to survive, each as a test with real processes behind the proxy."""

from collections.abc import Iterable
from itertools import product

import pytest

from app.local.platform import Platform
from tests.chaos.calls import PATH, PUTS, Boundary
from tests.chaos.faults import Fault, Kind, Plan, Side
from tests.chaos.soak import Figures, Run
from tests.chaos.stories import LONGER, UNKNOWN_VOICE, UNSPEAKABLE, Story
from tests.workers import LEASE_SECS

pytestmark = pytest.mark.slow

Case = tuple[Boundary, Fault]
LEASES = 1.6 * LEASE_SECS
"""Long enough for a lease to end and for another worker to take over."""
# Calls that only some jobs make, with the faults and the fields that lead there.
SLOW = Fault(Boundary.LOOK, Side.BEFORE, Kind.HOLD, secs=0.8 * LEASE_SECS)
EXPIRED = Fault(Boundary.PUT_AUDIO, Side.BEFORE, Kind.ANSWER, status=403, code="ExpiredToken")
DETOURS: dict[Boundary, tuple[tuple[Fault, ...], dict[str, str]]] = {
    Boundary.RENEW: ((SLOW,), {}),
    Boundary.EXTEND: ((SLOW,), {}),
    Boundary.RELEASE: ((EXPIRED,), {}),
    Boundary.GIVE_BACK: ((EXPIRED,), {}),
    Boundary.FAIL: ((), {"text": UNSPEAKABLE}),
    Boundary.DEAD_LETTER: ((), {"text": UNSPEAKABLE}),
    Boundary.REFUSE: ((), {"voice": UNKNOWN_VOICE}),
    Boundary.STORE_SEGMENT: ((), {"text": LONGER}),
    Boundary.DROP_SEGMENT: ((), {"text": LONGER}),
}


def gauntlet(platform: Platform, cases: list[Case], *, workers: int = 4) -> Figures:
    """Run one story per case; its first delivery meets its fault, and what leads to it."""
    stories, plans = [], []
    for number, (boundary, fault) in enumerate(cases):
        leading, fields = DETOURS.get(boundary, ((), {}))
        stories.append(Story(number, {**fields}))
        plans.append((*leading, fault))

    def plan_of(number: int, _copy: int, delivery: int) -> Plan:
        return Plan(plans[number] if delivery == 1 else ())

    run = Run(platform, stories, plan_of, workers=workers)
    figures = run.run()
    assert figures.violations == []
    assert unmet(run, cases) == []
    return figures


def at_every_call(kind: Kind, *, sides: Iterable[Side] = Side, secs: float = 0.0) -> list[Case]:
    """Return a fault at every boundary, before and after it takes effect."""
    return [
        (boundary, Fault(boundary, side, kind, secs=secs))
        for boundary, side in product((*PATH, *DETOURS), sides)
    ]


def unmet(run: Run, cases: list[Case]) -> list[str]:
    """Return the faults that never struck: a gauntlet that is not run proves nothing."""
    met = {(entry.story, str(fault)) for entry in run.journal.entries for fault in entry.faults}
    # Of a receipt that did not take place it is not known which story it would have been for.
    stories = {fault for _, fault in met}
    return [
        str(fault)
        for number, (boundary, fault) in enumerate(cases)
        if (f"chaos-{number}", str(fault)) not in met
        and not (boundary is Boundary.RECEIVE and str(fault) in stories)
    ]


def test_sigkill_at_every_call(platform: Platform) -> None:
    """A worker killed after any call has taken effect costs an attempt, never a job."""
    # A worker that is killed before a call leaves what one leaves that is killed after the call before.
    cases = at_every_call(Kind.KILL, sides=[Side.AFTER])
    assert gauntlet(platform, cases).faults[Kind.KILL] == len(cases)


def test_sigstop_beyond_the_lease_at_every_call(platform: Platform) -> None:
    """A worker stopped at any call for longer than its lease breaks nothing when it continues."""
    cases = at_every_call(Kind.PAUSE, secs=LEASES)
    assert gauntlet(platform, cases, workers=6).faults[Kind.PAUSE] == len(cases)


def test_sigterm_at_every_call(platform: Platform) -> None:
    """After SIGTERM during any call, a worker exits with 0, and it or another worker completes the job."""
    # The worker waits for the reply on either side of the effect.
    cases = at_every_call(Kind.TERM, sides=[Side.AFTER])
    assert gauntlet(platform, cases).faults[Kind.TERM] == len(cases)


def test_the_last_words_of_a_dead_worker_arrive_late(platform: Platform) -> None:
    """A request of a killed worker that arrives after another worker took over breaks nothing."""
    # A segment that is stored after its job has ended is left to the bucket's lifecycle rule.
    late = {Boundary.STORE_SEGMENT}
    cases = [
        (boundary, Fault(boundary, Side.BEFORE, Kind.KILL, secs=LEASES))
        for boundary in (*PATH[1:], *DETOURS)
        if boundary not in late
    ]
    gauntlet(platform, cases)


def test_a_cut_connection_at_every_call(platform: Platform) -> None:
    """A lost request or reply is recovered by a retry, of the SDK or the worker, or the job goes back."""
    cases = [
        (boundary, Fault(boundary, side, Kind.CUT, times=times))
        for boundary, side, times in product((*PATH, *DETOURS), Side, (1, 4))
    ]
    gauntlet(platform, cases)


ROWS = (Boundary.CLAIM, Boundary.MARK, Boundary.COMMIT)
OBJECTS = tuple(PUTS.values())
REFUSALS: dict[str, list[tuple[tuple[Boundary, ...], int, str]]] = {
    "rows": [
        (ROWS, 400, "ProvisionedThroughputExceededException"),
        (ROWS, 400, "ThrottlingException"),
        (ROWS, 500, "InternalServerError"),
    ],
    "objects": [
        ((Boundary.LOOK, *OBJECTS), 503, "SlowDown"),
        (OBJECTS, 412, "PreconditionFailed"),
        (OBJECTS, 409, "ConditionalRequestConflict"),
    ],
    "messages and credentials": [
        ((Boundary.RECEIVE, Boundary.DELETE), 503, "ServiceUnavailable"),
        ((Boundary.RECEIVE, *OBJECTS, Boundary.DELETE), 403, "ExpiredToken"),
    ],
    "events": [
        ((Boundary.PUBLISH,), 503, "ServiceUnavailable"),
        ((Boundary.PUBLISH,), 403, "AuthorizationError"),
        ((Boundary.PUBLISH,), 404, "NotFound"),
        ((Boundary.CLEAR,), 400, "ThrottlingException"),
    ],
}


@pytest.mark.parametrize("refusals", REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals_of_aws(platform: Platform, refusals: list[tuple[tuple[Boundary, ...], int, str]]) -> None:
    """Throttling, server errors, failed conditions and expired credentials, before or after the effect."""
    cases = [
        (boundary, Fault(boundary, side, Kind.ANSWER, status=status, code=code, times=times))
        for boundaries, status, code in refusals
        for boundary, side, times in product(boundaries, Side, (1, 4))
    ]
    gauntlet(platform, cases)
