"""
The speech child: the process that loads native code and models, controlled through a pipe.

    python -m app.speech_process.server --options JSON --parent PID --scratch DIR --requests FD --events FD

Libraries may print to standard output and error. The pipes carry only the lines of protocol.py.
"""

import argparse
import ctypes
import faulthandler
import os
import queue
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import EngineDiedError, StoryTtsError
from app.narration.base import Progress, Request
from app.speech_process import protocol

if TYPE_CHECKING:
    from app.narration.narrators import Narrators

_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_TRIM_BYTES, _MMAP_BYTES, _ARENAS = 2 << 20, 8 << 20, 2
_NICENESS = 5
_OOM_SCORE = 500
_PROGRESS_SECS = 0.2
"""Least time between two progress events."""


def main() -> None:
    """Load the engine, then narrate requests until the parent closes the pipe or ends."""
    arguments = _arguments()
    _exit_with_parent(arguments.parent)
    _lower_priority()
    _configure_malloc()
    # Imported late: it takes a good part of a second, at the lowered priority.
    from app.narration.narrators import Narrators  # noqa: PLC0415

    # phonemizer copies espeak-ng's library once per language, and a killed child cannot remove the copies.
    tempfile.tempdir = arguments.scratch
    faulthandler.enable()
    events = FileIO(arguments.events, "wb")
    requests = _requests(arguments.requests)
    try:
        narrators = Narrators(protocol.parse_options(arguments.options))
    except Exception as error:  # noqa: BLE001 - every error is reported to the parent
        reported = _to_story_tts_error(error)
        events.write(protocol.failed_line(reported))
        # The parent prints the error.
        sys.exit(1)
    events.write(protocol.event_line(protocol.READY))
    while (line := requests.get()) is not None:
        events.write(_narrate(narrators, protocol.parse_request(line), events))


def _narrate(narrators: "Narrators", request: Request, events: FileIO) -> bytes:
    try:
        narrator = narrators.narrator(request.options.voice)
        return protocol.done_line(narrator.narrate(request, on_progress=_Reporter(events)))
    except Exception as error:  # noqa: BLE001 - every error is reported to the parent
        return protocol.failed_line(_to_story_tts_error(error))


class _Reporter:
    """Sends progress events: the first and those of stored segments at once, others from time to time."""

    def __init__(self, events: FileIO) -> None:
        self._events = events
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.segment or now >= self._next:
            self._next = now + _PROGRESS_SECS
            self._events.write(protocol.progress_line(progress))


def _to_story_tts_error(error: Exception) -> StoryTtsError:
    """Return the error to report. An unexpected error is logged as a stack trace without its message."""
    if isinstance(error, StoryTtsError):
        return error
    # The message may quote the story, which must not appear in a log.
    sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
    sys.stderr.flush()
    return EngineDiedError(
        f"the speech process failed with {type(error).__name__}; its log has the stack trace"
    )


def _requests(descriptor: int) -> queue.SimpleQueue[bytes | None]:
    """Read requests in a thread, so that the end of the parent is also noticed during a story."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        with os.fdopen(descriptor, "rb") as pipe:
            for line in pipe:
                lines.put(line)
        # The parent is gone. The owner of the folder removes incomplete files.
        os._exit(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return lines


def _exit_with_parent(parent: int) -> None:
    """End with the parent, even inside native code. The check covers a parent that has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _lower_priority() -> None:
    """Give the parent priority for the CPU, and let the kernel kill this process first if memory runs out."""
    with suppress(OSError):
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def _configure_malloc() -> None:
    """
    Configure glibc's malloc so that memory does not grow with the length of a story.

    Few arenas, and fixed thresholds: by default glibc raises its mmap threshold to the size of the largest
    freed block, and then keeps blocks of that size.
    """
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, _ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.speech_process.server", description=__doc__)
    parser.add_argument("--options", required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
