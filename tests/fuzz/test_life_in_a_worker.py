"""
A model of a job's life, checked against the worker in memory.

The model knows what each call of the worker does, and says after each step what rows, queue and dead letters
hold. Hypothesis looks for an order of copies, crashes, refusals, expiries and cancellations in which worker
and model disagree. The in-memory table, queue and store keep the contracts of the real ones.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.aws.rows import CANCELLED, COMPLETED, FAILED, IN_PROGRESS, PENDING
from app.errors import CredentialsError, EngineDiedError, InfrastructureError, RefusedTextError
from app.media import MEDIA
from app.work_folder import WorkFolder
from tests.app.worker.bench import AUDIO_ROW, SUBTITLES_ROW, WAV, Bench

MAX_COPIES = 3
MAX_ATTEMPTS = 5
ENDING = ("fail", "send", "delete")
Step = tuple[str, Callable[[], None]]


class LifeInAWorker(RuleBasedStateMachine):
    """One job, with copies of its message, and a worker that AWS may refuse at any of its calls."""

    @initialize(is_speakable=st.sampled_from([True, True, False]))
    def produce(self, is_speakable: bool) -> None:
        """The producer creates both rows; the job can be done, or can never be."""
        self.folder = Path(tempfile.mkdtemp(prefix="story-tts-model-"))
        self.work_folder = WorkFolder(self.folder / uuid4().hex)
        self.bench = Bench(self.work_folder)
        self.bench.tasks.create(AUDIO_ROW, SUBTITLES_ROW, source_prompt="Once")
        self.is_speakable = is_speakable
        self.statuses = {AUDIO_ROW: PENDING, SUBTITLES_ROW: PENDING}
        self.copies = self.letters = self.epoch = self.commits = self.attempts = 0
        self.is_held = False
        self.send()

    @precondition(lambda self: self.copies < MAX_COPIES)
    @rule()
    def send(self) -> None:
        """The producer, or the queue itself, delivers the message once more."""
        self.bench.send(rows=False)
        self.copies += 1

    @precondition(lambda self: self.copies)
    @rule()
    def work(self) -> None:
        """A worker makes an attempt, undisturbed."""
        self.attempt()

    @precondition(lambda self: self.copies)
    @rule(number=st.integers(0, 99), when=st.sampled_from(["", "after "]), for_good=st.booleans())
    def work_in_trouble(self, number: int, when: str, for_good: bool) -> None:
        """AWS refuses one of the worker's calls, or all from that on, which is as if the worker had died."""
        calls = [call for call, _ in self.path()]
        self.attempt(refused=when + calls[number % len(calls)], for_good=for_good)

    @precondition(lambda self: self.copies and self.is_speakable)
    @rule()
    def work_with_a_crash(self) -> None:
        """The speech process crashes."""
        self.attempt(crashes=True)

    @precondition(lambda self: self.statuses[AUDIO_ROW] == IN_PROGRESS)
    @rule()
    def expire(self) -> None:
        """The holder was silent for longer than its lease."""
        self.bench.tasks.rows[AUDIO_ROW]["lease_expires_at"] = 1
        self.is_held = False

    @precondition(lambda self: self.statuses[AUDIO_ROW] in {PENDING, IN_PROGRESS, FAILED})
    @rule(chance=st.integers(0, 9))
    def cancel(self, chance: int) -> None:
        """Now and then the producer cancels the audio."""
        if chance == 0:
            self.bench.tasks.rows[AUDIO_ROW]["status"] = CANCELLED
            self.statuses[AUDIO_ROW], self.is_held = CANCELLED, False

    @invariant()
    def holds(self) -> None:
        """Rows, queue and dead letters hold what the model says, and so the invariants."""
        for key, status in self.statuses.items():
            row = self.bench.tasks.rows[key]
            assert row["status"] == status
            assert ("sparse_gsi_hash_key" in row) == (status != COMPLETED)
        audio = self.bench.tasks.rows[AUDIO_ROW]
        if audio["status"] == COMPLETED:
            assert self.bench.media.etag(WAV) == audio["media_sha256"]
        assert audio.get("lease_epoch", 0) == self.epoch
        assert audio.get("attempts", 0) == self.attempts
        is_live = audio["status"] == IN_PROGRESS and audio.get("lease_expires_at", 0) > time.time()
        assert is_live == self.is_held
        assert len(self.bench.queue.bodies) == self.copies
        assert len(self.bench.letters.bodies) == self.letters
        assert self.bench.faults.effects.count("commit") == self.commits <= 1

    def teardown(self) -> None:
        """Remove the work folder."""
        if hasattr(self, "work_folder"):
            self.work_folder.close()
            (self.folder / self.work_folder.path.parent.name).rmdir()
            self.folder.rmdir()

    def attempt(self, *, refused: str = "", for_good: bool = False, crashes: bool = False) -> None:
        """Let the worker receive once, and let the model do the same."""
        bench, refusal = self.bench, CredentialsError("refused")
        bench.queue.show_all()
        bench.speech.steps = [EngineDiedError("killed")] if crashes else []
        if not self.is_speakable:
            bench.speech.steps = [RefusedTextError("nothing to speak")]
        is_refusing = False

        def refuse(method: str) -> None:
            nonlocal is_refusing
            if is_refusing if for_good and is_refusing else method == refused and not is_refusing:
                is_refusing = True
                raise refusal

        bench.faults.on_call = refuse
        with suppress(InfrastructureError):
            bench.worker()._turn(drain=True)
        bench.faults.on_call = lambda _: None
        for call, take_effect in self.path(crashes=crashes) if self.copies else ():
            if call == refused:
                self.after_refusal(call, for_good=for_good)
                return
            take_effect()
            if f"after {call}" == refused:
                self.after_refusal(call, for_good=for_good)
                return

    def after_refusal(self, call: str, *, for_good: bool) -> None:
        """A worker that lives releases the job it holds, if it still does."""
        if call in {"etag", "put", "commit"} and not for_good:
            self.is_held = False

    def path(self, *, crashes: bool = False) -> Iterator[Step]:
        """Yield the calls that decide, in the worker's order, each with its effect."""
        yield "receive", _nothing
        if self.statuses[AUDIO_ROW] in {COMPLETED, CANCELLED}:
            yield "claim", self.follow
            yield "delete", self.gone
            return
        if self.is_held:
            yield from (("claim", _nothing), ("give_back", _nothing))
            return
        yield "claim", self.claimed
        yield "etag", _nothing
        if crashes and self.attempts + 1 < MAX_ATTEMPTS:
            yield from (("release", self.released), ("give_back", _nothing))
        elif crashes or not self.is_speakable:
            yield from zip(ENDING, (self.failed, self.buried, self.gone), strict=True)
        else:
            yield from (("put", _nothing) for _ in MEDIA)
            yield from (("commit", self.committed), ("delete", self.gone))

    def follow(self) -> None:
        """Let the subtitles row follow a cancelled audio row."""
        if self.statuses[AUDIO_ROW] == CANCELLED:
            self.statuses[SUBTITLES_ROW] = CANCELLED

    def claimed(self) -> None:
        """Hold the job."""
        self.epoch += 1
        self.is_held = True
        self.statuses = dict.fromkeys(self.statuses, IN_PROGRESS)

    def released(self) -> None:
        """Count an attempt."""
        self.is_held = False
        self.attempts += 1

    def committed(self) -> None:
        """Complete the job."""
        self.commits += 1
        self.is_held = False
        self.statuses = dict.fromkeys(self.statuses, COMPLETED)

    def failed(self) -> None:
        """Fail the job, and let its attempts start over."""
        self.is_held, self.attempts = False, 0
        self.statuses = dict.fromkeys(self.statuses, FAILED)

    def buried(self) -> None:
        """Send a dead letter."""
        self.letters += 1

    def gone(self) -> None:
        """Delete the message."""
        self.copies -= 1


def _nothing() -> None:
    """The effect of a call that changes nothing the model knows of."""


@pytest.mark.slow
def test_the_worker_does_as_the_model_says() -> None:
    """In whatever order of steps, the worker leaves rows, queue and dead letters as foreseen."""
    run_state_machine_as_test(
        LifeInAWorker,
        settings=settings(
            max_examples=250,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
