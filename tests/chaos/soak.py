"""A run: jobs, several workers, the faults that each job meets, and the verdict; a soak is a seeded one."""

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

from app.job import RowKey
from app.local.platform import Platform, create_platform
from tests import logs
from tests.chaos.calls import Boundary
from tests.chaos.checker import End, Sent, Violation, indistinct_media, overlapping_claims, violations
from tests.chaos.faults import Kind, Plan, Schedule
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
    kills: int
    pauses: int
    terms: int
    other_faults: int
    duplicates: int
    deliveries: int
    secs: float
    violations: list[Violation]

    def __str__(self) -> str:
        return (
            f"{self.jobs} jobs, {self.kills} kills, {self.pauses} pauses, {self.duplicates} duplicates"
            f" ({self.terms} terms, {self.other_faults} other faults, {self.deliveries} deliveries,"
            f" {self.secs:.0f} s): {len(self.violations)} violations"
        )


@dataclass(slots=True)
class Story:
    """A job to send: good, unless `end` says otherwise."""

    number: int
    end: End
    body: dict[str, object] | None
    copies: int = 1
    late_copy: bool = False
    """The copy is sent when the first has ended."""
    message_ids: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of its rows."""
        return f"chaos-{self.number}"

    def spelled(self, copy: int) -> str:
        """Return the body of one copy of the message."""
        if self.body is None:
            return f"no job at all: {self.number}"
        return json.dumps(self.body | {"copy": copy})


def story_of(seed: int, number: int) -> Story:
    """Return the job of that number: most are good, a few can never succeed; a fifth comes twice."""
    dice = Random(f"{seed}/{number}/story")  # noqa: S311  # reproducible by intent
    words = " ".join(dice.choice(_WORDS) for _ in range(dice.randrange(2, 6)))
    body: dict[str, object] = {
        "text": f"The {words} sang.\n\nIt was number {number}.",
        "parent_id": f"chaos-{number}",
        "tts_task_id": "tts",
        "srt_task_id": "srt",
    }
    kind = dice.random()
    end = End.COMPLETED
    if kind < 0.02:
        body["voice"], end = "darth", End.FAILED
    elif kind < 0.04:
        body["text"], end = "*** --- ***", End.FAILED
    elif kind < 0.05:
        return Story(number, End.LETTER, None)
    twice = dice.random() < DUPLICATE_SHARE
    return Story(number, end, body, copies=1 + twice, late_copy=dice.random() < 1 / 2)


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
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is added to that of each worker."""
        self.jobs = Jobs(platform)
        self.journal = Journal()
        self._platform = platform
        self._stories = stories
        self._plan_of_job = plan_of
        self._workers = workers
        self._most_under_way = most_under_way
        self._environment = environment or {}
        self._waiting = list(reversed(stories))
        self._late: list[Story] = []
        self._sent: set[str] = set()

    def run(self, *, progress: Callable[[str], None] = lambda _: None) -> Figures:
        """Feed the jobs, tend the workers, and decide when all is done, or nothing moves any more."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="story-tts-chaos-") as folder:
            fleet = Fleet(
                self._platform,
                self.journal,
                Path(folder),
                plan_of=self._plan_of,
                environment=self._environment,
            )
            try:
                self._feed_until_done(fleet, progress)
                fleet.stop()
                found = self._verdict(fleet)
            finally:
                fleet.end()
        found += [Violation("log", "-", leak) for leak in logs.found]
        return self._figures(time.monotonic() - started, found)

    def _plan_of(self, delivery: Delivery) -> Plan:
        if not delivery.story.startswith("chaos-"):
            return Plan()
        number = int(delivery.story.removeprefix("chaos-"))
        return self._plan_of_job(number, delivery.copy, delivery.count)

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
                progress(self._so_far(ended))
            time.sleep(_TICK_SECS)

    def _so_far(self, ended: int) -> str:
        blows = Counter(blow.fault.kind for blow in self.journal.blows)
        return (
            f"{ended} of {len(self._sent)} messages done, {len(self._waiting)} jobs to come;"
            f" {blows[Kind.KILL]} kills, {blows[Kind.PAUSE]} pauses"
        )

    @property
    def _under_way(self) -> int:
        return len(self._sent - self.journal.deleted_messages)

    def _feed(self) -> None:
        gone = self.journal.deleted_messages
        for story in [story for story in self._late if set(story.message_ids) <= gone]:
            self._late.remove(story)
            self._send(story, 1)
        while self._waiting and self._under_way < self._most_under_way:
            self._first(self._waiting.pop())

    def _first(self, story: Story) -> None:
        if story.end is not End.LETTER:
            self.jobs.tasks.create(RowKey(story.id, "tts"), RowKey(story.id, "srt"), source_prompt="chaos")
        self._send(story, 0)
        if story.copies > 1 and story.late_copy:
            self._late.append(story)
        elif story.copies > 1:
            self._send(story, 1)

    def _send(self, story: Story, copy: int) -> None:
        message_id = self.jobs.send(story.spelled(copy))
        story.message_ids.append(message_id)
        self._sent.add(message_id)

    def _verdict(self, fleet: Fleet) -> list[Violation]:
        sent = [
            Sent(story.id, story.spelled(0), story.end, tuple(story.message_ids)) for story in self._stories
        ]
        found = violations(sent, self.jobs, self.journal)
        if left := self._under_way:
            found.append(Violation("I1", "-", f"{left} messages are still on the queue: the run has stalled"))
        found += [
            Violation(
                "fence", one.story, f"{one.worker} and {other.worker} both wrote as epoch {one.call.epoch}"
            )
            for one, other in overlapping_claims(self.journal)
        ]
        found += [
            Violation("trial", key, f"{' and '.join(sorted(workers))} made the same bytes")
            for key, workers in indistinct_media(self.journal)
        ]
        found += [Violation("exit", "-", ending) for ending in fleet.odd_endings]
        return found

    def _figures(self, secs: float, found: list[Violation]) -> Figures:
        blows = Counter(blow.fault.kind for blow in self.journal.blows)
        others = sum(
            fault.kind in {Kind.HOLD, Kind.CUT, Kind.ANSWER}
            for entry in self.journal.entries
            for fault in entry.faults
        )
        return Figures(
            jobs=len(self._stories),
            kills=blows[Kind.KILL],
            pauses=blows[Kind.PAUSE],
            terms=blows[Kind.TERM],
            other_faults=others,
            duplicates=len(self._sent) - len(self._stories),
            deliveries=sum(entry.delivery is not None for entry in self.journal.of(Boundary.RECEIVE)),
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
