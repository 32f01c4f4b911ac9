"""`python -m tests.fuzz --bodies N`: many bodies against the edge as a command; see `make fuzz`."""

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from tests.fuzz.bodies import bodies, check

_REPORT_EVERY = 5000


class Tally:
    """How many bodies were tried, and how many were jobs."""

    def __init__(self) -> None:
        self.tried = self.jobs = 0
        self.began = time.monotonic()

    def try_one(self, body: str) -> None:
        """Hold the edge to its promises for one more body."""
        self.jobs += check(body)
        self.tried += 1
        if self.tried % _REPORT_EVERY == 0:
            print(self, flush=True)

    def __str__(self) -> str:
        secs = time.monotonic() - self.began
        return f"{self.tried} bodies, {self.jobs} of them jobs, {secs:.0f} s"


def main() -> int:
    """Fuzz; hypothesis shrinks and raises what breaks a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--bodies", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tally = Tally()
    fuzz = seeded(arguments.seed)(
        settings(
            max_examples=arguments.bodies,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )(given(bodies)(tally.try_one))
    )
    fuzz()
    print(f"{tally}: every one a job or a typed refusal", flush=True)
    return 0 if tally.tried >= arguments.bodies else 1


if __name__ == "__main__":
    sys.exit(main())
