"""
A run: jobs, several workers, the faults that each job meets, and the verdict; a soak is a seeded one.

`python -m tests.chaos.soak --jobs N --seed S` is `make chaos`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

from app.job import RowKey
from app.local.emulator import CREDENTIALS, REGION, emulator
from app.local.platform import Platform, create_platform
from tests import logs
from tests.chaos.calls import Boundary
from tests.chaos.checker import End, Sent, Violation, violations
from tests.chaos.faults import SIGNALS, Kind, Plan, Schedule
from tests.chaos.fleet import Fleet
from tests.chaos.journal import Delivery, Journal
from tests.workers import LEASE_SECS, Jobs

WORKERS = 5
MOST_UNDER_WAY = 40
"""Messages on the queue at a time: deep queues of the emulator are slow."""
DUPLICATE_SHARE = 0.22
STALL_SECS = 240.0
"""Without any message coming to its end for so long, a run has failed."""
_TICK_SECS = 0.05
_PROGRESS_SECS = 5.0
_WORDS = ("zebrawood", "candlestick", "quicksilver")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to."""

    jobs: int
    duplicates: int
    deliveries: int
    faults: Counter[Kind]
    """Of signals those that reached a living worker."""
    secs: float
    violations: list[Violation]

    def __str__(self) -> str:
        faults = ", ".join(f"{count} {kind}" for kind, count in self.faults.most_common())
        return (
            f"{self.jobs} jobs, {self.duplicates} duplicates, {self.deliveries} deliveries, {faults},"
            f" {self.secs:.0f} s: {len(self.violations)} violations"
        )


