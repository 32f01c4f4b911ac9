"""
The speech child: the one process that loads native code and models, told what to do through a pipe.

    python -m app.speech_process.server --options JSON --parent PID --scratch DIR --requests FD --events FD

Its standard output and error belong to whatever library prints; the pipes carry only lines of protocol.py.
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
"""Between two reports of progress: enough for people and leases, little beside a chunk's work."""


def main() -> None:
    """Load the engine, then narrate what the parent asks for until it closes the pipe or ends."""
    arguments = _arguments()
    _exit_with_parent(arguments.parent)
    _lower_priority()
    _configure_malloc()
    # only now: a good part of a second, in which the parent has more to do
    from app.narration.narrators import Narrators  # noqa: PLC0415

    # phonemizer copies espeak-ng's library for each language, and a child that is killed cleans nothing up.
    tempfile.tempdir = arguments.scratch
    faulthandler.enable()
    events = FileIO(arguments.events, "wb")
    requests = _requests(arguments.requests)
    try:
        narrators = Narrators(protocol.parse_options(arguments.options))
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the parent hears of it
        reported = _typed(error)
        events.write(protocol.failed_line(reported))
        # The parent tells it; said here, too, a terminal would show it twice.
        sys.exit(1)
    events.write(protocol.event_line(protocol.READY))
    while (line := requests.get()) is not None:
        events.write(_answer(narrators, protocol.parse_request(line), events))


def _answer(narrators: "Narrators", request: Request, events: FileIO) -> bytes:
    try:
        narrator = narrators.narrator(request.options.voice)
        return protocol.done_line(narrator.narrate(request, on_progress=_Reporter(events)))
    except Exception as error:  # noqa: BLE001 - whatever a library raises, the parent hears of it
        return protocol.failed_line(_typed(error))


class _Reporter:
    """Passes progress on, the first at once and then so often as is of use."""

    def __init__(self, events: FileIO) -> None:
        self._events = events
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_SECS
            self._events.write(protocol.progress_line(progress))


def _typed(error: Exception) -> StoryTtsError:
    """Return the error to report; of one that nobody foresaw the log gets the trace, without the message."""
    if isinstance(error, StoryTtsError):
        return error
    # Its message may quote the story, which belongs into no log.
    sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
    sys.stderr.flush()
    return EngineDiedError(f"the speech process met an error of kind {type(error).__name__}; see its log")


def _requests(descriptor: int) -> queue.SimpleQueue[bytes | None]:
    """Read requests in a thread, so that a parent that ends is noticed in the middle of a story too."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        with os.fdopen(descriptor, "rb") as pipe:
            for line in pipe:
                lines.put(line)
        # Nobody is left to narrate for; what is written so far, the folder's owner sweeps.
        os._exit(0)

    threading.Thread(target=read, name="requests", daemon=True).start()
    return lines


def _exit_with_parent(parent: int) -> None:
    """Die with the parent, even inside native code; the second look closes the race with its death."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(0)


def _lower_priority() -> None:
    """Leave the processor to the parent's lease, and if memory runs out, be the one that the kernel takes."""
    with suppress(OSError):
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")


def _configure_malloc() -> None:
    """
    Keep glibc's memory from growing with the length of a story: few arenas, thresholds that do not drift.

    Left alone, glibc raises its mmap threshold to the largest block freed, and then keeps such blocks.
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
