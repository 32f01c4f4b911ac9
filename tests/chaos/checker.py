"""
Decides the invariants at the end of a run, from what AWS holds and from what crossed the network.

I1  no job is lost: every message ends COMPLETED, FAILED with a dead letter, or still on the queue
I2  at most one COMPLETED commit a task
I3  media_url resolves to the bytes of the attempt that committed
I4  COMPLETED is never left
I5  the sparse key is absent exactly when COMPLETED
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from typing import Any

from botocore.exceptions import ClientError

from app.aws.tasks import Row
from app.job import RowKey
from tests.chaos.calls import PUTS, ROW_WRITES, Boundary
from tests.chaos.journal import Entry, Journal
from tests.workers import Jobs

SUFFIXES = tuple(PUTS)


class End(StrEnum):
    """How a job must end once it is off the queue."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    LETTER = "dead letter"
    """It names no rows."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A job that was sent, and what must become of it."""

    story: str
    body: str
    end: End
    message_ids: tuple[str, ...]

    @property
    def audio(self) -> RowKey:
        """The key of the audio row."""
        return RowKey(self.story, "tts")

    @property
    def subtitles(self) -> RowKey:
        """The key of the subtitles' row."""
        return RowKey(self.story, "srt")


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    invariant: str
    story: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.story}: {self.what}"


def violations(sent: Iterable[Sent], jobs: Jobs, journal: Journal) -> list[Violation]:
    """Return every violation of a run whose workers have ended. Takes the dead letters from their queue."""
    every = list(sent)
    return list(_Trial(every, jobs, journal).decide())


