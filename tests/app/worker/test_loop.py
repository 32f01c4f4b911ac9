"""How the worker receives, waits, and stops."""

from collections.abc import Callable
from typing import cast

import pytest

from app.aws.protection import ProtectionStatus
from app.errors import (
    CredentialsError,
    MissingExtraError,
    QueueGoneError,
    UnavailableError,
)
from app.speech_process.client import ProcessState
from app.worker.loop import WorkerExit
from tests.app.worker.bench import Bench
from tests.app.worker.fakes import InstantEvent

PROTECTION_CALLS = {"protect", "receive", "delete", "give_back", "unprotect"}


class TestLoop:
    """The poll loop: back-off, health, the speech process, protection."""

    def test_the_back_off_grows_while_aws_is_unavailable(self, bench: Bench) -> None:
        """Failed receives are repeated after 1, 2, 4 ... s, up to 30 s; a success starts over."""
        bench.send()
        bench.faults.add("receive", *[UnavailableError("sqs: 503")] * 7)

        assert bench.drain() is WorkerExit.OK

        assert bench.waits == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        assert bench.outcomes == ["completed"]

    def test_refused_credentials_make_the_worker_unhealthy_until_they_work(self, bench: Bench) -> None:
        """The worker backs off and reports the reason; it is healthy again after the next receive."""
        problems: list[str | None] = []
        bench.faults.add("receive", CredentialsError("sqs: ReceiveMessage was refused (ExpiredToken)"))
        self.on_wait(bench, lambda: problems.append(bench.health.problem()))

        bench.drain()

        assert problems == ["sqs: ReceiveMessage was refused (ExpiredToken)"]
        assert bench.health.problem() is None

    def test_an_infrastructure_error_of_an_attempt_backs_off_too(self, bench: Bench) -> None:
        """An attempt that AWS refused is followed by a pause, so that there is no hot loop."""
        bench.send()
        bench.faults.add("claim", CredentialsError("dynamodb: UpdateItem was refused (ExpiredToken)"))

        bench.drain()

        assert bench.waits == [1.0]
        assert bench.outcomes == ["returned", "completed"]

    def test_a_deleted_queue_ends_the_worker(self, bench: Bench) -> None:
        """After five reports that the queue does not exist the worker exits with 3."""
        bench.faults.add("receive", *[QueueGoneError("sqs: the queue does not exist")] * 5)

        assert bench.drain() is WorkerExit.QUEUE_GONE

        assert bench.health.problem() == "sqs: the queue does not exist"

    def test_nothing_is_received_before_the_speech_process_is_ready(self, bench: Bench) -> None:
        """While models load the worker is healthy and takes no job from others."""
        bench.send()
        bench.speech.state = ProcessState.STARTING

        def become_ready() -> None:
            assert "receive" not in bench.calls
            bench.speech.state = ProcessState.READY

        self.on_wait(bench, become_ready)

        bench.drain()

        assert bench.outcomes == ["completed"]

    def test_a_dead_speech_process_is_restarted_with_growing_pauses(self, bench: Bench) -> None:
        """The first restart is immediate; a process that dies again makes the worker unhealthy."""
        problems: list[str | None] = []
        bench.speech.state = bench.speech.state_after_start = ProcessState.DEAD

        def recover() -> None:
            problems.append(bench.health.problem())
            if bench.speech.starts == 3:
                bench.speech.state_after_start = ProcessState.READY

        self.on_wait(bench, recover)

        bench.drain()

        assert bench.waits == [1.0, 2.0, 4.0]
        assert set(problems) == {"the speech process fails to start"}
        assert bench.health.problem() is None

    def test_a_speech_process_that_can_never_start_ends_the_worker(self, bench: Bench) -> None:
        """A missing package is the worker's fault: it raises before it receives a job."""
        bench.send()
        bench.speech.state = ProcessState.DEAD
        bench.speech.fault = MissingExtraError("pip install story-tts[speech]")

        with pytest.raises(MissingExtraError):
            bench.drain()

        assert "receive" not in bench.calls

    def test_protection_is_requested_before_a_receive_and_released_after_the_job(self, bench: Bench) -> None:
        """Between two jobs and after an empty receive a deployment finds the task unprotected."""
        bench.send()

        bench.drain()

        assert self.protection_calls(bench) == [
            "protect", "receive", "delete", "unprotect", "protect", "receive", "unprotect", "unprotect",
        ]  # fmt: skip

    def test_an_idle_task_waits_for_a_message_unprotected(self, bench: Bench) -> None:
        """A scale-in can stop a task that found no message; the next message is protected when it comes."""
        self.send_at_second_receive(bench, stop_at=("receive", 3))

        bench.worker().run()

        assert self.protection_calls(bench) == [
            "protect", "receive", "unprotect", "receive", "protect", "delete", "unprotect", "protect",
            "receive", "unprotect", "unprotect",
        ]  # fmt: skip

    def test_an_idle_task_returns_a_message_that_comes_during_a_deployment(self, bench: Bench) -> None:
        """A deployment waits for the task: the message goes back at once, for the new tasks."""
        self.send_at_second_receive(bench, stop_at=("give_back", 1))
        bench.protection.answers = [ProtectionStatus.PROTECTED, ProtectionStatus.DEPLOYMENT_WAITS]

        bench.worker().run()

        assert self.protection_calls(bench) == [
            "protect", "receive", "unprotect", "receive", "protect", "give_back", "unprotect",
        ]  # fmt: skip
        assert (bench.queue.delays, bench.outcomes) == ([0], [])

    def test_a_task_returns_one_message_to_a_deployment_however_long_that_waits(self, bench: Bench) -> None:
        """Each receive counts: a message that idle tasks took again and again would count as poisoned."""
        self.send_at_second_receive(bench, stop_at=("delete", 1))
        waits = [ProtectionStatus.DEPLOYMENT_WAITS] * 4
        bench.protection.answers = [ProtectionStatus.PROTECTED, *waits, ProtectionStatus.PROTECTED]

        bench.worker().run()

        assert self.protection_calls(bench) == [
            "protect", "receive", "unprotect", "receive", "protect", "give_back",
            "protect", "protect", "protect", "protect", "receive", "delete", "unprotect", "unprotect",
        ]  # fmt: skip

    @staticmethod
    def send_at_second_receive(bench: Bench, *, stop_at: tuple[str, int]) -> None:
        """Send a job when the worker receives for the second time, and stop it at a call of a number."""

        def act(called: str) -> None:
            if called == "receive" and bench.calls.count("receive") == 2:
                bench.send()
            if called == stop_at[0] and bench.calls.count(called) == stop_at[1]:
                bench.shutdown.request()

        bench.faults.on_call = act

    @staticmethod
    def protection_calls(bench: Bench) -> list[str]:
        """The calls that change protection, among those to the queue."""
        return [call for call in bench.calls if call in PROTECTION_CALLS]

    def test_nothing_is_received_while_a_deployment_waits(self, bench: Bench) -> None:
        """A task that a deployment wants to stop leaves the jobs to the new tasks, and asks again later."""
        bench.send()
        bench.protection.answers = [ProtectionStatus.DEPLOYMENT_WAITS] * 3 + [ProtectionStatus.UNPROTECTED]
        self.on_wait(bench, lambda: bench.calls.append("pause"))

        bench.drain()

        assert bench.calls[1:9] == ["protect", "pause"] * 3 + ["protect", "receive"]
        assert bench.health.problem() is None
        assert bench.outcomes == ["completed"]

    @staticmethod
    def on_wait(bench: Bench, action: Callable[[], None]) -> None:
        """Run `action` whenever the worker pauses."""
        event = cast("InstantEvent", bench.shutdown.requested)
        wait = event.wait

        def wait_and_act(timeout: float | None = None) -> bool:
            action()
            return wait(timeout)

        event.wait = wait_and_act  # type: ignore[method-assign]
