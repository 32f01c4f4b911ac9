"""
A model of a task's life, held against the tables of rows: any order of claims, losses and endings.

The model knows each row's status and which claim holds the job; hypothesis looks for an order of steps in
which the table and the model disagree.
"""

from typing import Any, Protocol
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.aws.claims import Claim, Ended, Held
from app.aws.rows import CANCELLED, COMPLETED, FAILED, IN_PROGRESS, PENDING
from app.aws.tasks import Tasks
from app.errors import JobCancelledError, LeaseLostError
from app.job import Destination, Job, RowKey, S3Address
from app.local.platform import Platform
from tests.app.worker.in_memory_tasks import InMemoryTasks
from tests.workers import Jobs

LONG_SECS = 3600.0
LOST = (LeaseLostError, JobCancelledError)
UNFINISHED = (PENDING, IN_PROGRESS, FAILED)


class Table(Protocol):
    """A table of rows, and a way past its rules."""

    tasks: Tasks | InMemoryTasks

    def put(self, key: RowKey, name: str, value: str | int) -> None:
        """Set an attribute of a row, as no worker would."""


class RealTable:
    """The table in the emulator."""

    def __init__(self, platform: Platform) -> None:
        self._jobs = Jobs(platform)
        self.tasks: Tasks | InMemoryTasks = self._jobs.tasks

    def put(self, key: RowKey, name: str, value: str | int) -> None:
        """Set an attribute of a row."""
        self._jobs.write(key, f"SET {'#status' if name == 'status' else name} = :value", value=value)


class TableInMemory:
    """The table of the worker's tests."""

    def __init__(self) -> None:
        self._tasks = InMemoryTasks()
        self.tasks: Tasks | InMemoryTasks = self._tasks

    def put(self, key: RowKey, name: str, value: str | int) -> None:
        """Set an attribute of a row."""
        self._tasks.rows[key][name] = value