@dataclass(slots=True)
class Story:
    """A job to send: good, unless `end` says otherwise."""

    number: int
    end: End = End.COMPLETED
    fields: dict[str, object] = field(default_factory=dict)
    """Of the body, in place of the usual ones."""
    copies: int = 1
    late_copy: bool = False
    """The copy is sent when the first has ended."""
    message_ids: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of its rows."""
        return f"chaos-{self.number}"

    def body(self, copy: int = 0) -> str:
        """Return the body of one copy of the message."""
        if self.end is End.LETTER:
            return f"no job at all: {self.number}"
        usual = {"text": "The cat sat.\n\nThe dog did not.", "tts_task_id": "tts", "srt_task_id": "srt"}
        return json.dumps({"parent_id": self.id, **usual, **self.fields, "copy": copy})


def story_of(seed: int, number: int) -> Story:
    """Return the job of that number: most are good, a few can never succeed; a fifth comes twice."""
    dice = Random(f"{seed}/{number}/story")  # noqa: S311  # reproducible by intent
    words = " ".join(dice.choice(_WORDS) for _ in range(dice.randrange(2, 6)))
    fields: dict[str, object] = {"text": f"The {words} sang.\n\nIt was number {number}."}
    kind = dice.random()
    end = End.COMPLETED
    if kind < 0.02:
        fields["voice"], end = "darth", End.FAILED
    elif kind < 0.04:
        fields["text"], end = "*** --- ***", End.FAILED
    elif kind < 0.05:
        return Story(number, End.LETTER)
    twice = dice.random() < DUPLICATE_SHARE
    return Story(number, end, fields, copies=1 + twice, late_copy=dice.random() < 1 / 2)


PlanOfJob = Callable[[int, int, int], Plan]
"""(number of the job, copy of its message, delivery of that copy) -> the faults it meets."""


class Run:
    """One run of workers over `stories`."""

    def __init__(
        self,
        platform: Platform,
        stories: list[Story],
        plan_of: PlanOfJob,
        *,
        workers: int = WORKERS,
        most_under_way: int = MOST_UNDER_WAY,
    ) -> None:
        self.jobs = Jobs(platform)
        self.journal = Journal()
        self._platform = platform
        self._stories = stories
        self._plan_of_job = plan_of
        self._workers = workers
        self._most_under_way = most_under_way
        self._waiting = list(reversed(stories))
        self._late: list[Story] = []
        self._sent: set[str] = set()

    def run(self, *, progress: Callable[[str], None] = lambda _: None) -> Figures:
        """Feed the jobs, tend the workers, and decide when all is done, or nothing moves any more."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="story-tts-chaos-") as folder:
            fleet = Fleet(self._platform, self.journal, Path(folder), plan_of=self._plan_of)
            try:
                self._feed_until_done(fleet, progress)
                fleet.stop()
                found = self._verdict(fleet)
            finally:
                fleet.end()
        found += [Violation("log", "-", leak) for leak in logs.found]
        return self._figures(time.monotonic() - started, found)

    def _plan_of(self, delivery: Delivery) -> Plan:
        prefix, _, number = delivery.story.partition("-")
        return self._plan_of_job(int(number), delivery.copy, delivery.count) if prefix == "chaos" else Plan()

    def _feed_until_done(self, fleet: Fleet, progress: Callable[[str], None]) -> None:
        said = moved = time.monotonic()
        ended = 0
        while self._waiting or self._late or self._under_way:
            fleet.tend(self._workers)
            self._feed()
            now = time.monotonic()
            if (count := len(self.journal.deleted_messages)) != ended:
                ended, moved = count, now
            if now - moved > STALL_SECS:
                return
            if now - said > _PROGRESS_SECS:
                said = now
                kills = sum(blow.fault.kind is Kind.KILL for blow in self.journal.blows)
                to_come = len(self._waiting)
                progress(f"{ended} of {len(self._sent)} messages done, {to_come} jobs to come; {kills} kills")
            time.sleep(_TICK_SECS)

    @property
    def _under_way(self) -> int:
        return len(self._sent - self.journal.deleted_messages)

    def _feed(self) -> None:
        gone = self.journal.deleted_messages
        for story in [story for story in self._late if set(story.message_ids) <= gone]:
            self._late.remove(story)
            self._send(story, 1)
        while self._waiting and self._under_way < self._most_under_way:
            story = self._waiting.pop()
            if story.end is not End.LETTER:
                rows = RowKey(story.id, "tts"), RowKey(story.id, "srt")
                self.jobs.tasks.create(*rows, source_prompt="chaos")
            self._send(story, 0)
            if story.copies > 1 and story.late_copy:
                self._late.append(story)
            elif story.copies > 1:
                self._send(story, 1)

    def _send(self, story: Story, copy: int) -> None:
        message_id = self.jobs.send(story.body(copy))
        story.message_ids.append(message_id)
        self._sent.add(message_id)

    def _verdict(self, fleet: Fleet) -> list[Violation]:
        sent = [Sent(story.id, story.body(), story.end, tuple(story.message_ids)) for story in self._stories]
        found = violations(sent, self.jobs, self.journal)
        if left := self._under_way:
            found.append(Violation("I1", "-", f"{left} messages are still on the queue: the run has stalled"))
        return found + [Violation("exit", "-", ending) for ending in fleet.odd_endings]

    def _figures(self, secs: float, found: list[Violation]) -> Figures:
        struck = (fault for entry in self.journal.entries for fault in entry.faults)
        signals = Counter(blow.fault.kind for blow in self.journal.blows)
        return Figures(
            jobs=len(self._stories),
            duplicates=len(self._sent) - len(self._stories),
            deliveries=sum(entry.delivery is not None for entry in self.journal.of(Boundary.RECEIVE)),
            faults=signals + Counter(fault.kind for fault in struck if fault.kind not in SIGNALS),
            secs=secs,
            violations=found,
        )


def soak(
    endpoint_url: str, *, jobs: int, seed: int, progress: Callable[[str], None] = lambda _: None
) -> Figures:
    """Run one soak on resources of its own."""
    platform = create_platform(endpoint_url, suffix=f"-{uuid4().hex[:12]}")
    schedule = Schedule(seed=seed, lease_secs=LEASE_SECS)
    stories = [story_of(seed, number) for number in range(jobs)]
    return Run(platform, stories, schedule.plan).run(progress=progress)


def main() -> int:
    """Run a soak and print what it came to; return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
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


if __name__ == "__main__":
    sys.exit(main())
