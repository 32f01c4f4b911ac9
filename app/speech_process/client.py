"""
The parent's side of the speech child: starts it, gives it stories, survives its death.

Native code that crashes, hangs or is killed for memory takes the child alone. The child is one process that
keeps its engine over many stories; whoever cancels a story kills it, for nothing gentler reaches native code.

    start()   narrate()            the child dies, or is killed
    dead ──▶ starting ──▶ ready ◀──▶ busy
      ▲          │          │         │
      └──────────┴──────────┴─────────┘     the next narrate() starts another
"""

import io
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from app.errors import EngineDiedError, NarrationCancelledError, StoryTtsError, disk_error
from app.narration.base import Cancellation, Narration, OnProgress, Request
from app.narration.options import NarrationOptions
from app.speech_process import protocol

_POLL_SECS = 0.1
"""How often it is asked whether to cancel."""
_STDERR = 2
SCRATCH_PREFIX = "speech-"
_TERM_SECS = 0.5
"""Between SIGTERM and SIGKILL: time for the child to flush what it says to the log."""


class ProcessState(StrEnum):
    """What the speech child is doing."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    DEAD = "dead"


class SpeechProcess:
    """
    A speech child and what is known of it. Safe to ask from any thread; one story at a time.

    The child ends with this process, however that ends: the kernel sends it SIGKILL. As a context, it starts
    the child at once, and ends it.
    """

    def __init__(
        self,
        *,
        options: NarrationOptions,
        stall_timeout_secs: float = 120.0,
        start_timeout_secs: float = 120.0,
        stories_a_child: int = 250,
        scratch: Path | None = None,
    ) -> None:
        """
        One chunk may take `stall_timeout_secs`, loading the engine `start_timeout_secs`.

        espeak-ng leaks about 6 KB a story, a tenth of its process in 1,000 of them: a child that has told
        `stories_a_child` is replaced before the next. What libraries write for themselves lies in a folder
        of the child's below `scratch`, the system's place for temporary files by default, and goes with it.
        """
        self._options = options
        self._scratch = scratch
        self._stories_a_child = stories_a_child
        self._stall_timeout_secs = stall_timeout_secs
        self._start_timeout_secs = start_timeout_secs
        self._starting = threading.Lock()
        self._telling = threading.Lock()
        self._child: _Child | None = None

    @property
    def state(self) -> ProcessState:
        """What the child is doing now."""
        child = self._child
        return child.state if child else ProcessState.DEAD

    @property
    def pid(self) -> int | None:
        """The child's process id, where one runs."""
        child = self._child
        return child.pid if child and child.state is not ProcessState.DEAD else None

    @property
    def fault(self) -> StoryTtsError | None:
        """What kept the latest child from loading its engine, as it said itself; None where it loaded."""
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
        """Start a child where none lives; returns at once, while it loads its models."""
        self._living()

    def _living(self) -> "_Child":
        with self._starting:
            if self._child is None or self._child.state is ProcessState.DEAD:
                self._child = _Child(options=self._options, scratch=self._scratch)
            return self._child

    def _fresh(self) -> "_Child":
        """Return a living child that has not told too many stories: what native code leaks goes with it."""
        child = self._living()
        if child.stories < self._stories_a_child:
            return child
        child.kill()
        return self._living()

    def narrate(self, request: Request, *, on_progress: OnProgress, cancel: Cancellation) -> Narration:
        """
        Narrate one story in the child, and return once its media lie in the request's folder.

        `on_progress` is called from this thread. Raises EngineDiedError where the child crashes, is killed
        or shows no progress for the stall timeout, NarrationCancelledError once `cancel` says so, and what
        the narrator itself raises: RefusedTextError, UnknownVoiceError, DiskFullError, MissingExtraError.
        """
        with self._telling:
            child = self._fresh()
            try:
                child.await_ready(self._start_timeout_secs, cancel)
                return child.narrate(request, on_progress, self._stall_timeout_secs, cancel)
            except BaseException as error:
                # An error in the story that the child itself reported leaves it ready. All else (its engine
                # failed, it went silent, a cancel, Ctrl-C, a callback that raised) is mended by another.
                if child.state is not ProcessState.READY or isinstance(error, EngineDiedError):
                    child.kill()
                raise

    def stop(self) -> None:
        """End the child and wait until it is gone; a story in it ends with EngineDiedError."""
        with self._starting:
            if self._child:
                self._child.kill()