class LifeOfATask(RuleBasedStateMachine):
    """Workers claim, renew, lose, release, fail and commit one story; the producer may cancel it."""

    table: Table
    claims = Bundle("claims")

    @initialize()
    def produce(self) -> None:
        """The producer makes both rows."""
        self.tasks = self.table.tasks
        story = f"story-{uuid4().hex}"
        self.audio, self.subtitles = RowKey(story, "tts"), RowKey(story, "srt")
        address = S3Address("bucket", f"{story}/srt.srt")
        self.job = Job(
            "Once.", "af_heart", 1.0, True, Destination(address, address), self.audio, self.subtitles
        )
        self.tasks.create(self.audio, self.subtitles, source_prompt="Once")
        self.status = PENDING
        self.holder: Claim | None = None
        self.newest: Claim | None = None
        """The claim that may still write: the latest, until it is released."""
        self.ended_by: Claim | None = None
        self.epoch = 0
        self.commits = 0

    @rule(target=claims)
    def claim(self) -> Any:
        """A worker asks for the job: it gets it exactly where nobody holds it and it has not ended."""
        answer = self.tasks.claim(self.job, lease_secs=LONG_SECS, message_id="m")
        if self.status in {COMPLETED, CANCELLED}:
            assert answer == Ended(self.status)
            return multiple()
        if self.holder is not None:
            assert isinstance(answer, Held)
            assert 0 < answer.secs <= LONG_SECS
            return multiple()
        assert isinstance(answer, Claim)
        assert answer.epoch == self.epoch + 1
        self.epoch, self.holder, self.status = answer.epoch, answer, IN_PROGRESS
        self.newest = answer
        return answer

    @rule()
    def expire(self) -> None:
        """The holder is silent for longer than its lease."""
        if self.status == IN_PROGRESS:
            self.table.put(self.audio, "lease_expires_at", 1)
            self.holder = None

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        """A worker renews: also one whose lease has ended, as long as nobody took the job over."""
        if self._is_newest(claim):
            self.tasks.renew(claim, lease_secs=LONG_SECS, progress=0.5)
            self.holder = claim
        else:
            with pytest.raises(LOST):
                self.tasks.renew(claim, lease_secs=LONG_SECS, progress=0.5)

    @rule(claim=claims)
    def release(self, claim: Claim) -> None:
        """A worker gives the job back; one that had lost it changes nothing."""
        self.tasks.release(claim)
        if self._is_newest(claim):
            self.holder, self.newest = None, None

    @rule(claim=claims, again=st.booleans())
    def commit(self, claim: Claim, again: bool) -> None:  # hypothesis names its arguments
        """A worker completes the job: only the newest claim can, once; asked again, it is told so."""
        attributes = {"media_url": f"s3://x/{claim.epoch}"}
        if not self._is_newest(claim):
            if not (self.status == COMPLETED and claim == self.ended_by):
                with pytest.raises(LOST):
                    self.tasks.commit(claim, audio=attributes, subtitles=attributes)
                return
            self.tasks.commit(claim, audio=attributes, subtitles=attributes)
            return
        for _ in range(1 + again):
            self.tasks.commit(claim, audio=attributes, subtitles=attributes)
        self.commits += 1
        self.status, self.holder, self.newest, self.ended_by = COMPLETED, None, None, claim

    @rule(claim=claims)
    def fail(self, claim: Claim) -> None:
        """A worker says that the job can never succeed: only the newest claim can."""
        if self._is_newest(claim):
            self.tasks.fail(claim, code="REFUSED_TEXT", message="nothing to say")
            self.status, self.holder, self.newest, self.ended_by = FAILED, None, None, claim
        elif self.status == FAILED and claim == self.ended_by:
            self.tasks.fail(claim, code="REFUSED_TEXT", message="nothing to say")
        else:
            with pytest.raises(LOST):
                self.tasks.fail(claim, code="REFUSED_TEXT", message="nothing to say")

    @rule()
    def refuse(self) -> None:
        """A body that cannot be a job names these rows: they are marked only while nobody works on them."""
        before = self._statuses()
        self.tasks.refuse([self.audio, self.subtitles], code="UNKNOWN_VOICE", message="none")
        if self.status in {COMPLETED, CANCELLED}:
            assert before == self._statuses()
        elif self.holder is None:
            self.status = FAILED
        else:
            assert self._statuses()[0] == IN_PROGRESS

    @rule(claim=consumes(claims))
    def forget(self, claim: Claim) -> None:
        """A worker dies, and is not heard of again."""

    @precondition(lambda self: self.status in UNFINISHED)
    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        """Now and then the producer cancels the audio."""
        if chance == 0:
            self.table.put(self.audio, "status", CANCELLED)
            self.status, self.holder = CANCELLED, None

    @invariant()
    def holds(self) -> None:
        """After every step the invariants hold, and the rows are what the model says."""
        audio, subtitles = self.tasks.read(self.audio), self.tasks.read(self.subtitles)
        assert audio is not None
        assert subtitles is not None
        assert audio["status"] == self.status
        assert (audio["status"] == COMPLETED) == (subtitles["status"] == COMPLETED)
        assert self.commits == (self.status == COMPLETED)
        assert int(audio.get("lease_epoch", 0)) == self.epoch
        for row in (audio, subtitles):
            assert ("sparse_gsi_hash_key" in row) == (row["status"] != COMPLETED)
            if row["status"] == COMPLETED:
                assert row["media_url"] == f"s3://x/{self.epoch}"

    def _is_newest(self, claim: Claim) -> bool:
        return self.status == IN_PROGRESS and claim == self.newest

    def _statuses(self) -> list[str]:
        return [str((self.tasks.read(key) or {})["status"]) for key in (self.audio, self.subtitles)]


def run(table: Table, *, examples: int) -> None:
    """Let hypothesis look for an order of steps in which model and table disagree."""
    machine = type("Life", (LifeOfATask,), {"table": table})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            # To find fewer steps would take minutes.
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.slow
def test_the_table_lives_as_the_model_says(platform: Platform) -> None:
    """In any order of steps, the rows keep the invariants."""
    run(RealTable(platform), examples=12)


def test_the_table_in_memory_lives_as_the_model_says() -> None:
    """So do those of the table that the worker's rules are tested with, in many more orders."""
    run(TableInMemory(), examples=100)
