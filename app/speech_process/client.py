"""
The worker's side of the speech process: starts it, sends it stories, replaces it when it dies.

Native code that crashes, hangs or runs out of memory ends the child process only. One child keeps its engine
loaded over many stories. Cancelling a story kills the child, because native code cannot be interrupted in
any other way.
"""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from app.errors import EngineDiedError, StoryTtsError
from app.narration.base import Cancellation, Narration, OnProgress, Request
from app.narration.options import NarrationOptions
from app.speech_process.child import ChildProcess, ProcessState

__all__ = ["ProcessState", "SpeechProcess"]


class SpeechProcess:
    """
    A speech process that is replaced when it dies. Narrates one story at a time.

    Properties may be read from any thread. The child ends with this process, even if this process is
    killed: the kernel then sends the child SIGKILL. As a context manager, starts the child and ends it.
    """

    def __init__(
        self,
        *,
        options: NarrationOptions,
        stall_timeout_secs: float = 120.0,
        start_timeout_secs: float = 120.0,
        stories_per_child: int = 250,
        scratch: Path | None = None,
    ) -> None:
        """
        Set the limits; nothing is started yet.

        A child that makes no progress for `stall_timeout_secs`, or has not loaded its engine after
        `start_timeout_secs`, is killed. After `stories_per_child` stories a child is replaced: espeak-ng
        leaks about 6 KB per story. Temporary files of libraries go to a folder below `scratch` (default:
        the system's temporary folder) that is removed with the child.
        """
        self._options = options
        self._scratch = scratch
        self._stories_per_child = stories_per_child
        self._stall_timeout_secs = stall_timeout_secs
        self._start_timeout_secs = start_timeout_secs
        self._start_lock = threading.Lock()
        self._narrate_lock = threading.Lock()
        self._child: ChildProcess | None = None

    @property
    def state(self) -> ProcessState:
        """What the child is doing now."""
        child = self._child
        return child.state if child else ProcessState.DEAD

    @property
    def pid(self) -> int | None:
        """The child's process id, or None if no child is running."""
        child = self._child
        return child.pid if child and child.state is not ProcessState.DEAD else None

    @property
    def fault(self) -> StoryTtsError | None:
        """The error that the latest child reported while loading its engine, or None."""
        child = self._child
        return child.fault if child else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start a child if none is running. Returns at once, while the child loads its engine."""
        self._running_child()

    def _running_child(self) -> ChildProcess:
        with self._start_lock:
            if self._child is None or self._child.state is ProcessState.DEAD:
                self._child = ChildProcess(
                    options=self._options,
                    scratch=self._scratch,
                    start_timeout_secs=self._start_timeout_secs,
                )
            return self._child

    def _child_for_next_story(self) -> ChildProcess:
        """Return a running child, a new one if the current one has narrated its share of stories."""
        child = self._running_child()
        if child.stories < self._stories_per_child:
            return child
        child.kill()
        return self._running_child()

    def narrate(self, request: Request, *, on_progress: OnProgress, cancel: Cancellation) -> Narration:
        """
        Narrate one story in the child. Returns once its media are in the request's folder.

        Calls `on_progress` from this thread. Raises EngineCrashedError if native code crashes,
        EngineDiedError if the child dies in another way, does not start or stalls; NarrationCancelledError
        once `cancel` is set; and the narrator's own errors: RefusedTextError, UnknownVoiceError,
        DiskFullError, MissingExtraError, ConfigurationError.
        """
        with self._narrate_lock:
            child = self._child_for_next_story()
            try:
                child.await_ready(cancel)
                return child.narrate(request, on_progress, stall_secs=self._stall_timeout_secs, cancel=cancel)
            except BaseException as error:
                # After an error in the story, reported by the child itself, the child is ready for the next
                # one. After anything else (a failed engine, a stall, a cancel, Ctrl-C, an error raised by a
                # callback) its state is unknown.
                if child.state is not ProcessState.READY or isinstance(error, EngineDiedError):
                    child.kill()
                raise

    def stop(self) -> None:
        """End the child and wait until it is gone. A story in progress ends with EngineDiedError."""
        with self._start_lock:
            if self._child:
                self._child.kill()
