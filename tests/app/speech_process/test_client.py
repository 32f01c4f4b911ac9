"""The speech process under every fault of a process, with real signals and real deaths."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from app.errors import (
    ConfigurationError,
    DiskFullError,
    EngineCrashedError,
    EngineDiedError,
    NarrationCancelledError,
    RefusedTextError,
    UnknownVoiceError,
)
from app.media import MEDIA
from app.narration.base import Request
from app.narration.options import NarrationOptions
from app.speech_process.client import ProcessState, SpeechProcess
from tests.app.speech_process.narrations import (
    ESPEAK,
    LONG_STORY,
    STORY,
    BackgroundNarration,
    RequestFor,
    await_state,
    is_running,
    narrate,
    replace_child,
)
from tests.workers import until

pytestmark = pytest.mark.slow


def test_start_returns_while_the_engine_loads(speech: SpeechProcess) -> None:
    """Starting a child does not block: the child is starting, then ready."""
    before = speech.state
    speech.start()
    assert (before, speech.state in {ProcessState.STARTING, ProcessState.READY}) == (ProcessState.DEAD, True)
    await_state(speech, ProcessState.READY)


def test_one_child_narrates_many_stories(speech: SpeechProcess, request_for: RequestFor) -> None:
    """The engine is loaded once, and the media of a story do not depend on the stories before it."""
    first, other, again = request_for(STORY), request_for("Something else, then."), request_for(STORY)
    pids = []
    for request in (first, other, again):
        narrate(speech, request)
        pids.append(speech.pid)
    assert [speech.pid] * 3 == pids
    assert speech.state is ProcessState.READY
    for kind in MEDIA:
        name = kind.file_name
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_a_child_is_replaced_after_its_share_of_stories(request_for: RequestFor) -> None:
    """A new child takes over before leaks of native code add up."""
    speech = SpeechProcess(options=ESPEAK, stories_per_child=2)
    pids = []
    for _ in range(5):
        narrate(speech, request_for(STORY))
        pids.append(speech.pid)
    speech.stop()
    first, _, second, _, third = pids
    assert pids == [first, first, second, second, third]
    assert len({first, second, third}) == 3


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (signal.SIGSEGV, EngineCrashedError),
        (signal.SIGABRT, EngineCrashedError),
        (signal.SIGKILL, EngineDiedError),
    ],
)
def test_a_dead_child_is_replaced_for_the_next_story(
    speech: SpeechProcess,
    request_for: RequestFor,
    number: signal.Signals,
    expected: type[EngineDiedError],
) -> None:
    """A crash and a kill for lack of memory are different errors that name the signal."""
    story = BackgroundNarration(speech, request_for(LONG_STORY))
    os.kill(story.wait_for_progress(), number)
    story.join()
    assert type(story.error) is expected
    assert number.name in str(story.error)
    await_state(speech, ProcessState.DEAD)
    narrate(speech, request_for(STORY))
    await_state(speech, ProcessState.READY)


def test_a_child_that_dies_idle_is_dead(speech: SpeechProcess, request_for: RequestFor) -> None:
    """The state shows the death of an idle child without waiting for a story."""
    narrate(speech, request_for(STORY))
    assert speech.pid is not None
    os.kill(speech.pid, signal.SIGKILL)
    await_state(speech, ProcessState.DEAD)
    narrate(speech, request_for(STORY))


def test_a_stalled_child_is_killed(request_for: RequestFor) -> None:
    """A child without progress for the stall timeout is killed, even if it cannot handle a signal."""
    speech = SpeechProcess(options=ESPEAK, stall_timeout_secs=0.5, start_timeout_secs=60)
    story = BackgroundNarration(speech, request_for(LONG_STORY))
    pid = story.wait_for_progress()
    os.kill(pid, signal.SIGSTOP)
    story.join()
    assert isinstance(story.error, EngineDiedError)
    assert "longer than 0.5 s" in story.error.message
    assert not is_running(pid)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_cancelling_kills_the_child(speech: SpeechProcess, request_for: RequestFor, is_stopped: bool) -> None:
    """A cancelled story ends soon together with its child, even a child that cannot run."""
    story = BackgroundNarration(speech, request_for(LONG_STORY))
    pid = story.wait_for_progress()
    if is_stopped:
        os.kill(pid, signal.SIGSTOP)
    story.cancel.set()
    story.join()
    assert isinstance(story.error, NarrationCancelledError)
    assert not is_running(pid)
    narrate(speech, request_for(STORY))
    assert speech.pid != pid


def test_a_story_cancelled_before_the_start_is_not_narrated(
    speech: SpeechProcess, request_for: RequestFor
) -> None:
    """A cancel ends the wait for the engine."""
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(NarrationCancelledError):
        speech.narrate(request_for(STORY), on_progress=lambda _: None, cancel=cancel)


def test_an_error_in_the_callback_ends_the_child(speech: SpeechProcess, request_for: RequestFor) -> None:
    """If the caller's code fails or Ctrl-C interrupts it, the child does not continue."""

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speech.narrate(request_for(LONG_STORY), on_progress=interrupt, cancel=threading.Event())
    assert speech.state is ProcessState.DEAD


