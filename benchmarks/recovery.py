"""
Measures the time from the kill of a worker to the next claim of its job.

    python -m benchmarks.recovery [--kills 200]

The first worker of each job is killed at a random call between claim and commit, some after renewals.
Prints the median and the 99th percentile. Exits with 1 if the latter exceeds the lease by more than 2 s.
"""

import argparse
import os
import sys
from random import Random

from app.local.emulator import emulator
from app.local.platform import create_platform
from tests.chaos.calls import PUTS, Boundary
from tests.chaos.faults import Fault, Kind, Plan, Side
from tests.chaos.journal import Journal
from tests.chaos.soak import Run
from tests.chaos.stories import Story
from tests.workers import LEASE_SECS

SLACK_SECS = 2.0
WORKERS = 4
UNDER_WAY = 2
"""Fewer jobs than workers, so that somebody is always free to take a job up."""


def plan_of(number: int, _copy: int, delivery: int) -> Plan:
    """Return the kill that the first delivery of a job meets."""
    if delivery > 1:
        return Plan()
    dice = Random(number)  # noqa: S311  # reproducible by intent
    boundary = dice.choice((Boundary.CLAIM, Boundary.MARK, *PUTS.values(), Boundary.COMMIT))
    side = Side.AFTER if boundary is Boundary.CLAIM else Side.BEFORE
    slow = Fault(Boundary.LOOK, Side.BEFORE, Kind.HOLD, secs=dice.choice((0, 0, 1, LEASE_SECS)))
    return Plan([slow, Fault(boundary, side, Kind.KILL)])


def recoveries(journal: Journal) -> list[float]:
    """Return, for each kill, the seconds until the next claim of its job took effect."""
    claims = [entry for entry in journal.of(Boundary.CLAIM) if entry.took_effect]
    found: list[float] = []
    for blow in journal.blows:
        story = blow.delivery.story if blow.delivery else ""
        later = [claim.answered for claim in claims if claim.story == story and (claim.passed or 0) > blow.at]
        found.append(min((at for at in later if at), default=float("inf")) - blow.at)
    return found


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    stories = [
        Story(number, fields={"text": f"Story number {number}.\n\nIt was killed."}) for number in range(kills)
    ]
    with emulator() as address:
        platform = create_platform(address)
        os.environ.update(platform.environment())
        run = Run(platform, stories, plan_of, workers=WORKERS, most_under_way=UNDER_WAY)
        figures = run.run(progress=lambda line: print(line, flush=True))
    times = sorted(recoveries(run.journal))
    p99 = times[int(len(times) * 0.99) - 1]
    most = LEASE_SECS + SLACK_SECS
    print(figures)
    median = times[len(times) // 2]
    print(f"{len(times)} kills: median {median:.2f} s, p99 {p99:.2f} s, longest {times[-1]:.2f} s")
    print(f"the visibility is {LEASE_SECS} s, so p99 must be at most {most:g} s")
    return 0 if p99 <= most and not figures.violations else 1


if __name__ == "__main__":
    sys.exit(main())
