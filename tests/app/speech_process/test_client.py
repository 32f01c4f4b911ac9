"""The speech child under everything that can happen to a process, by real signals and real deaths."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.errors import (
    ConfigurationError,
    DiskFullError,
    EngineDiedError,
    NarrationCancelledError,
    RefusedTextError,
    UnknownVoiceError,
)
from app.local.emulator import wait_until
from app.narration.base import Narration, OnProgress, Progress, Request
from app.narration.options import NarrationOptions
from app.speech_process import protocol
from app.speech_process.client import ProcessState, SpeechProcess

pytestmark = pytest.mark.slow

RequestFor = Callable[[str], Request]

ESPEAK = NarrationOptions(engine="espeak", voice="af_heart")
STORY = (
    "The lamp was lit. “Who is there?” she asked, and waited.\n\n"
    "Nobody answered; the house, as ever, kept its counsel.\n"
)
LONG_STORY = STORY * 2000
"""Some seconds of work even for espeak: long enough to be interrupted on the way."""


@pytest.fixture
def speech() -> Iterator[SpeechProcess]:
    """Lend a speech process that nothing was asked of yet."""
    process = SpeechProcess(
        options=ESPEAK,
        stall_timeout_secs=60,
        start_timeout_secs=60,
    )
    yield process
    process.stop()


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[[str], Request]:
    """Return a function that makes requests, each with a folder of its own."""
    count = 0

    def make(text: str) -> Request:
        nonlocal count
        count += 1
        folder = tmp_path / f"job-{count}"
        folder.mkdir()
        return Request(text=text, folder=folder, options=ESPEAK)

    return make


class Told:
    """A narration under way in a thread, its progress and its end."""

    def __init__(self, speech: SpeechProcess, request: Request) -> None:
        self.cancel = threading.Event()
        self.under_way = threading.Event()
        self.progress: list[Progress] = []
        self.narration: Narration | None = None
        self.error: BaseException | None = None
        self._speech, self._request = speech, request
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        on_progress: OnProgress = self._note
        try:
            self.narration = self._speech.narrate(self._request, on_progress=on_progress, cancel=self.cancel)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        finally:
            self.under_way.set()

    def _note(self, progress: Progress) -> None:
        self.progress.append(progress)
        self.under_way.set()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()


def narrate(speech: SpeechProcess, request: Request) -> None:
    """Narrate without looking at progress."""
    speech.narrate(request, on_progress=lambda _: None, cancel=threading.Event())


def await_state(speech: SpeechProcess, state: ProcessState) -> None:
    """Return once the child is in `state`; the test's own timeout ends a wait in vain."""
    while speech.state is not state:
        os.sched_yield()