def test_stop_ends_the_child(speech: SpeechProcess, request_for: RequestFor) -> None:
    """After stop no process is left. Stopping again does nothing."""
    narrate(speech, request_for(STORY))
    pid = speech.pid
    assert pid is not None
    speech.stop()
    speech.stop()
    assert not is_running(pid)
    assert speech.state is ProcessState.DEAD


def test_errors_of_the_narrator_arrive_with_their_class(
    speech: SpeechProcess, request_for: RequestFor
) -> None:
    """An error in a story arrives as the same class, and the child narrates the next story."""
    with pytest.raises(RefusedTextError, match="nothing"):
        narrate(speech, request_for("* * *"))
    pid = speech.pid
    folder = request_for(STORY).folder
    options = NarrationOptions(engine="espeak", voice="../nobody")
    with pytest.raises(UnknownVoiceError):
        narrate(speech, Request(text=STORY, folder=folder, options=options))
    with pytest.raises(RefusedTextError):
        narrate(speech, request_for("half a pair: \ud800"))
    full = request_for(STORY)
    (full.folder / "audio.wav").symlink_to("/dev/full")
    with pytest.raises(DiskFullError):
        narrate(speech, full)
    narrate(speech, request_for(STORY))
    assert speech.pid == pid


def test_an_engine_that_cannot_load_reports_why(request_for: RequestFor) -> None:
    """The child's own error is raised, and available as `fault`."""
    speech = SpeechProcess(options=NarrationOptions(engine="festival", voice="af_heart"))
    with pytest.raises(ConfigurationError, match="festival"):
        narrate(speech, request_for(STORY))
    assert isinstance(speech.fault, ConfigurationError)


def test_a_child_that_hangs_while_loading_is_replaced(
    tmp_path: Path, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that misses its start deadline is killed although no story waits for it."""
    with monkeypatch.context() as patched:
        replace_child(tmp_path, patched, run="exec sleep 600")
        speech = SpeechProcess(options=ESPEAK, start_timeout_secs=0.3)
        speech.start()
        until(lambda: speech.pid is not None)
        pid = speech.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await_state(speech, ProcessState.DEAD)
        assert not is_running(pid)
        with pytest.raises(EngineDiedError, match=r"longer than 0\.3 s to load its engine"):
            narrate(speech, request_for(STORY))
    speech = SpeechProcess(options=ESPEAK)
    narrate(speech, request_for(STORY))
    speech.stop()


@pytest.mark.parametrize(
    ("run", "message"), [("exit 7", "exit code 7"), ("kill -ABRT $$", "SIGABRT"), (None, "No such file")]
)
def test_a_child_that_cannot_start_reports_how_it_ended(
    tmp_path: Path, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, run: str | None, message: str
) -> None:
    """Exit code, signal or the operating system's error are the reason."""
    if run is None:
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    else:
        replace_child(tmp_path, monkeypatch, run=run)
    speech = SpeechProcess(options=ESPEAK)
    with pytest.raises(EngineDiedError, match=message):
        narrate(speech, request_for(STORY))
    assert speech.pid is None
