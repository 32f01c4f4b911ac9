"""A worker that has done many jobs holds no more than one that has done a few."""

import pytest

from app.local.platform import Platform
from benchmarks.throughput import MOST_GROWTH, live


@pytest.mark.slow
def test_many_jobs_leave_nothing_behind(platform: Platform) -> None:
    """No job is lost or done twice, and no memory, process, thread, descriptor or file leaks."""
    life = live(platform, jobs=90, first=30)

    assert (life.lost, life.doubled, life.exit_code) == (0, 0, 0)
    assert life.leaks == []
    assert max(life.growth) < MOST_GROWTH
    assert life.last.counts["processes"] == 2
