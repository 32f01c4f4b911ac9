"""Downloads model files: resumes interrupted downloads, verifies each file, and records it in the lock."""

import errno
import http.client
import shutil
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from app.errors import ConfigurationError, DiskFullError, UnavailableError
from app.models.manifest import ModelFile, address
from app.models.store import LOCK_NAME, Locked, ModelStore, sha256_of

_BLOCK_BYTES = 1 << 18
_TIMEOUT_SECS = 60.0
_ATTEMPTS = 5
_FIRST_DELAY_SECS = 1.0
_RANGE_REFUSED = 416


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to another scheme."""

    def redirect_request(  # noqa: PLR0917 - overrides a method of the standard library
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request for `newurl`. Raises UnavailableError if it is less secure."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise UnavailableError(f"{req.full_url}: redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(SecureRedirects)

OnBytes = Callable[[ModelFile, int, int | None], None]
"""Called with the file, the bytes received so far, and the total size or None."""


class Fetcher:
    """Downloads the files of a manifest that are missing from the models folder or damaged."""

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
        Fetch `files` and return the number of downloads.

        Raises UnavailableError if a source cannot be reached or fails, ConfigurationError if a file differs
        from the manifest, DiskFullError. Files fetched before the error are kept and recorded.
        """
        self._store.folder.mkdir(parents=True, exist_ok=True)
        entries = dict(self._store.lock) if (self._store.folder / LOCK_NAME).exists() else {}
        fetched = 0
        for file in files:
            if self._is_fetched(file, entries):
                continue
            entries = {name: e for name, e in entries.items() if e.url != file.url}
            entries.update(self._fetch_one(file))
            self._store.write(entries)
            fetched += 1
        return fetched

    def _is_fetched(self, file: ModelFile, entries: dict[str, Locked]) -> bool:
        mine = {name: entry for name, entry in entries.items() if entry.url == file.url}
        if not mine or any(self._store.fault_of(name) for name in mine):
            return False
        # A manifest that pins different content takes precedence over the lock.
        return file.unpack or file.sha256 in {None, mine[file.path].sha256 if file.path in mine else ""}

    def _fetch_one(self, file: ModelFile) -> dict[str, Locked]:
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
                    part.unlink(missing_ok=True)  # longer than the file: start over
                elif error.code < http.client.INTERNAL_SERVER_ERROR or attempt == _ATTEMPTS:
                    raise UnavailableError(f"{url}: answers {error.code} {error.reason}") from None
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                if attempt == _ATTEMPTS:
                    reason = getattr(error, "reason", None) or type(error).__name__
                    raise UnavailableError(f"{url}: cannot be reached: {reason}") from None
            self._sleep(_FIRST_DELAY_SECS * 2 ** (attempt - 1))
        raise UnavailableError(f"{url}: does not send the rest of the file")

    def _continue(self, file: ModelFile, url: str, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        request = urllib.request.Request(url, headers={"User-Agent": "story-tts"})  # noqa: S310  # the manifest admits http and https alone
        if have:
            request.add_header("Range", f"bytes={have}-")
        with _OPENER.open(request, timeout=_TIMEOUT_SECS) as response:
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
                f"{file.url}: differs from the manifest: {size} bytes of SHA-256 {digest}, not {expected}"
            )


def _unpacked(archive: Path, target: Path) -> Iterator[str]:
    """Unpack a ZIP archive into `target` and yield the names of its files."""
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [member for member in packed.infolist() if not member.is_dir()]
            for member in members:
                name = PurePosixPath(member.filename)
                if name.is_absolute() or ".." in name.parts:
                    raise ConfigurationError(f"{archive.name}: has a file with an unsafe path: {name}")
            for member in members:
                path = target / member.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, path.open("wb") as out:
                    shutil.copyfileobj(source, out, _BLOCK_BYTES)
                yield member.filename
    except zipfile.BadZipFile:
        raise ConfigurationError(f"{archive.name}: not a ZIP archive") from None


def _disk_error(error: OSError, folder: Path) -> DiskFullError | ConfigurationError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(
            f"{folder}: no space left on the disk; free some and run the command again to continue"
        )
    return ConfigurationError(f"{error.filename or folder}: {error.strerror}")