class _Trial:
    def __init__(self, sent: list[Sent], jobs: Jobs, journal: Journal) -> None:
        self._sent = sent
        self._jobs = jobs
        self._letters = Counter(letter["Body"] for letter in jobs.dead_letters())
        self._gone = journal.deleted_messages
        self._depth = jobs.depth()
        self._entries: Mapping[str, list[Entry]] = defaultdict(list)
        for entry in journal.entries:
            self._entries[entry.story].append(entry)

    def decide(self) -> Iterator[Violation]:
        ids = [message for job in self._sent for message in job.message_ids]
        waiting = len([message for message in ids if message not in self._gone])
        if waiting != self._depth:
            yield Violation(
                "I1", "-", f"{waiting} messages were never deleted, {self._depth} are on the queue"
            )
        for job in self._sent:
            if job.end is End.LETTER:
                yield from self._letter(job)
                continue
            rows = {key: self._jobs.row(key) for key in (job.audio, job.subtitles)}
            yield from self._not_lost(job, [str(row["status"]) for row in rows.values()])
            yield from self._one_commit(job)
            yield from self._never_left(job, rows)
            for key, row in rows.items():
                yield from self._sparse_key(job, key, row)
            if all(row["status"] == "COMPLETED" for row in rows.values()):
                yield from self._right_media(job, rows)

    def _is_waiting(self, job: Sent) -> bool:
        return any(message not in self._gone for message in job.message_ids)

    def _letter(self, job: Sent) -> Iterator[Violation]:
        if not self._is_waiting(job) and not self._letters[job.body]:
            yield Violation("I1", job.story, "the message is gone, and no dead letter holds its body")

    def _not_lost(self, job: Sent, statuses: list[str]) -> Iterator[Violation]:
        if len(set(statuses)) > 1 and "COMPLETED" in statuses:
            yield Violation("I2", job.story, f"the rows were not completed together: {statuses}")
        if self._is_waiting(job):
            return
        if statuses != [job.end.value] * 2:
            yield Violation("I1", job.story, f"the message is gone, the rows are {statuses}, not {job.end}")
        if job.end is End.FAILED and not self._letters[job.body]:
            yield Violation("I1", job.story, "FAILED without a dead letter")

    def _commits(self, job: Sent) -> list[Entry]:
        return [
            entry
            for entry in self._entries[job.story]
            if entry.call.boundary is Boundary.COMMIT and entry.took_effect
        ]

    def _one_commit(self, job: Sent) -> Iterator[Violation]:
        # The SDK's repetition of one transaction is that transaction.
        tokens = {entry.call.token or id(entry) for entry in self._commits(job)}
        if len(tokens) > 1:
            yield Violation("I2", job.story, f"{len(tokens)} commits took effect")

    def _never_left(self, job: Sent, rows: Mapping[RowKey, Row]) -> Iterator[Violation]:
        commits = self._commits(job)
        if not commits:
            if any(row["status"] == "COMPLETED" for row in rows.values()):
                yield Violation("I2", job.story, "COMPLETED without a commit")
            return
        for key, row in rows.items():
            if row["status"] != "COMPLETED":
                yield Violation("I4", job.story, f"row {key.task_id} was COMPLETED and is {row['status']}")
        done = min(entry.answered for entry in commits if entry.answered is not None)
        for entry in self._entries[job.story]:
            if entry.call.boundary in ROW_WRITES and entry.took_effect and (entry.passed or 0) > done:
                yield Violation("I4", job.story, f"{entry.worker}: {entry.call.boundary} after the commit")

    @staticmethod
    def _sparse_key(job: Sent, key: RowKey, row: Row) -> Iterator[Violation]:
        if (row["status"] == "COMPLETED") == ("sparse_gsi_hash_key" in row):
            has = "has" if "sparse_gsi_hash_key" in row else "lacks"
            yield Violation("I5", job.story, f"row {key.task_id} is {row['status']} and {has} the sparse key")
        if row["status"] == "COMPLETED" and {"lease_owner", "lease_expires_at"} & row.keys():
            yield Violation("I5", job.story, f"row {key.task_id} is COMPLETED and holds a lease")

    def _right_media(self, job: Sent, rows: Mapping[RowKey, Row]) -> Iterator[Violation]:
        """Hold all four objects against the rows, and against what the attempt that committed had put."""
        commits = self._commits(job)
        if not commits or commits[0].delivery is None:
            return
        for row in rows.values():
            content = self._object(str(row["media_url"]))
            if content is None or sha256(content).hexdigest() != row["media_sha256"]:
                yield Violation("I3", job.story, f"{row['media_url']} is not what its row says")
        attempt = commits[0].worker, commits[0].delivery.receipt_handle
        own: dict[str | None, set[str | None]] = defaultdict(set)
        for entry in self._entries[job.story]:
            if entry.delivery and (entry.worker, entry.delivery.receipt_handle) == attempt and entry.passed:
                own[entry.call.key].add(entry.call.digest)
        for suffix in SUFFIXES:
            key = f"{job.story}/{'tts' if suffix == '.wav' else 'srt'}{suffix}"
            content = self._object(f"s3://{self._jobs.platform.bucket}/{key}")
            if content is None or sha256(content).hexdigest() not in own[key]:
                yield Violation("I3", job.story, f"{key} is not of the attempt that committed")

    def _object(self, url: str) -> bytes | None:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        try:
            content: Any = self._jobs.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError:
            return None
        return bytes(content)


def indistinct_media(journal: Journal) -> list[tuple[str, set[str]]]:
    """
    Return the keys under which two workers put the same bytes, and the workers.

    There must be none: where all make the same media, nobody can tell whose an object holds.
    """
    makers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for boundary in PUTS.values():
        for entry in journal.of(boundary):
            if entry.call.key and entry.call.digest:
                makers[entry.call.key, entry.call.digest].add(entry.worker)
    return [(key, workers) for (key, _), workers in makers.items() if len(workers) > 1]


def overlapping_claims(journal: Journal) -> list[tuple[Entry, Entry]]:
    """Return the pairs of attempts that both wrote under one epoch: none, where claims are exclusive."""
    holders: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in journal.entries:
        if entry.call.epoch is not None and entry.took_effect:
            holders[entry.story, entry.call.epoch].append(entry)
    return [
        (one, other)
        for entries in holders.values()
        for one, other in pairwise(entries)
        if one.worker != other.worker
    ]
