"""Graceful shutdown: what the first and the second signal mean, and how much time is left."""

import signal
import threading
import time

RESERVE_SECS = 5.0
"""The part of the stop timeout that is reserved for returning the job and stopping the speech process."""


class Shutdown:
    """A request to stop, by signal or by code. Thread-safe."""

    def __init__(self, *, stop_timeout_secs: float) -> None:
        """`stop_timeout_secs` is the time between the first SIGTERM and the SIGKILL that follows."""
        self._grace_secs = max(0.0, stop_timeout_secs - RESERVE_SECS)
        self._deadline: float | None = None
        self.requested = threading.Event()
        """Set by the first signal: receive no further job."""
        self.urgent = threading.Event()
        """Set by the second signal: return the current job at once."""

    def install(self) -> None:
        """Handle SIGTERM and SIGINT; call it from the main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.request())

    @staticmethod
    def ignore_signals() -> None:
        """Ignore further signals, which could change the exit code during the interpreter's shutdown."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def request(self) -> None:
        """Request a stop; a second call requests it at once."""
        if self.requested.is_set():
            self.urgent.set()
            return
        self._deadline = time.monotonic() + self._grace_secs
        self.requested.set()

    def should_abort(self, *, remaining_secs: float | None) -> bool:
        """
        Return whether a job that needs another `remaining_secs` must be returned to the queue now.

        None means that the time is unknown: such a job is not waited for.
        """
        if self._deadline is None:
            return False
        if self.urgent.is_set() or remaining_secs is None:
            return True
        return time.monotonic() + remaining_secs > self._deadline
