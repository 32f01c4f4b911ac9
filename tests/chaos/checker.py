"""
Checks the invariants at the end of a run, by what AWS holds and by what crossed the network.

I1  no job is lost: every message ends COMPLETED, FAILED with a dead letter, or still on the queue
I2  at most one COMPLETED commit per task
I3  media_url resolves to the bytes of the attempt that committed
I4  COMPLETED is final
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

from app.aws.rows import Row
from app.job import RowKey
from tests.chaos.calls import PUTS, ROW_WRITES, Boundary
from tests.chaos.journal import Entry, Journal
from tests.workers import Jobs


class End(StrEnum):
    """How a job must end once it is off the queue."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    LETTER = "dead letter"
    """It names no rows."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A job that was sent, and how it must end."""

    story: str
    body: str
    end: End
    message_ids: tuple[str, ...]


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
    trial = _Trial(list(sent), jobs, journal)
    return [*trial.decide(), *_overlapping_claims(journal), *_indistinct_media(journal)]


class _Trial:
    def __init__(self, sent: list[Sent], jobs: Jobs, journal: Journal) -> None:
        self._sent = sent
        self._jobs = jobs
        self._letters = Counter(letter["Body"] for letter in jobs.dead_letters())
        self._gone = journal.deleted_messages
        self._entries: Mapping[str, list[Entry]] = defaultdict(list)
        for entry in journal.entries:
            self._entries[entry.story].append(entry)

    def decide(self) -> Iterator[Violation]:
        waiting = sum(message not in self._gone for job in self._sent for message in job.message_ids)
        if waiting != (depth := self._jobs.depth()):
            yield Violation("I1", "-", f"{waiting} messages were never deleted, {depth} are on the queue")
        for job in self._sent:
            rows = self._rows(job)
            commits = [
                entry
                for entry in self._entries[job.story]
                if entry.call.boundary is Boundary.COMMIT and entry.took_effect
            ]
            for invariant, what in (
                *(("I1", what) for what in self._lost(job, rows)),
                *(("I2", what) for what in self._doubled(rows, commits)),
                *(("I3", what) for what in self._wrong_media(job, rows, commits)),
                *(("I4", what) for what in self._left(job, rows, commits)),
                *(("I5", what) for what in self._wrong_keys(rows)),
            ):
                yield Violation(invariant, job.story, what)

    def _rows(self, job: Sent) -> dict[str, Row]:
        if job.end is End.LETTER:
            return {}
        return {task: self._jobs.row(RowKey(job.story, task)) for task in ("tts", "srt")}

    def _lost(self, job: Sent, rows: Mapping[str, Row]) -> Iterator[str]:
        if any(message not in self._gone for message in job.message_ids):
            return
        statuses = {str(row["status"]) for row in rows.values()}
        if statuses - {job.end.value}:
            yield f"the message is gone, the rows are {statuses}, not {job.end}"
        if job.end is not End.COMPLETED and not self._letters[job.body]:
            yield "the message is gone, and no dead letter holds its body"

    @staticmethod
    def _doubled(rows: Mapping[str, Row], commits: list[Entry]) -> Iterator[str]:
        # The SDK's repetition of one transaction is that transaction.
        if len({entry.call.token or id(entry) for entry in commits}) > 1:
            yield f"{len(commits)} commits took effect"
        completed = [row["status"] == "COMPLETED" for row in rows.values()]
        if any(completed) and not all(completed):
            yield "the rows were not completed together"
        if any(completed) and not commits:
            yield "COMPLETED without a commit"

    def _wrong_media(self, job: Sent, rows: Mapping[str, Row], commits: list[Entry]) -> Iterator[str]:
        """Hold all four objects against the rows, and against what the attempt that committed had put."""
        is_completed = all(row["status"] == "COMPLETED" for row in rows.values())
        if not is_completed or not commits or commits[0].delivery is None:
            return
        for row in rows.values():
            if self._digest(str(row["media_url"])) != row["media_sha256"]:
                yield f"{row['media_url']} is not what its row says"
        attempt = commits[0].worker, commits[0].delivery.receipt_handle
        own: dict[str | None, set[str | None]] = defaultdict(set)
        for entry in self._entries[job.story]:
            if entry.delivery and (entry.worker, entry.delivery.receipt_handle) == attempt and entry.passed:
                own[entry.call.key].add(entry.call.digest)
        for suffix in PUTS:
            key = f"{job.story}/{'tts' if suffix == '.wav' else 'srt'}{suffix}"
            digest = self._digest(f"s3://{self._jobs.platform.bucket}/{key}")
            if digest is None or digest not in own[key]:
                yield f"{key} is not of the attempt that committed"

    def _left(self, job: Sent, rows: Mapping[str, Row], commits: list[Entry]) -> Iterator[str]:
        if not commits:
            return
        for task, row in rows.items():
            if row["status"] != "COMPLETED":
                yield f"row {task} was COMPLETED and is {row['status']}"
        done = min(entry.answered for entry in commits if entry.answered is not None)
        for entry in self._entries[job.story]:
            if entry.call.boundary in ROW_WRITES and entry.took_effect and (entry.passed or 0) > done:
                yield f"{entry.worker}: {entry.call.boundary} after the commit"

    @staticmethod
    def _wrong_keys(rows: Mapping[str, Row]) -> Iterator[str]:
        for task, row in rows.items():
            if (row["status"] == "COMPLETED") == ("sparse_gsi_hash_key" in row):
                has = "has" if "sparse_gsi_hash_key" in row else "lacks"
                yield f"row {task} is {row['status']} and {has} the sparse key"
            if row["status"] == "COMPLETED" and {"lease_owner", "lease_expires_at"} & row.keys():
                yield f"row {task} is COMPLETED and holds a lease"

    def _digest(self, url: str) -> str | None:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        try:
            content: Any = self._jobs.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError:
            return None
        return sha256(content).hexdigest()


def _indistinct_media(journal: Journal) -> list[Violation]:
    """Return the objects of which two workers put the same bytes: nobody could tell whose such one holds."""
    makers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for boundary in PUTS.values():
        for entry in journal.of(boundary):
            if entry.call.key and entry.call.digest:
                makers[entry.call.key, entry.call.digest].add(entry.worker)
    return [
        Violation("trial", key, f"{' and '.join(sorted(workers))} made the same bytes")
        for (key, _), workers in makers.items()
        if len(workers) > 1
    ]


def _overlapping_claims(journal: Journal) -> list[Violation]:
    """Return the pairs of workers that both wrote under one epoch: none, where claims are exclusive."""
    holders: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in journal.entries:
        if entry.call.epoch is not None and entry.took_effect:
            holders[entry.story, entry.call.epoch].append(entry)
    return [
        Violation("fence", story, f"{one.worker} and {other.worker} both wrote as epoch {epoch}")
        for (story, epoch), entries in holders.items()
        for one, other in pairwise(entries)
        if one.worker != other.worker
    ]
