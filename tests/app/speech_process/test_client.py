"""The speech process under every fault of a process, with real signals and real deaths."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions
from app.speech_process import protocol
from app.speech_process.child import PauseTolerantClock
from app.speech_process.client import ProcessState, SpeechProcess
from tests.workers import until

pytestmark = pytest.mark.slow

RequestFor = Callable[[str], Request]

ESPEAK = NarrationOptions(engine="espeak", voice="af_heart")
STORY = (
    "The lamp was lit. “Who is there?” she asked, and waited.\n\n"
    "Nobody answered; the house, as ever, kept its counsel.\n"
)
LONG_STORY = STORY * 2000
"""Several seconds of work even for espeak, so that it can be interrupted."""


@pytest.fixture
def speech() -> Iterator[SpeechProcess]:
    """Return a speech process that is not started yet."""
    process = SpeechProcess(options=ESPEAK, stall_timeout_secs=60, start_timeout_secs=60)
    yield process
    process.stop()


@pytest.fixture
def request_for(tmp_path: Path) -> RequestFor:
    """Return a function that makes requests, each with its own folder."""
    count = 0

    def make(text: str) -> Request:
        nonlocal count
        count += 1
        folder = tmp_path / f"job-{count}"
        folder.mkdir()
        return Request(text=text, folder=folder, options=ESPEAK)

    return make


class BackgroundNarration:
    """A narration in a thread, with its progress and its outcome."""

    def __init__(self, speech: SpeechProcess, request: Request) -> None:
        self.cancel = threading.Event()
        self.progress: list[Progress] = []
        self.narration: Narration | None = None
        self.error: BaseException | None = None
        self._has_progress = threading.Event()
        self._speech, self._request = speech, request
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.narration = self._speech.narrate(self._request, on_progress=self._note, cancel=self.cancel)
        except BaseException as error:  # noqa: BLE001 - the test checks it
            self.error = error
        finally:
            self._has_progress.set()

    def _note(self, progress: Progress) -> None:
        self.progress.append(progress)
        self._has_progress.set()

    def wait_for_progress(self) -> int:
        """Wait until the story is being narrated, and return the child's process id."""
        self._has_progress.wait()
        assert self._speech.pid is not None
        return self._speech.pid

    def join(self) -> None:
        """Wait for the outcome."""
        self._thread.join()


def narrate(speech: SpeechProcess, request: Request) -> None:
    """Narrate a story and ignore its progress."""
    speech.narrate(request, on_progress=lambda _: None, cancel=threading.Event())


def await_state(speech: SpeechProcess, state: ProcessState) -> None:
    """Return once the child is in `state`."""
    until(lambda: speech.state is state)


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def replace_child(folder: Path, monkeypatch: pytest.MonkeyPatch, *, run: str) -> None:
    """Run a shell command in place of the child, as a broken installation or a stuck loader would."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{run}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


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


def test_a_killed_child_leaves_no_temporary_files(tmp_path: Path) -> None:
    """Files that libraries wrote, such as copies of native code, are removed with the child."""
    speech = SpeechProcess(options=ESPEAK, scratch=tmp_path)
    speech.start()
    await_state(speech, ProcessState.READY)
    (scratch,) = tmp_path.iterdir()
    (scratch / "library.so").touch()
    assert speech.pid is not None
    os.kill(speech.pid, signal.SIGKILL)
    await_state(speech, ProcessState.DEAD)
    assert list(tmp_path.iterdir()) == []


PARENT = """
    import sys, threading
    from pathlib import Path
    from app.narration.base import Request
    from app.narration.options import NarrationOptions
    from app.speech_process.client import SpeechProcess

    options = NarrationOptions(engine="espeak", voice="af_heart")
    speech = SpeechProcess(options=options)
    request = Request(text=Path(sys.argv[1]).read_text(), folder=Path(sys.argv[2]), options=options)
    # The thread that starts the child ends before the process does: the child must survive it.
    starter = threading.Thread(target=speech.start)
    starter.start()
    starter.join()
    speech.narrate(request, on_progress=lambda _: print(speech.pid, flush=True), cancel=threading.Event())
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that narrates a long story and prints its child's process id."""
    source = tmp_path / "long.txt"
    source.write_text(LONG_STORY, encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(source), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        with suppress(ProcessLookupError):
            process.kill()


@pytest.mark.parametrize("is_child_stopped", [False, True])
def test_the_child_dies_with_its_parent(parent: subprocess.Popen[str], is_child_stopped: bool) -> None:
    """If the parent is killed, the kernel kills the child, even one that cannot run."""
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    if is_child_stopped:
        os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    until(lambda: not is_running(child))


def test_output_of_native_code_goes_to_the_log(
    tmp_path: Path,
    request_for: RequestFor,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A library that prints to standard output does not disturb the protocol."""
    script = tmp_path / "print.py"
    script.write_text(
        "import os\nos.write(1, b'native noise\\n')\nfrom app.speech_process import server\nserver.main()\n",
        encoding="utf-8",
    )
    replace_child(tmp_path, monkeypatch, run=f'shift 2\nexec {sys.executable} {script} "$@"')
    speech = SpeechProcess(options=ESPEAK)
    narrate(speech, request_for(STORY))
    speech.stop()
    captured = capfd.readouterr()
    assert (captured.out, "native noise" in captured.err) == ("", True)


def test_the_story_is_neither_logged_nor_left_in_a_file(
    speech: SpeechProcess, request_for: RequestFor, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log has no word of a story that was narrated, refused or interrupted by a crash."""
    request = request_for("Xylophonic secrets.")
    narrate(speech, request)
    assert not (request.folder / protocol.SOURCE_NAME).exists()
    with suppress(RefusedTextError):
        narrate(speech, request_for("Xylophonic \ud800"))
    story = BackgroundNarration(speech, request_for("Xylophonic secrets. " * 20_000))
    os.kill(story.wait_for_progress(), signal.SIGSEGV)
    story.join()
    captured = capfd.readouterr()
    assert "ylophonic" not in captured.out + captured.err


def test_the_child_has_a_lower_priority(speech: SpeechProcess, request_for: RequestFor) -> None:
    """The child gets less CPU time than its parent, and is killed first if memory runs out."""
    narrate(speech, request_for(STORY))
    own = int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))
    assert speech.pid is not None
    assert int(Path(f"/proc/{speech.pid}/oom_score_adj").read_text(encoding="ascii")) > own
    assert os.getpriority(os.PRIO_PROCESS, speech.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_progress_increases_to_the_end(speech: SpeechProcess, request_for: RequestFor) -> None:
    """Fraction, chunks and audio only increase, and stay within the story."""
    story = BackgroundNarration(speech, request_for(STORY * 80))
    story.join()
    assert story.narration is not None
    fractions = [progress.fraction for progress in story.progress]
    chunks = [progress.chunk for progress in story.progress]
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] <= fractions[-1] <= 1
    assert chunks == sorted(set(chunks))
    assert story.progress[-1].audio_secs <= story.narration.duration_secs


def test_time_in_which_the_parent_was_stopped_does_not_count() -> None:
    """A pause of the parent process does not use up the child's time limits."""
    times = iter([0.0, 0.1, 0.2, 600.2])
    clock = PauseTolerantClock(lambda: next(times))
    assert [round(clock.elapsed_secs(), 3) for _ in range(3)] == [0.1, 0.2, 0.4]
