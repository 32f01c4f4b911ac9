"""
A run: jobs, several workers, the faults that each job meets, and the verdict; a soak is a seeded one.

`python -m tests.chaos.soak --jobs N --seed S` is `make chaos`. Halfway a deployment rolls: workers that end
are replaced by workers of a second version. The two versions are the same code with other settings, or, with
`--old REVISION`, the code of that revision of this repository and today's.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from botocore.exceptions import ClientError

from app.local.emulator import CREDENTIALS, REGION, emulator
from app.local.platform import Platform, create_platform
from app.work_folder import WorkFolder
from tests import logs
from tests.chaos.calls import Boundary
from tests.chaos.checker import Violation, violations
from tests.chaos.events import EventQueue, event_faults
from tests.chaos.faults import SIGNALS, Kind, Plan, Schedule
from tests.chaos.fleet import Fleet
from tests.chaos.journal import Delivery, Journal
from tests.chaos.stories import Act, Moment, Story, story_of
from tests.ministack import ministack
from tests.tree import ROOT
from tests.workers import LEASE_SECS, Jobs

WORKERS = 5
MOST_UNDER_WAY = 40
"""Messages on the queue at a time: deep queues of the emulator are slow."""
STALL_SECS = 240.0
"""Without any message coming to its end for so long, a run has failed."""
_TICK_SECS = 0.05
_PROGRESS_SECS = 5.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run came to."""

    jobs: int
    kinds: Counter[str]
    """Of jobs that are more than a story and one message."""
    duplicates: int
    deliveries: int
    faults: Counter[Kind]
    """Of signals those that reached a living worker."""
    events: Counter[str]
    """The deliveries of each event, by its id."""
    secs: float
    violations: list[Violation]

    def __str__(self) -> str:
        faults = ", ".join(f"{count} {kind}" for kind, count in self.faults.most_common())
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        return (
            f"{self.jobs} jobs ({kinds}), {self.duplicates} duplicates, {self.deliveries} deliveries,"
            f" {faults}, {len(self.events)} events in {self.events.total()} deliveries,"
            f" {self.secs:.0f} s: {len(self.violations)} violations"
        )


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
        old: Path | None = None,
        secs: float = 24 * 3600,
    ) -> None:
        """After `secs` no further job is sent."""
        self.jobs = Jobs(platform)
        self.journal = Journal()
        self.events = EventQueue(platform)
        self._platform = platform
        self._stories = stories
        self._plan_of_job = plan_of
        self._workers = workers
        self._most_under_way = most_under_way
        self._old = old
        self._until = time.monotonic() + secs
        self._waiting = list(reversed(stories))
        self._to_follow: list[Story] = []
        """Those whose producer has something left to do."""
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
                environment=self.events.environment,
                old=self._old,
            )
            try:
                self._feed_until_done(fleet, progress)
                fleet.stop()
                events = self.events.take_all()
                found = self._verdict(fleet, Path(folder))
            finally:
                fleet.end()
        found += [Violation("log", "-", leak) for leak in logs.found]
        if self._old is None:
            # Older code may publish none.
            wrong = event_faults(self._stories, self.journal, events)
            found += [Violation("I10", story, what) for story, what in wrong]
        return self._figures(time.monotonic() - started, found, Counter(event.id for event in events))

    def _plan_of(self, delivery: Delivery) -> Plan:
        prefix, _, number = delivery.story.partition("-")
        return self._plan_of_job(int(number), delivery.copy, delivery.count) if prefix == "chaos" else Plan()

    def _feed_until_done(self, fleet: Fleet, progress: Callable[[str], None]) -> None:
        said = moved = time.monotonic()
        ended, is_rolled = 0, False
        while self._waiting or self._to_follow or self._under_way:
            fleet.tend(self._workers)
            self._feed()
            if not is_rolled and 2 * len(self._waiting) < len(self._stories):
                is_rolled = True
                fleet.roll()
            now = time.monotonic()
            if (count := len(self.journal.deleted_messages)) != ended:
                ended, moved = count, now
            if now > self._until:
                self._stories = [story for story in self._stories if story not in self._waiting]
                self._waiting.clear()
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
        for story in [story for story in self._to_follow if self._is_time_for(story)]:
            self._to_follow.remove(story)
            self._follow(story)
        while self._waiting and self._under_way < self._most_under_way:
            story = self._waiting.pop()
            if story.is_json and not story.is_direct:
                self.jobs.tasks.create(*story.rows(self._platform.bucket), source_prompt="chaos")
            self._send(story)
            if story.copy is Moment.AT_ONCE:
                self._send(story)
            elif story.copy or story.act:
                self._to_follow.append(story)

    def _is_time_for(self, story: Story) -> bool:
        has_ended = story.bodies.keys() <= self.journal.deleted_messages
        is_late = story.copy is Moment.LATE and not story.act
        return has_ended or (story.id in self.journal.claimed and not is_late)

    def _follow(self, story: Story) -> None:
        """Do what the producer does after the first claim, or after the end."""
        rows = story.rows(self._platform.bucket)
        if story.act is Act.WRITE_ANEW:
            story.fields["text"] = f"Another text, in place of number {story.number}.\n\nIt is longer."
            for key in rows:
                self.jobs.write_anew(key)
            story.written_anew_at = time.monotonic()
            self._send(story)
        elif story.act:
            with suppress(ClientError):
                self.jobs.write(
                    rows[story.act is Act.CANCEL_SUBTITLES],
                    "SET #status = :cancelled",
                    "#status IN (:pending, :in_progress)",
                    cancelled="CANCELLED",
                    pending="PENDING",
                    in_progress="IN_PROGRESS",
                )
                story.is_cancelled = True
        if story.copy and story.copy is not Moment.AT_ONCE:
            self._send(story)

    def _send(self, story: Story) -> None:
        body = story.body(len(story.bodies), self._platform)
        message_id = self.jobs.send(body)
        story.bodies[message_id] = body
        self._sent.add(message_id)

    def _verdict(self, fleet: Fleet, folder: Path) -> list[Violation]:
        found = violations(self._stories, self.jobs, self.journal)
        if left := self._under_way:
            found.append(Violation("I1", "-", f"{left} messages are still on the queue: the run has stalled"))
        with WorkFolder(folder / "work"):
            """What killed workers left is removed by the next one that starts on their machine."""
        found += [Violation("I9", path.name, "outlives its worker") for path in (folder / "work").iterdir()]
        return found + [Violation("exit", "-", ending) for ending in fleet.odd_endings]

    def _figures(self, secs: float, found: list[Violation], events: Counter[str]) -> Figures:
        struck = (fault for entry in self.journal.entries for fault in entry.faults)
        signals = Counter(blow.fault.kind for blow in self.journal.blows)
        return Figures(
            jobs=len(self._stories),
            kinds=Counter(kind for story in self._stories for kind in story.kinds),
            duplicates=len(self._sent) - len(self._stories),
            deliveries=sum(entry.delivery is not None for entry in self.journal.of(Boundary.RECEIVE)),
            faults=signals + Counter(fault.kind for fault in struck if fault.kind not in SIGNALS),
            events=events,
            secs=secs,
            violations=found,
        )


