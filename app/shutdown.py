"""How the worker ends: what a first and a second signal mean, and how much time is left."""

import signal
import threading
import time

RESERVE_SECS = 5.0
"""Kept of the stop timeout, for giving the job back and ending the child."""


class Shutdown:
    """A wish to stop, from signals or from code. Safe to ask from any thread."""

    def __init__(self, *, stop_timeout_secs: float) -> None:
        """`stop_timeout_secs` is the time between the first SIGTERM and the SIGKILL that follows."""
        self._grace_secs = max(0.0, stop_timeout_secs - RESERVE_SECS)
        self._deadline: float | None = None
        self.requested = threading.Event()
        """Set by the first signal: take no further job."""
        self.urgent = threading.Event()
        """Set by the second: give the job at hand back at once."""

    def install(self) -> None:
        """Answer SIGTERM and SIGINT; from the main thread only."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.request())

    @staticmethod
    def ignore_signals() -> None:
        """Ignore further signals: all is done, and the interpreter's own end must keep its exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def request(self) -> None:
        """Ask to stop; asked again: at once."""
        if self.requested.is_set():
            self.urgent.set()
            return
        self._deadline = time.monotonic() + self._grace_secs
        self.requested.set()

    def should_abort(self, *, remaining_secs: float | None) -> bool:
        """
        Return whether a job that needs `remaining_secs` more has to be given back now.

        None stands for a job that cannot tell yet, which is not worth waiting for.
        """
        if self._deadline is None:
            return False
        if self.urgent.is_set() or remaining_secs is None:
            return True
        return time.monotonic() + remaining_secs > self._deadline
