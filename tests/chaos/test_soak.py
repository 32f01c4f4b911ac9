"""A soak in small, and the parts that its verdict rests on: the schedule and the checker."""

from pathlib import Path

import pytest

from app.job import RowKey
from app.local.platform import Platform
from tests.chaos.checker import End, Sent, violations
from tests.chaos.faults import DELIVERIES_WITH_FAULTS, Kind, Schedule
from tests.chaos.fleet import guarded_worker
from tests.chaos.journal import Journal
from tests.chaos.soak import Story, soak, story_of
from tests.workers import LEASE_SECS, Jobs, until

STORY = RowKey("chaos-1", "tts")


def planned(seed: int) -> list[str]:
    """Return the schedule of a seed, spelled."""
    schedule = Schedule(seed=seed, lease_secs=LEASE_SECS)
    return [
        f"{number} {copy} {delivery} {fault}"
        for number in range(100)
        for copy in range(story_of(seed, number).copies)
        for delivery in range(1, DELIVERIES_WITH_FAULTS + 2)
        for fault in schedule.plan(number, copy, delivery).faults
    ]


def test_a_seed_is_a_schedule() -> None:
    """A seed always plans the same faults for the same jobs, and no faults after a few deliveries."""
    assert planned(1) == planned(1)
    assert planned(1) != planned(2)
    assert [story_of(3, number) for number in range(50)] == [story_of(3, number) for number in range(50)]
    assert Schedule(seed=1, lease_secs=1).plan(1, 0, DELIVERIES_WITH_FAULTS + 1).faults == ()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_fault_is_planned(kind: Kind) -> None:
    """A hundred jobs meet every kind of fault there is."""
    assert any(str(kind) in line for line in planned(1))


@pytest.mark.slow
def test_a_soak_ends_without_a_violation(platform: Platform) -> None:
    """Kills, pauses and duplicates violate no invariant; `make chaos` runs them by the thousand."""
    figures = soak(platform.endpoint_url, jobs=30, seed=7)
    assert figures.violations == []
    assert figures.faults[Kind.KILL] > 0
    assert figures.faults[Kind.PAUSE] > 0
    assert figures.duplicates > 0


class Ended:
    """A completed job, to be damaged."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.jobs, self.journal = Jobs(platform), Journal()
        body = Story(1).body()
        self.jobs.tasks.create(STORY, RowKey(STORY.id, "srt"), source_prompt="test")
        self.sent = Sent(STORY.id, body, End.COMPLETED, (self.jobs.send(body),))
        with guarded_worker(platform, self.journal, folder):
            until(lambda: self.journal.deleted_messages)

    def broken(self) -> set[str]:
        """Return the invariants that the checker finds broken."""
        return {violation.invariant for violation in violations([self.sent], self.jobs, self.journal)}

    def put(self, key: str) -> None:
        """Write to the bucket, as no worker would."""
        self.jobs.s3.put_object(Bucket=self.platform.bucket, Key=f"{STORY.id}/{key}", Body=b"not of this job")


@pytest.mark.slow
def test_the_checker_sees_what_is_broken(platform: Platform, tmp_path: Path) -> None:
    """A completed job violates nothing; each damage violates the invariant that it belongs to."""
    ended = Ended(platform, tmp_path)
    assert ended.broken() == set()

    ended.jobs.write(STORY, "SET sparse_gsi_hash_key = :hash", hash="x")
    assert ended.broken() == {"I5"}
    ended.jobs.write(STORY, "REMOVE sparse_gsi_hash_key")
    ended.put("srt.vtt")
    assert ended.broken() == {"I3"}
    ended.put("tts.wav")
    assert ended.broken() == {"I3"}
    ended.jobs.write(STORY, "SET #status = :status, sparse_gsi_hash_key = :status", status="FAILED")
    assert ended.broken() == {"I1", "I2", "I4"}
    ended.jobs.send("a message that nobody sent")
    assert "I1" in ended.broken()


@pytest.mark.slow
def test_the_checker_sees_a_lost_job(platform: Platform) -> None:
    """A message that is gone while its rows are PENDING is a lost job."""
    jobs, journal = Jobs(platform), Journal()
    jobs.tasks.create(STORY, RowKey(STORY.id, "srt"), source_prompt="test")
    lost = Sent(STORY.id, "{}", End.COMPLETED, ("a message",))
    assert {violation.invariant for violation in violations([lost], jobs, journal)} == {"I1"}
