"""
Checks the invariants at the end of a run, by what AWS holds and by what crossed the network.

I1  no job is lost: every message ends COMPLETED, FAILED with a dead letter, or still on the queue
I2  at most one COMPLETED commit per task, or per writing of its rows by the producer
I3  media_url resolves to the bytes of the attempt that committed
I4  COMPLETED is final
I5  the sparse key is absent exactly when COMPLETED
I6  media are what the job asked for, and what their rows say
I7  a FAILED row and its letter carry the same code and the right message id; COMPLETED jobs have no letter
I8  no row stays unfinished without a message
I9  no upload, segment or object outlives its job, but media that were stored before a cancellation

I10, about events, is in events.py.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

from botocore.exceptions import ClientError

from app.aws.dead_letters import BODY_URL
from app.aws.rows import COMPLETED, FAILED, IN_PROGRESS, PENDING, Row, unmarshal
from app.job import RowKey, S3Address, segments_folder
from tests.chaos.calls import PUTS, ROW_WRITES, Boundary
from tests.chaos.content import Object, content_faults, keys_of
from tests.chaos.journal import Entry, Journal
from tests.chaos.stories import End, Story, job_in, story_named
from tests.workers import Jobs


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    invariant: str
    story: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.story}: {self.what}"


def violations(stories: Iterable[Story], jobs: Jobs, journal: Journal) -> list[Violation]:
    """Return every violation of a run whose workers have ended. Takes the dead letters from their queue."""
    stories = list(stories)
    evidence = _Evidence(jobs, journal)
    found = [each for story in stories for each in _Trial(story, evidence).decide()]
    found += evidence.strangers(stories)
    rewritten = {story.id for story in stories if story.written_anew_at}
    return [*found, *_overlapping_claims(journal, rewritten), *_indistinct_media(journal)]


class _Evidence:
    """What AWS holds at the end of a run, and what crossed the network."""

    def __init__(self, jobs: Jobs, journal: Journal) -> None:
        self.jobs, self.gone = jobs, journal.deleted_messages
        self.bucket = jobs.platform.bucket
        self.entries: Mapping[str, list[Entry]] = defaultdict(list)
        for entry in journal.entries:
            self.entries[entry.story].append(entry)
        self.letters: Mapping[str, list[dict[str, str]]] = defaultdict(list)
        """By the id of the message that they were sent for; empty where they do not say."""
        for letter in jobs.dead_letters():
            fields = {name: at["StringValue"] for name, at in letter.get("MessageAttributes", {}).items()}
            url = fields.get(BODY_URL)
            stored = self.read(S3Address.parse(url).key) if url else None
            body = stored[0].decode() if stored else letter["Body"]
            self.letters[fields.get("original_message_id", "")].append(fields | {"body": body})

    def read(self, key: str) -> Object | None:
        """Return the content and the type of an object, None if it does not exist."""
        try:
            answer: Any = self.jobs.s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError:
            return None
        return answer["Body"].read(), answer["ContentType"]

    def digest(self, key: str) -> str | None:
        """Return the SHA-256 of an object, None if it does not exist."""
        found = self.read(key)
        return sha256(found[0]).hexdigest() if found else None

    def strangers(self, stories: list[Story]) -> Iterator[Violation]:
        """Yield what belongs to no job, or outlives it."""
        waiting = sum(message not in self.gone for story in stories for message in story.bodies)
        if waiting != (depth := self.jobs.depth()):
            yield Violation("I1", "-", f"{waiting} messages were never deleted, {depth} are on the queue")
        sent = {message for story in stories for message in story.bodies}
        for message in self.letters.keys() - sent:
            yield Violation("I7", "-", f"a letter of message {message!r}, which nobody sent")
        unended = {story.id for story in stories if not story.bodies.keys() <= self.gone}
        for page in self.jobs.tasks._dynamodb.get_paginator("scan").paginate(
            TableName=self.jobs.platform.table, ConsistentRead=True
        ):
            for row in map(unmarshal, page["Items"]):
                name = story_named(str(row["id"]))
                if row.get("status") in {PENDING, IN_PROGRESS} and name not in unended:
                    yield Violation("I8", name, f"row {row['task_id']} is {row['status']}, without a message")
        yield from self._leftovers(stories, unended)

    def _leftovers(self, stories: list[Story], unended: set[str]) -> Iterator[Violation]:
        expected = {
            key
            for story in stories
            if story.end is End.COMPLETED
            for body in story.bodies.values()
            for key in keys_of(story.id, job_in(body))
        }
        expected |= {
            S3Address.parse(letter[BODY_URL]).key
            for letters in self.letters.values()
            for letter in letters
            if BODY_URL in letter
        }
        unended_folders = {
            segments_folder(self.bucket, row).key
            for story in stories
            if story.id in unended
            for row in story.rows(self.bucket)
        }
        s3 = self.jobs.s3
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            for key in (each["Key"] for each in page.get("Contents", [])):
                is_unended = (
                    key.partition("/")[0] in unended or f"{key.rpartition('/')[0]}/" in unended_folders
                )
                if key not in expected and not is_unended:
                    yield Violation("I9", key, "outlives its job")
        for upload in s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            yield Violation("I9", upload["Key"], "has an upload that nobody completed")


class _Trial:
    """One job, held against the evidence."""

    def __init__(self, story: Story, evidence: _Evidence) -> None:
        self._story, self._evidence = story, evidence
        self._entries = evidence.entries[story.id]
        found = {key: evidence.jobs.tasks.read(key) for key in story.rows(evidence.bucket)}
        self._rows: dict[RowKey, Row] = {key: row for key, row in found.items() if row is not None}
        commits = [
            each for each in self._entries if each.call.boundary is Boundary.COMMIT and each.took_effect
        ]
        anew = story.written_anew_at or 0.0
        self._generations = [
            [each for each in commits if ((each.passed or 0) > anew) == is_later]
            for is_later in (False, True)
        ]
        self._commits = self._generations[1]
        """Those that concern the rows as they are."""

    def decide(self) -> Iterator[Violation]:
        """Yield what is wrong."""
        checks = {
            "I1": self._lost,
            "I2": self._doubled,
            "I3": self._wrong_media,
            "I4": self._left,
            "I5": self._wrong_keys,
            "I6": self._wrong_content,
            "I7": self._wrong_reasons,
        }
        for invariant, check in checks.items():
            for what in check():
                yield Violation(invariant, self._story.id, what)

    @property
    def _is_completed(self) -> bool:
        return bool(self._rows) and all(row["status"] == COMPLETED for row in self._rows.values())

    @property
    def _letters(self) -> list[dict[str, str]]:
        return [letter for message in self._story.bodies for letter in self._evidence.letters[message]]

    def _lost(self) -> Iterator[str]:
        if not self._story.bodies.keys() <= self._evidence.gone:
            return
        end = "CANCELLED" if self._story.is_cancelled else self._story.end.value
        expected = dict.fromkeys(self._story.rows(self._evidence.bucket), end)
        found = {key: row["status"] for key, row in self._rows.items()}
        if self._story.end is not End.LETTER and found != expected:
            yield f"the message is gone, the rows are {sorted(found.values())}, not {end}"
        if self._story.end is not End.COMPLETED and not self._letters:
            yield "the message is gone, and no dead letter holds its body"

    def _doubled(self) -> Iterator[str]:
        for commits in self._generations:
            # The SDK's repetition of one transaction is that transaction.
            if len({entry.call.token or str(id(entry)) for entry in commits}) > 1:
                yield f"{len(commits)} commits took effect"
        completed = [row["status"] == COMPLETED for row in self._rows.values()]
        if any(completed) and not all(completed):
            yield "the rows were not completed together"
        if any(completed) and not self._commits:
            yield "COMPLETED without a commit"

    def _wrong_media(self) -> Iterator[str]:
        """Hold the objects against the rows, and against what the attempt that committed had put."""
        if not self._is_completed or not self._commits or self._commits[0].delivery is None:
            return
        for row in self._rows.values():
            if self._evidence.digest(S3Address.parse(str(row["media_url"])).key) != row["media_sha256"]:
                yield f"{row['media_url']} is not what its row says"
        attempt = self._commits[0].worker, self._commits[0].delivery.receipt_handle
        own: dict[str | None, set[str | None]] = defaultdict(set)
        for entry in self._entries:
            if entry.delivery and (entry.worker, entry.delivery.receipt_handle) == attempt and entry.passed:
                own[entry.call.key].add(entry.call.digest)
        for key in keys_of(self._story.id, self._job):
            digest = self._evidence.digest(key)
            if digest is None or digest not in own[key]:
                yield f"{key} is not of the attempt that committed"

    @property
    def _job(self) -> dict[str, Any]:
        """The job of the message that the attempt which committed had received."""
        delivery = self._commits[0].delivery if self._commits else None
        return job_in(self._story.bodies[delivery.message_id]) if delivery else {}

    def _left(self) -> Iterator[str]:
        if not self._commits:
            return
        for key, row in self._rows.items():
            if row["status"] != COMPLETED:
                yield f"row {key.task_id} was COMPLETED and is {row['status']}"
        done = min(entry.answered for entry in self._commits if entry.answered is not None)
        # A transaction that is repeated with its token succeeds and changes nothing.
        tokens = {entry.call.token for entry in self._commits if entry.call.token}
        for entry in self._entries:
            is_late = entry.took_effect and (entry.passed or 0) > done and entry.call.token not in tokens
            if entry.call.boundary in ROW_WRITES and is_late:
                yield f"{entry.worker}: {entry.call.boundary} after the commit"

    def _wrong_keys(self) -> Iterator[str]:
        for key, row in self._rows.items():
            if (row["status"] == COMPLETED) == ("sparse_gsi_hash_key" in row):
                has = "has" if "sparse_gsi_hash_key" in row else "lacks"
                yield f"row {key.task_id} is {row['status']} and {has} the sparse key"
            if row["status"] == COMPLETED and {"lease_owner", "lease_expires_at"} & row.keys():
                yield f"row {key.task_id} is COMPLETED and holds a lease"

    def _wrong_content(self) -> Iterator[str]:
        if not self._is_completed or not self._job:
            return
        audio, *others = self._rows.values()
        yield from content_faults(self._job, audio, self._story.id, self._evidence.read)
        if any(row["duration_seconds"] != audio["duration_seconds"] for row in others):
            yield "the rows disagree about the duration"
        named = {
            str(value) for row in self._rows.values() for name, value in row.items() if name[-4:] == "_url"
        }
        expected = {f"s3://{self._evidence.bucket}/{key}" for key in keys_of(self._story.id, self._job)}
        # The row of a direct job names its audio and, in one attribute, its subtitles.
        if not (named == expected or (self._story.is_direct and named < expected)):
            yield f"the rows name {sorted(named)}"

    def _wrong_reasons(self) -> Iterator[str]:
        for key, row in self._rows.items():
            if row["status"] == FAILED and row.get("error_code") != self._story.code:
                yield f"row {key.task_id} FAILED with {row.get('error_code')}, not {self._story.code}"
        if self._story.code is None and self._letters:
            yield f"a letter says {self._letters[0].get('error_code')}, and the job can be done"
        for message, body in self._story.bodies.items():
            for letter in self._evidence.letters[message]:
                if self._story.code not in {None, letter.get("error_code")}:
                    yield f"a letter says {letter.get('error_code')}, not {self._story.code}"
                if letter["body"] != body:
                    yield f"the letter of message {message} holds another body"


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


def _overlapping_claims(journal: Journal, rewritten: set[str]) -> list[Violation]:
    """Return the pairs of workers that wrote under one epoch; it starts over with rows `rewritten`."""
    holders: dict[tuple[str, int], list[Entry]] = defaultdict(list)
    for entry in journal.entries:
        if entry.call.epoch is not None and entry.took_effect and entry.story not in rewritten:
            holders[entry.story, entry.call.epoch].append(entry)
    return [
        Violation("fence", story, f"{one.worker} and {other.worker} both wrote as epoch {epoch}")
        for (story, epoch), entries in holders.items()
        for one, other in pairwise(entries)
        if one.worker != other.worker
    ]