class _Child:
    """
    One child, from its start to its end.

    A thread of its own starts it, reads what it says and reaps it. The thread outlives the child by
    construction, as it must: the kernel's parent-death signal follows the thread that started a child, not
    the process.
    """

    def __init__(self, *, options: NarrationOptions, scratch: Path | None) -> None:
        self.pid: int | None = None
        self.stories = 0
        self.fault: StoryTtsError | None = None
        self._options = options
        self._scratch = scratch
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._started, self._ready, self._gone = threading.Event(), threading.Event(), threading.Event()
        self._is_greeted = self._is_busy = False
        self._end = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: io.FileIO | None = None
        threading.Thread(target=self._keep, name="speech-child", daemon=True).start()

    @property
    def state(self) -> ProcessState:
        """What it is doing, as its end, its work and its start tell, in this order."""
        if self._gone.is_set():
            return ProcessState.DEAD
        if self._is_busy:
            return ProcessState.BUSY
        return ProcessState.READY if self._ready.is_set() else ProcessState.STARTING

    def _keep(self) -> None:
        try:
            with TemporaryDirectory(
                prefix=SCRATCH_PREFIX, dir=self._scratch, ignore_cleanup_errors=True
            ) as scratch:
                self._live(scratch)
        except OSError as error:
            self._end = f"could not be started: {error.strerror}"
        self._started.set()
        self._gone.set()

    def _live(self, scratch: str) -> None:
        """Start the child, pass on what it says, and reap it. Raises OSError where it cannot be started."""
        events = self._spawn(scratch)
        self._started.set()
        with os.fdopen(events, "rb") as lines:
            for line in lines:
                # A child that is killed may leave half a line.
                with suppress(ValueError):
                    self._hear(protocol.parse_event(line))
        self._reap()

    def _spawn(self, scratch: str) -> int:
        """Start the child; return the descriptor that its events come from."""
        child_reads, requests = os.pipe()
        events, child_writes = os.pipe()
        self._requests = io.FileIO(requests, "wb")
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "app.speech_process.server"),
                    *("--options", protocol.options_text(self._options)),
                    *("--parent", str(os.getpid()), "--scratch", scratch),
                    *("--requests", str(child_reads), "--events", str(child_writes)),
                ],
                pass_fds=(child_reads, child_writes),
                stdin=subprocess.DEVNULL,
                # Native libraries print as they like: to the log, never between the events.
                stdout=_STDERR,
                # Ctrl-C is for the parent to judge; and the group takes what the child starts along.
                start_new_session=True,
            )
        except OSError:
            self._requests.close()
            os.close(events)
            raise
        finally:
            os.close(child_reads)
            os.close(child_writes)
        self.pid = self._process.pid
        return events

    def _hear(self, event: dict[str, Any]) -> None:
        if event["event"] == protocol.READY:
            self._ready.set()
        elif event["event"] == protocol.FAILED and not self._ready.is_set():
            self.fault = protocol.parse_error(event)
        self._events.put(event)

    def _reap(self) -> None:
        if self._process is None or self._requests is None:
            return
        try:
            code = self._process.wait(_TERM_SECS)
        except subprocess.TimeoutExpired:
            # It lives, but can report no more.
            os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        self._end = _ending(code)
        self._requests.close()

    def await_ready(self, timeout_secs: float, cancel: Cancellation) -> None:
        """Return once the engine is loaded; raise what kept it from that."""
        while not self._is_greeted:
            event = self._next(timeout_secs, cancel, "to load its engine")
            self._is_greeted = event["event"] == protocol.READY

    def narrate(
        self, request: Request, on_progress: OnProgress, stall_secs: float, cancel: Cancellation
    ) -> Narration:
        """Narrate one story; see SpeechProcess.narrate."""
        try:
            line = protocol.request_line(request)
        except OSError as error:
            raise disk_error(error, request.folder / protocol.SOURCE_NAME) from error
        self._is_busy = True
        self.stories += 1
        self._send(line)
        while True:
            event = self._next(stall_secs, cancel, "to get on with the story")
            if event["event"] == protocol.DONE:
                self._is_busy = False
                return protocol.parse_narration(event)
            on_progress(protocol.parse_progress(event))

    def _send(self, line: bytes) -> None:
        try:
            # Far below a pipe's capacity and the only line in it: this never waits for the child.
            if self._requests is not None:
                self._requests.write(line)
        except (OSError, ValueError) as error:
            self._gone.wait(_TERM_SECS)
            raise EngineDiedError(self._obituary()) from error

    def _next(self, timeout_secs: float, cancel: Cancellation, hoped: str) -> dict[str, Any]:
        """Return what the child says next; raise its error, or one for its silence or death."""
        silent_secs = 0.0
        while silent_secs < timeout_secs:
            if cancel.is_set():
                raise NarrationCancelledError("the narration was cancelled")
            asked = time.monotonic()
            try:
                event = self._events.get(timeout=_POLL_SECS)
            except queue.Empty:
                if self._gone.is_set() and self._events.empty():
                    raise EngineDiedError(self._obituary()) from None
                # Where this process itself was stopped for a while, that is no silence of the child's.
                silent_secs += min(time.monotonic() - asked, 2 * _POLL_SECS)
                continue
            if event["event"] == protocol.FAILED:
                self._is_busy = False
                raise protocol.parse_error(event)
            return event
        raise EngineDiedError(f"the speech process took longer than {timeout_secs:g} s {hoped}")

    def _obituary(self) -> str:
        return f"the speech process {self._end or 'closed its pipe'}"

    def kill(self) -> None:
        """End the child and what it started, and return when it is gone."""
        self._started.wait()
        if self.pid is None:
            return
        # Until its keeper has waited for it, its id is no other's.
        for number, patience in ((signal.SIGTERM, _TERM_SECS), (signal.SIGKILL, None)):
            if self._gone.is_set():
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            self._gone.wait(patience)


def _ending(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"ended by itself (exit code {code})"
    name = signal.Signals(-code).name
    if name == "SIGKILL":
        return "was killed by SIGKILL: for want of memory, if nobody else did it"
    return f"was killed by {name}"