def is_running(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def await_end(pid: int) -> None:
    """Return once process `pid` is gone."""
    while is_running(pid):
        os.sched_yield()


def launcher(folder: Path, monkeypatch: pytest.MonkeyPatch, *, run: str) -> None:
    """Let the child be `run` instead of Python: what a broken installation or a stuck loader looks like."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{run}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def test_start_returns_while_the_engine_loads(speech: SpeechProcess) -> None:
    """Whoever starts a child does not wait for it; it is starting, then ready."""
    await_state(speech, ProcessState.DEAD)
    speech.start()
    assert speech.state in {ProcessState.STARTING, ProcessState.READY}
    await_state(speech, ProcessState.READY)


def test_one_child_serves_many_stories(speech: SpeechProcess, request_for: RequestFor) -> None:
    """The engine is loaded once: the second story is told by the same process."""
    narrate(speech, request_for(STORY))
    first = speech.pid
    narrate(speech, request_for(STORY))
    assert first == speech.pid is not None
    assert speech.state is ProcessState.READY


def test_a_child_is_renewed_now_and_then(request_for: RequestFor) -> None:
    """After so many stories another child takes over, before whatever native code leaks adds up."""
    speech = SpeechProcess(options=ESPEAK, stories_a_child=2)
    pids = []
    for _ in range(5):
        narrate(speech, request_for(STORY))
        pids.append(speech.pid)
    speech.stop()
    first, _, second, _, third = pids
    assert pids == [first, first, second, second, third]
    assert len({first, second, third}) == 3


def test_a_story_sounds_the_same_whatever_came_before(speech: SpeechProcess, request_for: RequestFor) -> None:
    """Media depend on the request alone, not on what the child told before."""
    first, other, again = request_for(STORY), request_for("Something else, then."), request_for(STORY)
    for request in (first, other, again):
        narrate(speech, request)
    for name in ("audio.wav", "subtitles.srt", "subtitles.vtt", "subtitles.words.json"):
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_the_text_does_not_stay_in_the_folder(speech: SpeechProcess, request_for: RequestFor) -> None:
    """The file that carries the text to the child is gone once it is read."""
    request = request_for(STORY)
    narrate(speech, request)
    assert not (request.folder / protocol.SOURCE_NAME).exists()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_killed_child_costs_the_story_alone(
    speech: SpeechProcess, request_for: RequestFor, number: signal.Signals
) -> None:
    """A crash or the kernel's kill for memory is an error that names the signal; the next story is told."""
    told = Told(speech, request_for(LONG_STORY))
    told.under_way.wait()
    assert speech.pid is not None
    os.kill(speech.pid, number)
    told.join()
    assert isinstance(told.error, EngineDiedError)
    assert number.name in told.error.message
    await_state(speech, ProcessState.DEAD)
    narrate(speech, request_for(STORY))
    await_state(speech, ProcessState.READY)


def test_a_child_that_dies_idle_is_seen_dead(speech: SpeechProcess, request_for: RequestFor) -> None:
    """Health need not wait for a story to learn of it, and the next story gets a new child."""
    narrate(speech, request_for(STORY))
    assert speech.pid is not None
    os.kill(speech.pid, signal.SIGKILL)
    await_state(speech, ProcessState.DEAD)
    narrate(speech, request_for(STORY))


def test_a_stopped_child_is_a_hang(request_for: RequestFor) -> None:
    """A child that makes no progress for the stall timeout is killed, even where it cannot run at all."""
    speech = SpeechProcess(
        options=ESPEAK,
        stall_timeout_secs=0.5,
        start_timeout_secs=60,
    )
    told = Told(speech, request_for(LONG_STORY))
    told.under_way.wait()
    pid = speech.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    told.join()
    assert isinstance(told.error, EngineDiedError)
    assert "longer than 0.5 s" in told.error.message
    assert not is_running(pid)


def test_cancelling_kills_the_child(speech: SpeechProcess, request_for: RequestFor) -> None:
    """A story called off ends soon, with its child gone; the next one is told by another."""
    told = Told(speech, request_for(LONG_STORY))
    told.under_way.wait()
    pid = speech.pid
    assert pid is not None
    told.cancel.set()
    told.join()
    assert isinstance(told.error, NarrationCancelledError)
    assert not is_running(pid)
    narrate(speech, request_for(STORY))
    assert speech.pid != pid


def test_cancelling_reaches_a_child_that_hangs(speech: SpeechProcess, request_for: RequestFor) -> None:
    """A stopped child takes no SIGTERM; SIGKILL follows."""
    told = Told(speech, request_for(LONG_STORY))
    told.under_way.wait()
    pid = speech.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    told.cancel.set()
    told.join()
    assert isinstance(told.error, NarrationCancelledError)
    assert not is_running(pid)


def test_a_story_cancelled_before_the_start_is_not_told(
    speech: SpeechProcess, request_for: RequestFor
) -> None:
    """A cancel while the engine loads ends the wait."""
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(NarrationCancelledError):
        speech.narrate(request_for(STORY), on_progress=lambda _: None, cancel=cancel)


def test_an_error_in_the_callback_leaves_no_story_running(
    speech: SpeechProcess, request_for: RequestFor
) -> None:
    """Where the caller's own code fails or Ctrl-C strikes, the child does not go on for nobody."""

    def strike(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speech.narrate(request_for(LONG_STORY), on_progress=strike, cancel=threading.Event())
    assert speech.state is ProcessState.DEAD


def test_stop_ends_the_child(speech: SpeechProcess, request_for: RequestFor) -> None:
    """After stop no process is left, and stopping again is no error."""
    narrate(speech, request_for(STORY))
    pid = speech.pid
    assert pid is not None
    speech.stop()
    speech.stop()
    assert not is_running(pid)
    assert speech.state is ProcessState.DEAD


def test_typed_errors_cross_the_pipe(speech: SpeechProcess, request_for: RequestFor) -> None:
    """What the narrator raises arrives as the same class, and the child stays for the next story."""
    with pytest.raises(RefusedTextError, match="nothing"):
        narrate(speech, request_for("* * *"))
    pid = speech.pid
    unknown = request_for(STORY)
    with pytest.raises(UnknownVoiceError):
        narrate(
            speech,
            Request(
                text=STORY,
                folder=unknown.folder,
                options=NarrationOptions(engine="espeak", voice="../nobody"),
            ),
        )
    with pytest.raises(RefusedTextError):
        narrate(speech, request_for("half a pair: \ud800"))
    assert speech.pid == pid


def test_an_engine_that_is_none_is_said_so(request_for: RequestFor) -> None:
    """A child that cannot load its engine reports why."""
    speech = SpeechProcess(options=NarrationOptions(engine="festival", voice="af_heart"))
    with pytest.raises(ConfigurationError, match="festival"):
        narrate(speech, request_for(STORY))
    assert isinstance(speech.fault, ConfigurationError)


def test_a_killed_child_leaves_nothing_of_its_own(tmp_path: Path) -> None:
    """What a library wrote beside the story, such as its own copy of native code, goes with the child."""
    speech = SpeechProcess(options=ESPEAK, scratch=tmp_path)
    speech.start()
    assert wait_until(lambda: speech.state is ProcessState.READY, secs=60)
    (scratch,) = tmp_path.iterdir()
    (scratch / "library.so").touch()
    assert speech.pid is not None
    os.kill(speech.pid, signal.SIGKILL)

    assert wait_until(lambda: speech.state is ProcessState.DEAD, secs=60)
    assert list(tmp_path.iterdir()) == []


PARENT = """
    import sys, threading
    from pathlib import Path
    from app.narration.base import Request
    from app.narration.options import NarrationOptions
    from app.speech_process.client import SpeechProcess

    options = NarrationOptions(engine="espeak", voice="af_heart")
    speech = SpeechProcess(options=options)
    def tell(_):
        print(speech.pid, flush=True)
    request = Request(text=Path(sys.argv[1]).read_text(), folder=Path(sys.argv[2]), options=options)
    # From a thread that ends before the process does: what follows the starting thread must not end with it.
    starter = threading.Thread(target=speech.start)
    starter.start()
    starter.join()
    speech.narrate(request, on_progress=tell, cancel=threading.Event())
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process that narrates a long story and prints its child's id."""
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


def child_of(parent: subprocess.Popen[str]) -> int:
    """Return the id that a parent prints at its first progress."""
    assert parent.stdout is not None
    return int(parent.stdout.readline())


@pytest.mark.parametrize("is_child_stopped", [False, True])
def test_the_child_dies_with_its_parent(parent: subprocess.Popen[str], is_child_stopped: bool) -> None:
    """A parent killed outright takes its child along, even one that cannot run or holds its interpreter."""
    child = child_of(parent)
    if is_child_stopped:
        os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    await_end(child)


HANG = """
    import ctypes, sys
    from app.narration import narrators
    from app.speech_process import server
    class Hanging:
        def __init__(self, options):
            pass
        def narrator(self, voice):
            # A native call that keeps the interpreter's lock: no thread, no Python signal handler runs.
            ctypes.PyDLL(None).pause()
    narrators.Narrators = Hanging
    server.main()
"""


def test_a_hang_that_holds_the_interpreter_lock_is_ended(
    tmp_path: Path, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native code that never returns and keeps the lock stops at the stall timeout all the same."""
    script = tmp_path / "hang.py"
    script.write_text(textwrap.dedent(HANG), encoding="utf-8")
    launcher(tmp_path, monkeypatch, run=f'shift 2\nexec {sys.executable} {script} "$@"')
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    speech = SpeechProcess(options=ESPEAK, stall_timeout_secs=0.5)
    speech.start()
    await_state(speech, ProcessState.READY)
    pid = speech.pid
    assert pid is not None
    with pytest.raises(EngineDiedError, match=r"longer than 0\.5 s"):
        narrate(speech, request_for(STORY))
    assert not is_running(pid)


def test_prints_of_native_code_do_not_reach_the_events(
    tmp_path: Path,
    request_for: RequestFor,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What a library writes to standard output goes to the log; the story is told."""
    script = tmp_path / "print.py"
    script.write_text(
        "import os\nos.write(1, b'native noise\\n')\nfrom app.speech_process import server\nserver.main()\n",
        encoding="utf-8",
    )
    launcher(tmp_path, monkeypatch, run=f'shift 2\nexec {sys.executable} {script} "$@"')
    speech = SpeechProcess(options=ESPEAK)
    narrate(speech, request_for(STORY))
    speech.stop()
    captured = capfd.readouterr()
    assert (captured.out, "native noise" in captured.err) == ("", True)


def test_the_story_is_in_no_log(
    speech: SpeechProcess, request_for: RequestFor, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither a told story nor a refused one, nor one cut short by a crash, leaves a word in the output."""
    narrate(speech, request_for("Xylophonic secrets."))
    with suppress(RefusedTextError):
        narrate(speech, request_for("Xylophonic \ud800"))
    told = Told(speech, request_for("Xylophonic secrets. " * 20_000))
    told.under_way.wait()
    assert speech.pid is not None
    os.kill(speech.pid, signal.SIGSEGV)
    told.join()
    captured = capfd.readouterr()
    assert "ylophonic" not in captured.out + captured.err


def test_the_child_is_the_one_to_go(speech: SpeechProcess, request_for: RequestFor) -> None:
    """It yields the processor to its parent, and the kernel prefers it where memory runs out."""
    narrate(speech, request_for(STORY))
    own = int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii"))
    assert speech.pid is not None
    assert int(Path(f"/proc/{speech.pid}/oom_score_adj").read_text(encoding="ascii")) > own
    assert os.getpriority(os.PRIO_PROCESS, speech.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_progress_grows_to_the_end(speech: SpeechProcess, request_for: RequestFor) -> None:
    """Fraction, chunks and audio only grow, and stay within the story."""
    told = Told(speech, request_for(STORY * 80))
    told.join()
    assert told.narration is not None
    fractions = [progress.fraction for progress in told.progress]
    chunks = [progress.chunk for progress in told.progress]
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] <= fractions[-1] <= 1
    assert chunks == sorted(set(chunks))
    assert told.progress[-1].audio_secs <= told.narration.duration_secs


def test_a_full_disk_is_said_so(speech: SpeechProcess, request_for: RequestFor) -> None:
    """The story fails with the error that a retry elsewhere may mend, and the child goes on."""
    request = request_for(STORY)
    (request.folder / "audio.wav").symlink_to("/dev/full")
    with pytest.raises(DiskFullError):
        narrate(speech, request)
    narrate(speech, request_for(STORY))


def test_a_parent_that_slept_does_not_blame_the_child(request_for: RequestFor) -> None:
    """Time in which this process itself did not run is no silence of the child's."""
    speech = SpeechProcess(options=ESPEAK, stall_timeout_secs=1.0)
    slept = False

    def sleep(_: object) -> None:
        nonlocal slept
        if not slept:
            slept = True
            time.sleep(1.5)

    speech.narrate(request_for(STORY * 80), on_progress=sleep, cancel=threading.Event())
    speech.stop()
    assert slept


def test_an_engine_that_never_loads_is_given_up(
    tmp_path: Path, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that is not ready in time is ended, and the error says what was waited for."""
    launcher(tmp_path, monkeypatch, run="exec sleep 600")
    speech = SpeechProcess(options=ESPEAK, start_timeout_secs=0.3)
    speech.start()
    pid = None
    while pid is None:
        pid = speech.pid
    with pytest.raises(EngineDiedError, match="to load its engine"):
        narrate(speech, request_for(STORY))
    assert not is_running(pid)


@pytest.mark.parametrize(("run", "said"), [("exit 7", "exit code 7"), ("kill -ABRT $$", "SIGABRT")])
def test_a_child_that_cannot_start_says_how_it_ended(
    tmp_path: Path, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch, run: str, said: str
) -> None:
    """Where the child dies before a word, its exit code or signal is the reason."""
    launcher(tmp_path, monkeypatch, run=run)
    speech = SpeechProcess(options=ESPEAK)
    with pytest.raises(EngineDiedError, match=said):
        narrate(speech, request_for(STORY))


def test_an_interpreter_that_is_not_there_is_said_so(
    request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a process: the operating system's reason."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    speech = SpeechProcess(options=ESPEAK)
    with pytest.raises(EngineDiedError, match="No such file"):
        narrate(speech, request_for(STORY))
    assert speech.pid is None
