"""Downloads model files: resumed where broken off, verified before they take their place, recorded."""

import errno
import http.client
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from app.errors import ConfigurationError, DiskFullError, UnavailableError
from app.models.manifest import ModelFile, address
from app.models.store import LOCK_NAME, Locked, ModelStore, sha256_of

_BLOCK_BYTES = 1 << 18
_TIMEOUT_SECS = 60.0
_ATTEMPTS = 5
_FIRST_DELAY_SECS = 1.0
_RANGE_REFUSED = 416

OnBytes = Callable[[ModelFile, int, int | None], None]
"""Called with the file, how many of its bytes are here, and how many it has, where that is known."""


class Fetcher:
    """Brings the models folder up to a manifest; what is there and right is left alone."""

    def __init__(
        self,
        store: ModelStore,
        *,
        hub: str | None = None,
        mirror: str | None = None,
        on_bytes: OnBytes = lambda _file, _done, _total: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._hub, self._mirror = hub, mirror
        self._on_bytes = on_bytes
        self._sleep = sleep

    def fetch(self, files: Iterable[ModelFile]) -> int:
        """
        Fetch `files` and return how many had to be downloaded.

        Raises UnavailableError where a source cannot be reached or fails, ConfigurationError where a file is
        not what the manifest says, DiskFullError. What is fetched by then is kept and recorded.
        """
        self._store.folder.mkdir(parents=True, exist_ok=True)
        entries = dict(self._store.lock) if (self._store.folder / LOCK_NAME).exists() else {}
        fetched = 0
        for file in files:
            if self._is_here(file, entries):
                continue
            entries = {name: e for name, e in entries.items() if e.url != file.url}
            entries.update(self._bring(file))
            self._store.write(entries)
            fetched += 1
        return fetched

    def _is_here(self, file: ModelFile, entries: dict[str, Locked]) -> bool:
        mine = {name: entry for name, entry in entries.items() if entry.url == file.url}
        if not mine or any(self._store.fault_of(name) for name in mine):
            return False
        # a manifest that pins another content than was fetched wins over the lock
        return file.unpack or file.sha256 in {None, mine[file.path].sha256 if file.path in mine else ""}

    def _bring(self, file: ModelFile) -> dict[str, Locked]:
        target = self._store.folder / file.path
        part = self._store.folder / f".{file.name}.part"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._download(file, part)
            self._check(file, part)
            if file.unpack:
                names = [f"{file.path}/{name}" for name in _unpacked(part, target)]
                part.unlink()
            else:
                part.replace(target)
                names = [file.path]
        except OSError as error:
            raise _disk_error(error, self._store.folder) from error
        return {name: self._locked(name, file) for name in names}

    def _locked(self, name: str, file: ModelFile) -> Locked:
        path = self._store.folder / name
        return Locked(size=path.stat().st_size, sha256=sha256_of(path), url=file.url, licence=file.licence)

    def _download(self, file: ModelFile, part: Path) -> None:
        url = address(file, hub=self._hub, mirror=self._mirror)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._continue(file, url, part)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == _RANGE_REFUSED:
                    part.unlink(missing_ok=True)  # longer than what is there now: begin anew
                elif error.code < http.client.INTERNAL_SERVER_ERROR or attempt == _ATTEMPTS:
                    raise UnavailableError(f"{url}: answers {error.code} {error.reason}") from None
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                if attempt == _ATTEMPTS:
                    reason = getattr(error, "reason", None) or type(error).__name__
                    raise UnavailableError(f"{url}: cannot be reached: {reason}") from None
            self._sleep(_FIRST_DELAY_SECS * 2 ** (attempt - 1))
        raise UnavailableError(f"{url}: refuses to send the rest of the file")

    def _continue(self, file: ModelFile, url: str, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(url, headers={"User-Agent": "story-tts"})  # noqa: S310  # the manifest admits http and https alone
        if have:
            request.add_header("Range", f"bytes={have}-")
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECS) as response:  # noqa: S310
            if response.status != http.client.PARTIAL_CONTENT:
                have = 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else file.size
            with part.open("ab" if have else "wb") as out:
                while block := response.read(_BLOCK_BYTES):
                    out.write(block)
                    have += len(block)
                    self._on_bytes(file, have, total)
        if total is not None and have < total:
            raise http.client.IncompleteRead(b"", total - have)

    @staticmethod
    def _check(file: ModelFile, part: Path) -> None:
        size, digest = part.stat().st_size, sha256_of(part)
        wrong_size = file.size is not None and size != file.size
        if wrong_size or (file.sha256 is not None and digest != file.sha256):
            part.unlink()
            expected = f"{file.size or 'some'} bytes of SHA-256 {file.sha256}"
            raise ConfigurationError(
                f"{file.url}: not what the manifest names: {size} bytes of SHA-256 {digest}, not {expected}"
            )


def _unpacked(archive: Path, target: Path) -> Iterator[str]:
    """Unpack a ZIP archive into `target`, and yield the names of its files."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            for member in members:
                name = PurePosixPath(member.filename)
                if name.is_absolute() or ".." in name.parts:
                    raise ConfigurationError(f"{archive.name}: holds a file outside itself: {name}")
            for member in members:
                path = target / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out, _BLOCK_BYTES)
                yield member.filename
    except zipfile.BadZipFile:
        raise ConfigurationError(f"{archive.name}: is no ZIP archive") from None


def _disk_error(error: OSError, folder: Path) -> DiskFullError | ConfigurationError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(f"{folder}: no space left; what is fetched is kept, and the next run goes on")
    return ConfigurationError(f"{error.filename or folder}: {error.strerror}")
