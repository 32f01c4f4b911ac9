"""
Measures the time from SIGTERM to the exit of a worker that is idle, starting, or in a short or long job.

    python -m benchmarks.shutdown [--runs 100]

Workers run with a stop timeout of 25 s. Prints the median and the longest time by kind. Exits with 1 if a
worker took 25 s or more, or had an exit code other than 0. A process that is stopped before it has installed
its signal handlers ends by the signal itself, which is fine: it has no job then.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from signal import SIGTERM
from uuid import uuid4

from app.local.emulator import emulator
from app.local.platform import create_platform
from tests.workers import Jobs, WorkerProcess, until, worker

STOP_TIMEOUT_SECS = 25
AT_ONCE = 3
SENTENCE = "The quick brown fox jumps over the lazy dog, and the dog, being lazy, lets it. "
KINDS = {"idle": "", "short job": SENTENCE * 400, "endless job": SENTENCE * 12_000, "starting": ""}


def run(address: str, number: int) -> tuple[str, float, int]:
    """Start a worker, bring it into a state, stop it, and return (state, seconds, exit code)."""
    kind = list(KINDS)[number % len(KINDS)]
    dice = random.Random(number)  # noqa: S311  # reproducible by intent
    platform = create_platform(address, suffix=f"-{uuid4().hex[:12]}")
    jobs = Jobs(platform)
    if KINDS[kind]:
        jobs.story(KINDS[kind])
    with worker(platform, STOP_TIMEOUT_SECS=str(STOP_TIMEOUT_SECS), RECEIVE_WAIT_SECS="20") as process:
        _reach(kind, process, jobs, dice)
        began = time.monotonic()
        process.signal(SIGTERM)
        code = process.wait()
        return kind, time.monotonic() - began, code


def _reach(kind: str, process: WorkerProcess, jobs: Jobs, dice: random.Random) -> None:
    if kind == "starting":
        time.sleep(dice.uniform(0, 2))
    elif kind == "idle":
        received = jobs.story(SENTENCE)
        jobs.wait_for(received, "COMPLETED")
        time.sleep(dice.uniform(0, 1))
    else:
        until(lambda: process.logged("job claimed"))
        time.sleep(dice.uniform(0, 2))


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shutdown", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = defaultdict(list)
    odd: list[str] = []
    with emulator() as address, ThreadPoolExecutor(AT_ONCE) as pool:
        os.environ.update(create_platform(address).environment())
        for kind, secs, code in pool.map(lambda number: run(address, number), range(runs)):
            times[kind].append(secs)
            if code != 0 and not (kind == "starting" and code == -SIGTERM):
                odd.append(f"{kind}: exit code {code}")
    for kind, each in times.items():
        print(f"{kind}: {len(each)} runs, median {statistics.median(each):.2f} s, longest {max(each):.2f} s")
    within = sum(secs < STOP_TIMEOUT_SECS for each in times.values() for secs in each)
    print(f"{within} of {runs} ended within {STOP_TIMEOUT_SECS} s; {', '.join(odd) or 'no odd exit codes'}")
    return 0 if within == runs and not odd else 1


if __name__ == "__main__":
    sys.exit(main())
