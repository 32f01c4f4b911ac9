"""The models folder on disk. Only files that match its lock file are loaded."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.errors import ConfigurationError

LOCK_NAME = "models.lock.json"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Locked:
    """The expected size and digest of one file, and its source."""

    size: int
    sha256: str
    url: str
    licence: str


class Fault(StrEnum):
    """A reason to reject a file."""

    MISSING = "is missing"
    SIZE = "differs in size from the fetched file"
    DIGEST = "differs in SHA-256 from the fetched file"
    UNKNOWN = "is not in the lock"


class ModelStore:
    """Gives access to verified model files. Reads nothing before the first access."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: dict[str, Locked] | None = None
        self._verified: set[str] = set()

    @property
    def lock(self) -> Mapping[str, Locked]:
        """The lock's entries by path. Raises ConfigurationError if the folder has no valid lock."""
        if self._lock is None:
            self._lock = self._read()
        return self._lock

    def _read(self) -> dict[str, Locked]:
        path = self.folder / LOCK_NAME
        try:
            entries = json.loads(path.read_text("utf-8"))["files"]
            return {name: Locked(**entry) for name, entry in entries.items()}
        except FileNotFoundError:
            raise self._absent(f"no models in {self.folder}") from None
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise self._absent(f"{path} is damaged") from None

    def file(self, name: str) -> Path:
        """Return the path of file `name`, verified once per process. Raises ConfigurationError."""
        if name not in self.lock:
            raise self._absent(f"{name} is not among the models in {self.folder}")
        if name not in self._verified:
            if fault := self.fault_of(name):
                raise self._absent(f"{self.folder / name} {fault}")
            self._verified.add(name)
        return self.folder / name

    @property
    def digest(self) -> str:
        """A digest over the digests of all files, in hexadecimal; empty for a folder without models."""
        try:
            entries = sorted((name, entry.sha256) for name, entry in self.lock.items())
        except ConfigurationError:
            return ""
        return hashlib.sha256(json.dumps(entries).encode()).hexdigest()

    def has(self, prefix: str) -> bool:
        """Return whether the lock lists `prefix` or a file below it."""
        return any(name == prefix or name.startswith(f"{prefix}/") for name in self.lock)

    def below(self, prefix: str) -> Path:
        """Return folder `prefix` after verifying its files. Raises ConfigurationError if there are none."""
        names = [name for name in self.lock if name.startswith(f"{prefix}/")]
        if not names:
            raise self._absent(f"{prefix} is not among the models in {self.folder}")
        for name in names:
            self.file(name)
        return self.folder / prefix

    def verify(self, *prefixes: str) -> None:
        """Verify every file whose name starts with one of `prefixes`. Raises ConfigurationError."""
        for name in self.lock if prefixes else ():
            if name.startswith(prefixes):
                self.file(name)

    def fault_of(self, name: str) -> Fault | None:
        """Compare size and digest of the file on disk with its entry in the lock."""
        locked = self.lock.get(name)
        if locked is None:
            return Fault.UNKNOWN
        path = self.folder / name
        if not path.is_file():
            return Fault.MISSING
        if path.stat().st_size != locked.size:
            return Fault.SIZE
        return None if sha256_of(path) == locked.sha256 else Fault.DIGEST

    def faults(self) -> Iterator[tuple[str, Fault | None]]:
        """Check every file of the lock and yield its name and fault, if any."""
        for name in self.lock:
            yield name, self.fault_of(name)

    def write(self, entries: Mapping[str, Locked]) -> None:
        """Replace the lock with `entries`, atomically."""
        document = {
            "about": "Files fetched by `story-tts models fetch`; `story-tts models verify` checks them.",
            "files": {
                name: {"size": e.size, "sha256": e.sha256, "url": e.url, "licence": e.licence}
                for name, e in sorted(entries.items())
            },
        }
        part = self.folder / f"{LOCK_NAME}.part"
        part.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        part.replace(self.folder / LOCK_NAME)
        self._lock = dict(entries)
        self._verified.clear()

    @staticmethod
    def _absent(what: str) -> ConfigurationError:
        return ConfigurationError(
            f"{what}: run `make speech`, or `story-tts models fetch` if its packages are installed"
        )


def sha256_of(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