def soak(
    endpoint_url: str,
    *,
    jobs: int,
    seed: int,
    old: Path | None = None,
    secs: float = 24 * 3600,
    progress: Callable[[str], None] = lambda _: None,
) -> Figures:
    """Run one soak on resources of its own, with the redrive policy that the stack gives its queue."""
    from stack.dead_letters import RECEIVES_BEFORE_REDRIVE

    platform = create_platform(endpoint_url, suffix=f"-{uuid4().hex[:12]}")
    sqs = platform.client("sqs")
    letters = sqs.get_queue_attributes(QueueUrl=platform.dead_letter_queue_url, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": letters["Attributes"]["QueueArn"],
        "maxReceiveCount": RECEIVES_BEFORE_REDRIVE,
    }
    sqs.set_queue_attributes(QueueUrl=platform.queue_url, Attributes={"RedrivePolicy": json.dumps(policy)})
    schedule = Schedule(seed=seed, lease_secs=LEASE_SECS)
    stories = [story_of(seed, number) for number in range(jobs)]
    return Run(platform, stories, schedule.plan, workers=min(WORKERS, jobs), old=old, secs=secs).run(
        progress=progress
    )


def code_of(revision: str, folder: Path) -> Path:
    """Extract the package `app` of a revision into `folder`, and return it."""
    archive = folder / "app.tar"
    subprocess.run(["git", "archive", f"--output={archive}", revision, "app"], cwd=ROOT, check=True)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder


def main() -> int:
    """Run a soak and print what it came to; return 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=24 * 60, help="send no job after so long")
    parser.add_argument("--old", help="revision of the workers that a deployment replaces")
    parser.add_argument("--ministack", action="store_true", help="run on ministack instead of moto")
    arguments = parser.parse_args()
    os.environ.update(CREDENTIALS | {"AWS_DEFAULT_REGION": REGION})
    with (
        ministack() if arguments.ministack else emulator() as address,
        tempfile.TemporaryDirectory(prefix="story-tts-old-") as folder,
    ):
        os.environ["AWS_ENDPOINT_URL"] = address
        figures = soak(
            address,
            jobs=arguments.jobs,
            seed=arguments.seed,
            old=code_of(arguments.old, Path(folder)) if arguments.old else None,
            secs=60 * arguments.minutes,
            progress=lambda line: print(line, flush=True),
        )
    for violation in figures.violations:
        print(violation)
    print(f"seed {arguments.seed}: {figures}", flush=True)
    return 1 if figures.violations else 0


if __name__ == "__main__":
    sys.exit(main())
