"""
A model of a job's life, held against the worker itself, its speech child and its AWS over HTTP.

The model knows what each call of the worker does, and says of every step what rows, queue and dead letters
hold after it. Hypothesis looks for an order of copies, deaths, troubles, expiries and cancellations in which
the worker and the model disagree.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import app.worker.retry
from app.aws.rows import CANCELLED, COMPLETED, FAILED, IN_PROGRESS, PENDING
from app.bootstrap import build_worker
from app.errors import InfrastructureError
from app.job import RowKey
from app.local.platform import Platform
from app.narration.options import NarrationOptions
from app.settings import Settings
from app.shutdown import Shutdown
from app.speech_process.client import ProcessState, SpeechProcess
from app.work_folder import WorkFolder
from tests.chaos.calls import PUTS, Boundary
from tests.chaos.faults import Fault, Kind, Plan, Side
from tests.chaos.journal import Journal
from tests.chaos.proxy import Gate
from tests.workers import Jobs, until

LONG_SECS = 3600.0
MOST_COPIES = 3
RELEASING = frozenset({Boundary.RENEW, Boundary.READ, Boundary.EXTEND, *PUTS.values(), Boundary.COMMIT})
"""Refused there, a worker that lives ends its lease itself; elsewhere the lease runs out."""
FIRST_REFUSALS = [*sorted(RELEASING), *[None] * len(RELEASING)]
Place = tuple[Boundary, Side]
Step = tuple[Boundary, Callable[[], None]]


class Refusal(Plan):
    """AWS refuses the worker at one place: once, or from there on, as if the worker had died."""

    def __init__(self, place: Place, *, for_good: bool) -> None:
        super().__init__()
        self._place = place
        self._for_good = for_good
        self._has_struck = False
        self._guard = threading.Lock()

    def strike(self, boundary: Boundary, side: Side) -> Fault | None:
        """Return the refusal, where it is time for it."""
        with self._guard:
            is_here = (boundary, side) == self._place and not self._has_struck
            if not is_here and not (self._has_struck and self._for_good):
                return None
            self._has_struck = True
        return Fault(boundary, side, Kind.ANSWER, status=403, code="ExpiredToken")


class Bench:
    """One worker in this process, behind a gate, that makes one attempt per call."""

    def __init__(self, platform: Platform, monkeypatch: pytest.MonkeyPatch, ending: ExitStack) -> None:
        self.jobs = Jobs(platform)
        self.gate = Gate(platform, Journal(), name="worker", plan=Plan(), lease_secs=LONG_SECS)
        ending.callback(self.gate.close)
        environment = self.gate.platform.environment() | {
            "SPEECH_ENGINE": "espeak",
            "LEASE_SECS": f"{LONG_SECS:g}",
            "RECEIVE_WAIT_SECS": "0",
            "MAX_RECEIVES": "1000",
        }
        with monkeypatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
            settings = Settings.read(environment)
            work_folder = ending.enter_context(WorkFolder(settings.work_dir))
            options = NarrationOptions.from_settings(settings)
            speech = ending.enter_context(SpeechProcess(options=options, scratch=work_folder.path))
            self.worker, _ = build_worker(
                settings,
                options=options,
                work_folder=work_folder,
                speech=speech,
                shutdown=Shutdown(stop_timeout_secs=30),
                emit_metrics=False,
            )
        # The pauses between attempts are no part of the model.
        monkeypatch.setattr(app.worker.retry, "MAX_BACKOFF_SECS", 0.0)
        until(lambda: speech.state is ProcessState.READY)

    def attempt(self, plan: Plan) -> None:
        """Let the worker receive once, and do what it does."""
        self.gate.plan = plan
        with suppress(InfrastructureError):
            self.worker._turn(drain=True)


class LifeInAWorker(RuleBasedStateMachine):
    """One job, whose message may come several times, and a worker that may be refused at any of its calls."""

    bench: Bench

    @initialize(
        is_sayable=st.sampled_from([True, True, False]), first_refusal=st.sampled_from(FIRST_REFUSALS)
    )
    def produce(self, is_sayable: bool, first_refusal: Boundary | None) -> None:
        """
        The producer makes both rows; the job can be done, or can never be.

        Half of the lives begin with a job that was given back: chance alone leads to too few of them.
        """
        self.jobs, self.journal = self.bench.jobs, Journal()
        self.bench.gate.journal = self.journal
        story = f"story-{uuid4().hex}"
        self.audio, self.subtitles = RowKey(story, "tts"), RowKey(story, "srt")
        self.jobs.tasks.create(self.audio, self.subtitles, source_prompt="Once")
        self.is_sayable = is_sayable
        self.body = json.dumps(
            {
                "text": "Once." if is_sayable else "***",
                "parent_id": story,
                "tts_task_id": "tts",
                "srt_task_id": "srt",
            }
        )
        self.statuses = {self.audio: PENDING, self.subtitles: PENDING}
        self.sent: set[str] = set()
        self.copies = self.letters = self.letters_found = self.epoch = self.commits = 0
        self.is_held = False
        if first_refusal and is_sayable:
            self.send()
            self._attempt((first_refusal, Side.BEFORE), for_good=False)

    @precondition(lambda self: self.copies < MOST_COPIES)
    @rule()
    def send(self) -> None:
        """The producer, or the queue itself, delivers the message once more."""
        self.sent.add(self.jobs.send(self.body))
        self.copies += 1

    @rule()
    def work(self) -> None:
        """A worker makes an attempt, undisturbed."""
        self._attempt(None, for_good=False)

    @precondition(lambda self: self.copies)
    @rule(number=st.integers(0, 99), side=st.sampled_from(Side))
    def work_in_trouble(self, number: int, side: Side) -> None:
        """A worker makes an attempt, and AWS refuses it one of its calls."""
        self._attempt((self._called(number), side), for_good=False)

    @precondition(lambda self: self.copies)
    @rule(number=st.integers(0, 99), side=st.sampled_from(Side))
    def die_at_work(self, number: int, side: Side) -> None:
        """A worker makes an attempt, and from one of its calls on AWS hears no more of it."""
        self._attempt((self._called(number), side), for_good=True)

    @precondition(lambda self: self.is_held)
    @rule()
    def expire(self) -> None:
        """Whoever held the job was silent for longer than its lease."""
        self.jobs.write(self.audio, "SET lease_expires_at = :past", past=1)
        self.is_held = False

    @precondition(lambda self: self.statuses[self.audio] in {PENDING, IN_PROGRESS, FAILED})
    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        """Now and then the producer cancels the audio."""
        if chance == 0:
            self.jobs.write(self.audio, "SET #status = :cancelled", cancelled=CANCELLED)
            self.statuses[self.audio], self.is_held = CANCELLED, False

    @invariant()
    def holds(self) -> None:
        """After every step rows, queue and dead letters hold what the model says, and so the invariants."""
        for key, status in self.statuses.items():
            row = self.jobs.row(key)
            assert row["status"] == status
            assert ("sparse_gsi_hash_key" in row) == (status != COMPLETED)
            if status == COMPLETED:
                assert self.jobs.media(row)
        audio = self.jobs.row(self.audio)
        assert int(audio.get("lease_epoch", 0)) == self.epoch
        is_live = audio["status"] == IN_PROGRESS and audio.get("lease_expires_at", 0) > time.time()
        assert is_live == self.is_held
        assert self.jobs.depth() == self.copies
        self.letters_found += [letter["Body"] for letter in self.jobs.dead_letters()].count(self.body)
        assert self.letters_found == self.letters
        assert sum(entry.took_effect for entry in self.journal.of(Boundary.COMMIT)) == self.commits <= 1

    def teardown(self) -> None:
        """Leave the queue empty for the next life."""
        while self.copies:
            self._show()
            received = self.jobs.sqs.receive_message(QueueUrl=self.jobs.platform.queue_url)
            for message in received.get("Messages", []):
                self.jobs.sqs.delete_message(
                    QueueUrl=self.jobs.platform.queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
                self.sent.remove(message["MessageId"])
                self.copies -= 1

    def _attempt(self, place: Place | None, *, for_good: bool) -> None:
        self._show()
        self.bench.attempt(Refusal(place, for_good=for_good) if place else Plan())
        for boundary, takes_effect in self._path() if self.copies else ():
            is_forgiven = boundary is Boundary.LOOK and not for_good
            if place == (boundary, Side.BEFORE) and not is_forgiven:
                self._refused_at(boundary, for_good=for_good)
                return
            takes_effect()
            if place == (boundary, Side.AFTER) and not is_forgiven:
                self._refused_at(boundary, for_good=for_good)
                return

    def _called(self, number: int) -> Boundary:
        calls = [boundary for boundary, _ in self._path()]
        return calls[number % len(calls)]

    def _path(self) -> Iterator[Step]:
        """Yield the calls that decide, in the worker's order, each with what it does."""
        yield Boundary.RECEIVE, _nothing
        if self.statuses[self.audio] == CANCELLED:
            yield Boundary.CLAIM, _nothing
            yield Boundary.CANCEL, lambda: self._become(self.subtitles, CANCELLED)
            yield Boundary.DELETE, self._gone
            return
        if self.statuses[self.audio] == COMPLETED:
            yield from ((Boundary.CLAIM, _nothing), (Boundary.DELETE, self._gone))
            return
        if self.is_held:
            yield from ((Boundary.CLAIM, _nothing), (Boundary.GIVE_BACK, _nothing))
            return
        yield Boundary.CLAIM, self._claimed
        yield Boundary.MARK, lambda: self._become(self.subtitles, IN_PROGRESS)
        yield Boundary.LOOK, _nothing
        if self.is_sayable:
            yield from ((boundary, _nothing) for boundary in (Boundary.RENEW, Boundary.READ, Boundary.EXTEND))
            yield from ((boundary, _nothing) for boundary in PUTS.values())
            yield Boundary.COMMIT, self._committed
        else:
            yield from ((Boundary.FAIL, self._failed), (Boundary.DEAD_LETTER, self._buried))
        yield Boundary.DELETE, self._gone

    def _refused_at(self, boundary: Boundary, *, for_good: bool) -> None:
        if boundary in RELEASING and not for_good:
            self.is_held = False

    def _become(self, key: RowKey, status: str) -> None:
        self.statuses[key] = status

    def _claimed(self) -> None:
        self.epoch += 1
        self.is_held = True
        self._become(self.audio, IN_PROGRESS)

    def _committed(self) -> None:
        self.commits += 1
        self.is_held = False
        self.statuses = dict.fromkeys(self.statuses, COMPLETED)

    def _failed(self) -> None:
        self.is_held = False
        self.statuses = dict.fromkeys(self.statuses, FAILED)

    def _buried(self) -> None:
        self.letters += 1

    def _gone(self) -> None:
        self.copies -= 1

    def _show(self) -> None:
        """Let every copy's invisibility pass."""
        handles = {
            entry.delivery.message_id: entry.delivery.receipt_handle
            for entry in self.journal.of(Boundary.RECEIVE)
            if entry.delivery
        }
        for message_id in self.sent & handles.keys() - self.journal.deleted_messages:
            self.jobs.sqs.change_message_visibility(
                QueueUrl=self.jobs.platform.queue_url, ReceiptHandle=handles[message_id], VisibilityTimeout=0
            )


def _nothing() -> None:
    """The effect of a call that the model does not know."""


@pytest.fixture
def machine(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[LifeInAWorker]]:
    """The model, with a worker to compare with."""
    with ExitStack() as ending:
        LifeInAWorker.bench = Bench(platform, monkeypatch, ending)
        yield LifeInAWorker
        del LifeInAWorker.bench


@pytest.mark.slow
def test_the_worker_does_as_the_model_says(machine: type[LifeInAWorker]) -> None:
    """In any order of steps, a worker leaves rows, queue and dead letters as the model predicts."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            # A dozen steps are read as they are; to find fewer would take minutes of a real worker's time.
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
