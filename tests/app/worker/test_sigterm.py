"""SIGTERM in each phase of a job: the worker ends, and the job is completed once, by it or the next one."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from app.aws.rows import COMPLETED, IN_PROGRESS, PENDING
from app.errors import UnavailableError
from app.narration.base import Cancellation, Narration, OnProgress, Progress, Request
from app.shutdown import RESERVE_SECS, Shutdown
from app.speech_process.client import ProcessState
from app.worker.loop import WorkerExit
from app.worker.retry import FIRST_RETRY_SECS
from tests.app.worker.bench import Bench
from tests.app.worker.fakes import FakeSpeech, InstantEvent


class Left(NamedTuple):
    """What a stopped worker leaves."""

    status: str
    """Of both rows."""
    outcomes: list[str]
    """Of its attempts."""


UNTOUCHED, RETURNED, DONE = Left(PENDING, []), Left(IN_PROGRESS, ["returned"]), Left(COMPLETED, ["completed"])


class SlowSpeech(FakeSpeech):
    """Reports progress before it calls the next step: nine tenths are narrated, and are being aligned."""

    def narrate(self, request: Request, *, on_progress: OnProgress, cancel: Cancellation) -> Narration:
        """Report, then do as its base."""
        for fraction in (0.5, 0.9):
            on_progress(Progress(fraction=fraction, chunk=1, audio_secs=fraction))
        return super().narrate(request, on_progress=on_progress, cancel=cancel)


def at(call: str) -> Callable[[Bench], None]:
    """Return what stops the worker when it makes this call."""
    return lambda bench: bench.stop_at(call)


def while_loading(bench: Bench) -> None:
    """Stop the worker while its speech process loads."""
    bench.speech.state = ProcessState.STARTING
    bench.shutdown.request()


def while_narrating(bench: Bench) -> None:
    """Stop it in a narration of which nothing is done yet."""
    bench.speech.steps = [bench.shutdown.request]


def while_aligning(bench: Bench) -> None:
    """Stop it in a narration that ends within the time that is left."""
    bench.speech = SlowSpeech()
    bench.shutdown = Shutdown(stop_timeout_secs=RESERVE_SECS + 60)
    bench.speech.steps = [bench.shutdown.request]


def while_refused(bench: Bench) -> None:
    """Stop it in an upload that S3 refuses for now."""
    bench.faults.add("put", UnavailableError("s3: SlowDown"))
    bench.stop_at("put")


@pytest.mark.parametrize(
    ("stop", "left"),
    [
        pytest.param(at("receive"), UNTOUCHED, id="receive"),
        pytest.param(while_loading, UNTOUCHED, id="load"),
        pytest.param(at("claim"), RETURNED, id="claim"),
        pytest.param(at("etag"), RETURNED, id="look for media"),
        pytest.param(while_narrating, RETURNED, id="narrate"),
        pytest.param(while_aligning, DONE, id="align"),
        pytest.param(at("put"), DONE, id="put"),
        pytest.param(while_refused, RETURNED, id="put refused"),
        pytest.param(at("commit"), DONE, id="commit"),
        pytest.param(at("delete"), DONE, id="delete"),
    ],
)
def test_sigterm_in_each_phase(bench: Bench, stop: Callable[[Bench], None], left: Left) -> None:
    """A job that ends in time is finished, any other returned soon, and the next worker completes it."""
    bench.send()
    stop(bench)

    assert bench.drain() is WorkerExit.OK

    assert Left(bench.statuses()[0], bench.outcomes) == left
    assert bench.statuses()[0] == bench.statuses()[1]
    assert all(delay <= FIRST_RETRY_SECS for delay in bench.queue.delays)

    bench.faults.on_call = lambda _: None
    bench.shutdown = Shutdown(stop_timeout_secs=RESERVE_SECS)
    bench.shutdown.requested = InstantEvent()
    bench.speech.state = ProcessState.READY
    bench.queue.show_all()
    bench.drain()

    assert bench.statuses() == [COMPLETED, COMPLETED]
    assert bench.faults.effects.count("commit") == 1
    assert bench.queue.bodies == []
