"""Stand-ins for what the worker does not store: the speech process, leases, and waiting."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from app.aws.claims import Claim
from app.aws.queue import Message
from app.errors import (
    NarrationCancelledError,
    StoryTtsError,
)
from app.media import MEDIA
from app.narration.base import Cancellation, Narration, OnProgress, Request
from app.speech_process.client import ProcessState

RATE = 22050


class FakeSpeech:
    """A speech process that writes a few bytes for each kind of media."""

    def __init__(self) -> None:
        self.state = ProcessState.READY
        self.fault: StoryTtsError | None = None
        self.starts = 0
        self.state_after_start = ProcessState.READY
        self.texts: list[str] = []
        self.steps: list[Exception | Callable[[], None]] = []
        """What happens in the next narrations: an error is raised, a function called."""
        self.narrating: Callable[[Request, OnProgress], None] = lambda *_: None
        """What every narration does first."""

    def start(self) -> None:
        """Become what a start leads to."""
        self.starts += 1
        self.state = self.state_after_start

    def narrate(self, request: Request, *, on_progress: OnProgress, cancel: Cancellation) -> Narration:
        """Write the media, unless the next step has it otherwise."""
        self.texts.append(request.text)
        self.narrating(request, on_progress)
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, Exception):
            raise step
        if step:
            step()
        if cancel.is_set():
            raise NarrationCancelledError("the narration was cancelled")
        media = {kind: request.folder / kind.file_name for kind in MEDIA}
        for kind, path in media.items():
            path.write_bytes(f"{kind.name} of {request.text} by {len(self.texts)}".encode())
        return Narration(
            media=media,
            duration_secs=1.5,
            sample_rate=RATE,
            engine="espeak",
            voice=request.options.voice,
            alignment="engine",
            alignment_chunks={"engine": 1},
            words=1,
            words_interpolated=0,
            cues=1,
            relaxed_rules={},
            synthesis_secs=0.1,
            alignment_secs=0.0,
            elapsed_secs=0.1,
        )


@dataclass
class FakeLease:
    """A lease that holds until a test gives it a fault."""

    message: Message
    claim: Claim
    calls: list[str]
    fault: StoryTtsError | None = None
    fault_at_confirmation: StoryTtsError | None = None
    confirmations: int = 0
    """How many confirmations succeed before that fault."""
    progress: float = 0.0
    has_advanced: bool = False
    secs_left: float = 0.0
    """None left: calls that AWS refuses are not repeated."""

    def __enter__(self) -> Self:
        self.calls.append("lease starts")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Note the end of the renewals."""
        self.calls.append("lease stops")

    @property
    def is_lost(self) -> bool:
        """Whether there is a fault."""
        return self.fault is not None

    def check(self) -> None:
        """Raise the fault."""
        if self.fault:
            raise self.fault

    def confirm(self) -> None:
        """Raise the fault, also one that only the row knows of."""
        self.calls.append("confirm")
        if self.confirmations <= 0:
            self.fault = self.fault or self.fault_at_confirmation
        self.confirmations -= 1
        self.check()


@dataclass
class FakeLeases:
    """Makes leases, and keeps them for a test to look at."""

    calls: list[str] = field(default_factory=list)
    made: list[FakeLease] = field(default_factory=list)
    fault_at_confirmation: StoryTtsError | None = None
    confirmations: int = 0

    def __call__(self, message: Message, claim: Claim, claimed_at: float) -> FakeLease:
        """Return a lease of the claim."""
        assert claimed_at <= time.monotonic()
        lease = FakeLease(
            message,
            claim,
            self.calls,
            fault_at_confirmation=self.fault_at_confirmation,
            confirmations=self.confirmations,
        )
        self.made.append(lease)
        return lease


class InstantEvent(threading.Event):
    """An event whose `wait` returns at once, and records how long it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Record the wait."""
        self.waits.append(timeout or 0.0)
        return self.is_set()
