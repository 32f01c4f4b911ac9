"""`python -m tests.chaos --jobs N --seed S`: a soak as a command; see `make chaos`."""

import argparse
import os
import sys

from app.local.emulator import CREDENTIALS, REGION, emulator
from tests.chaos.faults import DELIVERIES_WITH_FAULTS, Schedule
from tests.chaos.soak import soak, story_of
from tests.workers import LEASE_SECS


def main() -> int:
    """Run the soak, or print its schedule; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan", action="store_true", help="print the schedule of faults and exit")
    arguments = parser.parse_args()
    if arguments.plan:
        _print_plan(arguments.jobs, arguments.seed)
        return 0
    os.environ.update(CREDENTIALS | {"AWS_DEFAULT_REGION": REGION})
    with emulator() as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        figures = soak(
            address, jobs=arguments.jobs, seed=arguments.seed, progress=lambda line: print(line, flush=True)
        )
    for violation in figures.violations:
        print(violation)
    print(f"seed {arguments.seed}: {figures}", flush=True)
    return 1 if figures.violations else 0


def _print_plan(jobs: int, seed: int) -> None:
    schedule = Schedule(seed=seed, lease_secs=LEASE_SECS)
    for number in range(jobs):
        for copy in range(story_of(seed, number).copies):
            for delivery in range(1, DELIVERIES_WITH_FAULTS + 1):
                for fault in schedule.plan(number, copy, delivery).faults:
                    print(f"job {number} copy {copy} delivery {delivery}: {fault}")


if __name__ == "__main__":
    sys.exit(main())
