"""The child process: what it leaves behind, what it prints, and how it ends with its parent."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.errors import (
    RefusedTextError,
)
from app.speech_process import protocol
from app.speech_process.child import PauseTolerantClock
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
