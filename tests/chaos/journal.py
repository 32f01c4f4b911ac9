"""What crossed the network during a run, and which faults it met: the evidence that the checker reads."""

import time
from dataclasses import dataclass, field

from tests.chaos.calls import Boundary, Call
from tests.chaos.faults import Fault


@dataclass(frozen=True, slots=True)
class Delivery:
    """One receipt of a message by one worker."""

    message_id: str
    receipt_handle: str
    story: str
    """Empty where the body names none."""
    copy: int
    count: int
    """The receive count, from 1."""


@dataclass(slots=True)
class Entry:
    """One request; times are seconds on this process's monotonic clock."""

    worker: str
    call: Call
    delivery: Delivery | None
    """What the worker held when it sent the request; of a receipt, what it received."""
    came: float = field(default_factory=time.monotonic)
    passed: float | None = None
    """When it was passed on; None: it never took effect."""
    answered: float | None = None
    """When the emulator had answered, so that an effect lies between the two."""
    status: int | None = None
    """What the emulator answered."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def took_effect(self) -> bool:
        """Whether the emulator did as it was asked."""
        return self.status is not None and self.status < 300

    @property
    def story(self) -> str:
        """The story that it is about, empty where that is unknown."""
        return self.call.story or (self.delivery.story if self.delivery else "")


@dataclass(frozen=True, slots=True)
class Blow:
    """A signal that reached a living worker."""

    fault: Fault
    worker: str
    delivery: Delivery | None
    at: float


@dataclass(slots=True)
class Journal:
    """Every request and every blow of a run, in order. Threads only add to it, by atomic operations."""

    entries: list[Entry] = field(default_factory=list)
    blows: list[Blow] = field(default_factory=list)
    deleted_messages: set[str] = field(default_factory=set)
    """By id."""
    claimed: set[str] = field(default_factory=set)
    """The stories of which a claim took effect."""
    messages: dict[str, str] = field(default_factory=dict)
    """Receipt handle -> id."""

    def of(self, boundary: Boundary, *, story: str | None = None, worker: str | None = None) -> list[Entry]:
        """Return the requests of one kind, of one story and one worker where they are named."""
        return [
            entry
            for entry in self.entries
            if entry.call.boundary is boundary
            and story in {None, entry.story}
            and worker in {None, entry.worker}
        ]
