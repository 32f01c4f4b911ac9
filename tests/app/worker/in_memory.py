"""
In-memory implementations of the worker's interfaces (app/worker/seams.py).

The contract suites in tests/app/aws run over these and over the real ones, so that the rules tested with them
hold for both.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

from app.aws.objects import Digest, ObjectChangedError, ObjectVersion
from app.aws.queue import Depth, Message
from app.events import JobEvent
from app.job import S3Address
from tests.app.worker.faults import Faults, faulty


@dataclass(slots=True)
class _Stored:
    id: str
    body: str
    attributes: Mapping[str, str]
    visible_at: float = 0.0
    receive_count: int = 0
    receipt: str = ""
    group: str | None = None


class InMemoryQueue:
    """A queue with a clock of its own, which only waiting receives advance."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.now = 0.0
        self.delays: list[float] = []
        """Of the messages that were given back, in seconds."""
        self._faults = faults or Faults()
        self._stored: list[_Stored] = []
        self._ids = count(1)

    @property
    def bodies(self) -> list[str]:
        """The bodies of all messages."""
        return [stored.body for stored in self._stored]

    @property
    def groups(self) -> list[str | None]:
        """The message groups of all messages."""
        return [stored.group for stored in self._stored]

    @property
    def attributes(self) -> list[Mapping[str, str]]:
        """The attributes of all messages."""
        return [stored.attributes for stored in self._stored]

    @faulty
    def send(
        self, body: str, *, attributes: Mapping[str, str] | None = None, group: str | None = None
    ) -> None:
        """Add a message."""
        self._stored.append(_Stored(f"message-{next(self._ids)}", body, dict(attributes or {}), group=group))

    @faulty
    def receive(self, *, wait_secs: int, visibility_secs: float) -> Message | None:
        """Return the next visible message; where none is, let `wait_secs` pass."""
        visible = [stored for stored in self._stored if stored.visible_at <= self.now]
        if not visible:
            self.now += wait_secs
            return None
        stored = min(visible, key=lambda each: each.visible_at)
        stored.visible_at = self.now + visibility_secs
        stored.receive_count += 1
        stored.receipt = f"{stored.id}/{stored.receive_count}"
        return Message(
            stored.id,
            stored.body,
            stored.receipt,
            stored.receive_count,
            time.time(),
            attributes=stored.attributes,
            group=stored.group,
        )

    @faulty
    def give_back(self, message: Message, *, delay_secs: float = 0) -> None:
        """Show the message again after `delay_secs`."""
        for stored in self._of(message):
            self.delays.append(delay_secs)
            stored.visible_at = self.now + delay_secs

    @faulty
    def delete(self, message: Message) -> None:
        """Remove the message."""
        for stored in self._of(message):
            self._stored.remove(stored)

    def show_all(self) -> None:
        """Make every message visible."""
        for stored in self._stored:
            stored.visible_at = self.now

    def depth(self) -> Depth:
        """Count the messages."""
        visible = sum(stored.visible_at <= self.now for stored in self._stored)
        return Depth(visible, len(self._stored) - visible, 0)

    def _of(self, message: Message) -> list[_Stored]:
        return [stored for stored in self._stored if stored.receipt == message.receipt_handle]


class InMemoryTarget:
    """A target of events."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.events: list[JobEvent] = []
        self._faults = faults or Faults()

    @faulty
    def publish(self, event: JobEvent) -> None:
        """Keep the event."""
        self.events.append(event)


class InMemoryMedia:
    """Objects in a dictionary."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.objects: dict[S3Address, bytes] = {}
        self.on_put: Callable[[S3Address], None] = lambda _: None
        """Called before each write takes effect."""
        self._faults = faults or Faults()

    @faulty
    def etag(self, address: S3Address) -> str | None:
        """Return a digest of the content."""
        return self._etag(address)

    def _etag(self, address: S3Address) -> str | None:
        return sha256(self.objects[address]).hexdigest() if address in self.objects else None

    @faulty
    def version(self, address: S3Address) -> ObjectVersion | None:
        """Return the current version, without an id: this store keeps one of each object."""
        etag = self._etag(address)
        return None if etag is None else ObjectVersion(etag, len(self.objects[address]))

    @faulty
    def read_version(self, address: S3Address, version: ObjectVersion) -> bytes | None:
        """Return the content, if it is still that of the version."""
        return self.objects[address] if self._etag(address) == version.etag else None

    @faulty
    def put(
        self, path: Path, address: S3Address, *, content_type: str, digest: Digest, replacing: str | None
    ) -> str:
        """Write the file, if the object is still what it was."""
        assert content_type
        assert digest == Digest.of(path)
        self.on_put(address)
        if self._etag(address) != replacing:
            raise ObjectChangedError(f"s3: {address.uri} has changed in the meantime")
        self.objects[address] = path.read_bytes()
        return digest.hex

    @faulty
    def names(self, folder: S3Address) -> list[str]:
        """Return the names below a key."""
        return [
            address.key.removeprefix(folder.key)
            for address in sorted(self.objects, key=lambda each: each.key)
            if address.bucket == folder.bucket and address.key.startswith(folder.key)
        ]

    @faulty
    def download(self, address: S3Address, path: Path) -> int:
        """Write the object to a file."""
        return path.write_bytes(self.objects[address])

    @faulty
    def delete(self, address: S3Address) -> None:
        """Remove the object."""
        self.objects.pop(address, None)
