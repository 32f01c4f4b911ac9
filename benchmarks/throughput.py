"""
A thousand jobs of a sentence each through one worker: how many a second, and what they leave behind.

    python -m benchmarks.throughput [--jobs 1000]

Prints jobs a second, the share of the time that went to anything but the engine, and how memory, descriptors,
threads and processes of the worker and of its speech child changed after the first tenth of the jobs. Ends
with 1 where a job was lost or done twice, where memory grew by 5% or more, or where anything leaked.
"""

import argparse
import os
import sys

from app.local.emulator import emulator
from app.local.platform import create_platform
from tests.chaos.long_life import MOST_GROWTH, live

NAMES = ("worker", "speech child")


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000)
    count = parser.parse_args().jobs
    with emulator() as address:
        platform = create_platform(address)
        os.environ.update(platform.environment())
        life = live(platform, jobs=count, first=count // 10)
    outside, job_ms = life.share_outside_engine, life.job_secs * 1000
    print(f"{count} jobs: {life.lost} lost, {life.doubled} doubled, exit code {life.exit_code}")
    print(f"{life.jobs_a_second:.1f} jobs a second; {outside:.0%} of the time outside the engine")
    print(f"{job_ms:.0f} ms a job, of it outside the engine {job_ms * outside:.0f} ms")
    for name, memory, growth in zip(NAMES, life.last.memory_kib, life.growth, strict=True):
        print(f"{name}: {memory / 1024:.1f} MiB, {growth:+.1%} since job {count // 10}")
    print(f"leaks: {', '.join(life.leaks) or 'none'}")
    broken = life.lost or life.doubled or life.leaks or life.exit_code or max(life.growth) >= MOST_GROWTH
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
