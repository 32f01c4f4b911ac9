"""Helpers of the speech process's tests: stories, narrations in the background, broken children."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions
from app.speech_process.client import ProcessState, SpeechProcess
from tests.workers import until

RequestFor = Callable[[str], Request]

ESPEAK = NarrationOptions(engine="espeak", voice="af_heart")
STORY = (
    "The lamp was lit. “Who is there?” she asked, and waited.\n\n"
    "Nobody answered; the house, as ever, kept its counsel.\n"
)
LONG_STORY = STORY * 2000
"""Several seconds of work even for espeak, so that it can be interrupted."""


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
