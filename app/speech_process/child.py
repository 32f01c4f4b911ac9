"""
One speech child process, from its start to its end.

               engine loaded       narrate()
    STARTING ────────────────▶ READY ◀──────▶ BUSY
        │                        │              │
        └────────────────────────┴──────────────┴──▶ DEAD

A child dies when it exits, crashes, is killed, or does not load its engine before the start deadline.
"""

import io
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.errors import (
    EngineCrashedError,
    EngineDiedError,
    NarrationCancelledError,
    StoryTtsError,
    disk_error,
)
from app.narration.base import Cancellation, Narration, OnProgress, Request
from app.narration.options import NarrationOptions
from app.speech_process import protocol

SCRATCH_PREFIX = "speech-"
_POLL_SECS = 0.1
"""Interval at which cancellation and deadlines are checked."""
_TERM_SECS = 0.5
"""Time between SIGTERM and SIGKILL, in which the child can flush its log."""
_STDERR = 2
_CRASH_SIGNALS = frozenset(
    {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP}
)


class ProcessState(StrEnum):
    """What the speech child is doing."""

    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    DEAD = "dead"


class ChildProcess:
    """
    A speech child and its pipes.

    A supervising thread starts the child, reads its events and reaps it. The thread has to live as long as
    the child: the kernel sends the parent-death signal when the thread that started a child ends, not when
    its process ends.
    """

    def __init__(self, *, options: NarrationOptions, scratch: Path | None, start_timeout_secs: float) -> None:
        """Start the child in the background. It is killed if its engine is not loaded in time."""
        self.pid: int | None = None
        self.stories = 0
        """Number of stories given to this child."""
        self.fault: StoryTtsError | None = None
        """The error that the child reported instead of loading its engine."""
        self._options = options
        self._scratch = scratch
        self._start_timeout_secs = start_timeout_secs
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._spawned, self._dead = threading.Event(), threading.Event()
        self._loaded = threading.Event()
        """Set once the engine is loaded or the child is dead."""
        self._is_ready = self._is_busy = False
        self._death: EngineDiedError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: io.FileIO | None = None
        for target in (self._supervise, self._enforce_start_deadline):
            threading.Thread(target=target, name=f"speech-child{target.__name__}", daemon=True).start()

    @property
    def state(self) -> ProcessState:
        """What the child is doing now."""
        if self._dead.is_set():
            return ProcessState.DEAD
        if self._is_busy:
            return ProcessState.BUSY
        return ProcessState.READY if self._is_ready else ProcessState.STARTING

    def _supervise(self) -> None:
        try:
            with TemporaryDirectory(
                prefix=SCRATCH_PREFIX, dir=self._scratch, ignore_cleanup_errors=True
            ) as scratch:
                self._run(scratch)
        except OSError as error:
            self._death = EngineDiedError(f"the speech process could not be started: {error.strerror}")
        self._spawned.set()
        self._dead.set()
        self._loaded.set()

    def _enforce_start_deadline(self) -> None:
        clock = PauseTolerantClock()
        while not self._loaded.wait(_POLL_SECS):
            if clock.elapsed_secs() >= self._start_timeout_secs:
                self._death = EngineDiedError(
                    f"the speech process took longer than {self._start_timeout_secs:g} s to load its engine"
                )
                self.kill()
                return

    def _run(self, scratch: str) -> None:
        """Start the child, process its events, and reap it. Raises OSError if it cannot be started."""
        events = self._spawn(scratch)
        self._spawned.set()
        with os.fdopen(events, "rb") as lines:
            for line in lines:
                # A killed child may leave an incomplete line.
                with suppress(ValueError):
                    self._receive(protocol.parse_event(line))
        self._reap()

    def _spawn(self, scratch: str) -> int:
        """Start the child and return the file descriptor of its events."""
        child_reads, requests = os.pipe()
        events, child_writes = os.pipe()
        self._requests = io.FileIO(requests, "wb")
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "app.speech_process.server"),
                    *("--options", protocol.start_options_text(self._options)),
                    *("--parent", str(os.getpid()), "--scratch", scratch),
                    *("--requests", str(child_reads), "--events", str(child_writes)),
                ],
                pass_fds=(child_reads, child_writes),
                stdin=subprocess.DEVNULL,
                # Native libraries may print: their output goes to the log, not between the events.
                stdout=_STDERR,
                # The parent handles Ctrl-C, and killing the group also ends the child's own children.
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

    def _receive(self, event: dict[str, Any]) -> None:
        if event["event"] == protocol.READY:
            self._is_ready = True
            self._loaded.set()
        elif event["event"] == protocol.FAILED and not self._is_ready:
            self.fault = protocol.parse_error(event)
        else:
            self._events.put(event)

    def _reap(self) -> None:
        if self._process is None or self._requests is None:
            return
        try:
            code = self._process.wait(_TERM_SECS)
        except subprocess.TimeoutExpired:
            # The child has closed its pipe but is still running.
            os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        # The start deadline has set its own reason before it kills the child.
        self._death = self._death or _death(code)
        self._requests.close()

    def await_ready(self, cancel: Cancellation) -> None:
        """Return once the engine is loaded. Raises what prevented it, or NarrationCancelledError."""
        is_loaded = self._loaded.is_set()
        while not is_loaded:
            _check_cancelled(cancel)
            is_loaded = self._loaded.wait(_POLL_SECS)
        _check_cancelled(cancel)
        if not self._is_ready:
            raise self.fault or self._death_error()

    def narrate(
        self, request: Request, on_progress: OnProgress, *, stall_secs: float, cancel: Cancellation
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
            event = self._next_event(cancel, stall_secs=stall_secs)
            if event["event"] == protocol.DONE:
                self._is_busy = False
                return protocol.parse_narration(event)
            on_progress(protocol.parse_progress(event))

    def _send(self, line: bytes) -> None:
        try:
            # The line is far smaller than a pipe's buffer and the only one in it, so this never blocks.
            if self._requests is not None:
                self._requests.write(line)
        except (OSError, ValueError) as error:
            self._dead.wait(_TERM_SECS)
            raise self._death_error() from error

    def _next_event(self, cancel: Cancellation, *, stall_secs: float = float("inf")) -> dict[str, Any]:
        """Return the next event. Raises the error it reports, or that of a cancel, a stall or a death."""
        clock = PauseTolerantClock()
        while clock.elapsed_secs() < stall_secs:
            _check_cancelled(cancel)
            try:
                event = self._events.get(timeout=_POLL_SECS)
            except queue.Empty:
                if self._dead.is_set() and self._events.empty():
                    raise self._death_error() from None
                continue
            if event["event"] == protocol.FAILED:
                self._is_busy = False
                raise protocol.parse_error(event)
            return event
        raise EngineDiedError(f"the speech process made no progress for longer than {stall_secs:g} s")

    def _death_error(self) -> EngineDiedError:
        return self._death or EngineDiedError("the speech process closed its pipe")

    def kill(self) -> None:
        """End the child and its own children, and return when it is gone."""
        self._spawned.wait()
        if self.pid is None:
            return
        # The process id cannot be reused before the supervising thread has reaped the child.
        for number, wait_secs in ((signal.SIGTERM, _TERM_SECS), (signal.SIGKILL, None)):
            if self._dead.is_set():
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
            self._dead.wait(wait_secs)


def _check_cancelled(cancel: Cancellation) -> None:
    if cancel.is_set():
        raise NarrationCancelledError("the narration was cancelled")


class PauseTolerantClock:
    """
    Measures time in small steps, without the time in which this process itself was stopped.

    A parent that was paused (SIGSTOP, a frozen container) must not blame its child for that time.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._elapsed_secs = 0.0
        self._read_at = monotonic()

    def elapsed_secs(self) -> float:
        """Return the seconds since the start. To be called about every `_POLL_SECS`."""
        now = self._monotonic()
        self._elapsed_secs += min(now - self._read_at, 2 * _POLL_SECS)
        self._read_at = now
        return self._elapsed_secs


def _death(code: int) -> EngineDiedError:
    """Return the error for a child that ended with `code`, negative for a signal."""
    if code >= 0:
        return EngineDiedError(f"the speech process ended unexpectedly (exit code {code})")
    number = signal.Signals(-code)
    if number in _CRASH_SIGNALS:
        return EngineCrashedError(f"the speech process crashed ({number.name})")
    if number is signal.SIGKILL:
        return EngineDiedError("the speech process was killed by SIGKILL, probably for lack of memory")
    return EngineDiedError(f"the speech process was killed by {number.name}")
