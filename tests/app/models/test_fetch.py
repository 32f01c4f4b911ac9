"""Fetching models from a local server: resumed, verified, recorded and given out."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from http.client import HTTPMessage
from pathlib import Path
from urllib.request import Request

import pytest
from typer.testing import CliRunner

from app.cli.app import app
from app.errors import ConfigurationError, MissingExtraError, UnavailableError
from app.models.fetch import Fetcher, SecureRedirects
from app.models.manifest import ModelFile
from app.models.store import LOCK_NAME, Fault, ModelStore
from tests.models.hub import Hub, serving
from tests.tree import ROOT

DATA = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(DATA).hexdigest()
HUB_PATH = "x/y/resolve/main/a.bin"
FILE = ModelFile(
    set="kokoro",
    path="kokoro/a.bin",
    url=f"https://huggingface.co/{HUB_PATH}",
    size=len(DATA),
    sha256=DIGEST,
    licence="MIT",
)
# Without this, an editable installation would provide the modules that the folder lacks.
_WITHOUT_EDITABLE_INSTALL = """
import runpy, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""
UNPINNED = FILE.model_copy(update={"size": None, "sha256": None})


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A server with one file."""
    folder = tmp_path / "hub"
    path = folder / HUB_PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    with serving(folder) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A models folder that does not exist yet."""
    return ModelStore(tmp_path / "models")


def _fetcher(store: ModelStore, hub: Hub) -> Fetcher:
    return Fetcher(store, hub=hub.url, mirror=f"{hub.url}/mirror", sleep=lambda _: None)


def test_a_file_is_fetched_and_recorded(store: ModelStore, hub: Hub) -> None:
    """A fetched file is in its place and in the lock, and can be used."""
    assert _fetcher(store, hub).fetch([FILE]) == 1
    assert store.file("kokoro/a.bin").read_bytes() == DATA
    assert json.loads((store.folder / LOCK_NAME).read_text())["files"]["kokoro/a.bin"]["sha256"] == DIGEST


def test_a_fetched_file_is_not_fetched_again(store: ModelStore, hub: Hub) -> None:
    """A second run sends no request."""
    _fetcher(store, hub).fetch([FILE])
    assert _fetcher(store, hub).fetch([FILE]) == 0
    assert len(hub.requests) == 1


def test_an_interrupted_download_is_resumed(store: ModelStore, hub: Hub) -> None:
    """After a failure halfway only the remaining bytes are requested."""
    hub.break_after[HUB_PATH] = len(DATA) // 2
    _fetcher(store, hub).fetch([FILE])
    assert [(HUB_PATH, None), (HUB_PATH, f"bytes={len(DATA) // 2}-")] == hub.requests
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_a_later_run_resumes_a_download(store: ModelStore, hub: Hub) -> None:
    """The bytes that a killed run received are not requested again."""
    store.folder.mkdir()
    (store.folder / ".a.bin.part").write_bytes(DATA[:1000])
    _fetcher(store, hub).fetch([FILE])
    assert hub.requests == [(HUB_PATH, "bytes=1000-")]
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_a_part_longer_than_the_file_is_discarded(store: ModelStore, hub: Hub) -> None:
    """Bytes of a different file with the same name are not used."""
    store.folder.mkdir()
    (store.folder / ".a.bin.part").write_bytes(DATA + b"more")
    _fetcher(store, hub).fetch([FILE])
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_server_errors_are_retried(store: ModelStore, hub: Hub) -> None:
    """5xx responses are retried with growing delays."""
    hub.failures[HUB_PATH] = 3
    waits: list[float] = []
    Fetcher(store, hub=hub.url, sleep=waits.append).fetch([FILE])
    assert waits == [1.0, 2.0, 4.0]
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_a_missing_file_is_reported_with_its_url(store: ModelStore, hub: Hub) -> None:
    """404 is not retried, and the message has the URL."""
    gone = FILE.model_copy(update={"url": "https://huggingface.co/x/gone.bin"})
    with pytest.raises(UnavailableError, match=r"/x/gone.bin: answers 404"):
        _fetcher(store, hub).fetch([gone])


def test_an_unreachable_server_is_reported(store: ModelStore) -> None:
    """If no attempt reaches the server, the run ends with one line."""
    with pytest.raises(UnavailableError, match="cannot be reached"):
        Fetcher(store, hub="http://127.0.0.1:9", sleep=lambda _: None).fetch([FILE])


@pytest.mark.parametrize(
    ("source", "target", "is_followed"),
    [
        ("https://a.org/f", "https://b.org/f", True),
        ("https://a.org/f", "http://a.org/f", False),
        ("http://a.org/f", "http://b.org/f", True),
    ],
)
def test_redirects_never_leave_https(source: str, target: str, is_followed: bool) -> None:
    """A redirect from https to http is refused: the file could be replaced on its way."""
    expected = nullcontext() if is_followed else pytest.raises(UnavailableError, match="is not https")
    with expected:
        request = SecureRedirects().redirect_request(
            Request(source),  # noqa: S310 - never opened
            io.BytesIO(),
            302,
            "Found",
            HTTPMessage(),
            target,
        )
        assert request is not None
        assert request.full_url == target


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"size": 5}])
def test_different_content_is_refused(store: ModelStore, hub: Hub, change: dict[str, object]) -> None:
    """A file that differs from the manifest is neither used nor kept."""
    with pytest.raises(ConfigurationError, match="differs from the manifest"):
        _fetcher(store, hub).fetch([FILE.model_copy(update=change)])
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_an_unpinned_file_is_trusted_once(store: ModelStore, hub: Hub) -> None:
    """Without a digest in the manifest, the first download's is recorded, and a later change is a fault."""
    _fetcher(store, hub).fetch([UNPINNED])
    (store.folder / "kokoro/a.bin").write_bytes(DATA[::-1])
    assert list(store.faults()) == [("kokoro/a.bin", Fault.DIGEST)]


def test_a_damaged_file_is_fetched_again(store: ModelStore, hub: Hub) -> None:
    """The next run repairs a file that verify rejects."""
    _fetcher(store, hub).fetch([FILE])
    (store.folder / "kokoro/a.bin").write_bytes(b"short")
    assert _fetcher(store, hub).fetch([FILE]) == 1
    assert list(store.faults()) == [("kokoro/a.bin", None)]


def test_a_new_digest_takes_precedence_over_the_lock(store: ModelStore, hub: Hub) -> None:
    """If the manifest has a new digest for the same URL, the file is fetched again."""
    _fetcher(store, hub).fetch([UNPINNED])
    changed = b"new" + DATA
    (hub.folder / HUB_PATH).write_bytes(changed)
    pinned = FILE.model_copy(update={"size": len(changed), "sha256": hashlib.sha256(changed).hexdigest()})
    assert _fetcher(store, hub).fetch([pinned]) == 1
    assert changed == store.file("kokoro/a.bin").read_bytes()


def _archive(folder: Path, *names: str) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for name in names:
            packed.writestr(name, name)
    path = folder / "mirror/example.org/a.whl"
    path.parent.mkdir(parents=True)
    path.write_bytes(data.getvalue())


ARCHIVE = ModelFile(
    set="english",
    path="packages",
    url="https://example.org/a.whl",
    size=None,
    sha256=None,
    licence="MIT",
    unpack=True,
)


def test_an_archive_is_unpacked_and_each_file_recorded(store: ModelStore, hub: Hub) -> None:
    """The files of a wheel are verified one by one."""
    _archive(hub.folder, "a/__init__.py", "a/b/c.bin")
    _fetcher(store, hub).fetch([ARCHIVE])
    assert {"packages/a/__init__.py", "packages/a/b/c.bin"} == set(store.lock)
    assert (store.below("packages") / "a/b/c.bin").read_text() == "a/b/c.bin"
    assert _fetcher(store, hub).fetch([ARCHIVE]) == 0


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_an_archive_cannot_write_outside(store: ModelStore, hub: Hub, name: str) -> None:
    """A path outside the target is refused before anything is unpacked."""
    _archive(hub.folder, "inside", name)
    with pytest.raises(ConfigurationError, match="unsafe path"):
        _fetcher(store, hub).fetch([ARCHIVE])
    assert not list(store.folder.parent.rglob("*side"))


def test_a_file_that_is_not_an_archive_is_refused(store: ModelStore, hub: Hub) -> None:
    """A file with an archive's name and other content is a typed error."""
    (hub.folder / "mirror/example.org").mkdir(parents=True)
    (hub.folder / "mirror/example.org/a.whl").write_bytes(b"no")
    with pytest.raises(ConfigurationError, match="not a ZIP archive"):
        _fetcher(store, hub).fetch([ARCHIVE])


def test_files_that_are_not_in_the_lock_are_refused(store: ModelStore, hub: Hub) -> None:
    """A file that was placed in the folder by hand is not loaded."""
    _fetcher(store, hub).fetch([FILE])
    (store.folder / "kokoro/b.bin").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"kokoro/b.bin is not among the models"):
        store.file("kokoro/b.bin")


@pytest.mark.parametrize("content", [b"short", DATA[::-1], None])
def test_a_changed_file_is_refused(store: ModelStore, hub: Hub, content: bytes | None) -> None:
    """For a damaged, replaced or missing file, the message names the file and what to do."""
    _fetcher(store, hub).fetch([FILE])
    path = store.folder / "kokoro/a.bin"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"kokoro/a.bin (is missing|differs).*models fetch"):
        ModelStore(store.folder).file("kokoro/a.bin")
    with pytest.raises(ConfigurationError, match=r"kokoro/a.bin (is missing|differs).*models fetch"):
        ModelStore(store.folder).verify("align/", "kokoro/")
    ModelStore(store.folder).verify("align/")


@pytest.mark.parametrize("lock", [None, "", "[]", '{"files": {"a": {"size": 1}}}'])
def test_a_folder_without_a_usable_lock_holds_no_models(tmp_path: Path, lock: str | None) -> None:
    """For a missing or damaged lock, the message names the command that creates one."""
    if lock is not None:
        (tmp_path / LOCK_NAME).write_text(lock)
    with pytest.raises(ConfigurationError, match="models fetch"):
        ModelStore(tmp_path).file("kokoro/a.bin")


def _command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _ran("-m", "app", "models", *arguments)


def _ran(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest of the server's one file."""
    path = tmp_path / "manifest.json"
    sets = {"kokoro": {"about": "a", "default": True}}
    path.write_text(json.dumps({"sets": sets, "files": [FILE.model_dump()]}))
    return path


def test_the_commands_fetch_and_verify(store: ModelStore, hub: Hub, manifest: Path) -> None:
    """Files are fetched and verified. A changed file is reported in one line, with exit code 1."""
    folder = ("--dir", str(store.folder))
    fetched = _command("fetch", *folder, "--manifest", str(manifest), "--hub", hub.url)
    assert (fetched.returncode, fetched.stdout.strip().split(": ")[1]) == (
        0,
        "1 files fetched, 0 already present",
    )
    assert _command("verify", *folder).returncode == 0
    (store.folder / "kokoro/a.bin").write_bytes(b"x")
    verified = _command("verify", *folder)
    expected = f"error: {store.folder}/kokoro/a.bin differs in size from the fetched file\n"
    assert (1, expected) == (verified.returncode, verified.stderr)


def test_the_images_download_stage_is_complete(
    store: ModelStore, hub: Hub, manifest: Path, tmp_path: Path
) -> None:
    """The modules that the Dockerfile copies into its download stage are enough to fetch models."""
    stage = tmp_path / "stage"
    (part,) = re.findall(r"(?ms)^FROM \S+ AS models-kokoro$.*?(?=^FROM )", (ROOT / "Dockerfile").read_text())
    for *sources, target in (line.split()[1:] for line in re.findall(r"^COPY .*$", part, re.MULTILINE)):
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, stage / target, dirs_exist_ok=True)
            else:
                (stage / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, stage / target)
    command = ("-c", _WITHOUT_EDITABLE_INSTALL, "models")
    folder = ("--dir", str(store.folder))

    fetched = _ran(*command, "fetch", *folder, "--manifest", str(manifest), "--hub", hub.url, cwd=stage)
    assert (0, "") == (fetched.returncode, fetched.stderr)
    verified = _ran(*command, "verify", *folder, cwd=stage)
    assert (0, "") == (verified.returncode, verified.stderr)


def test_listing_needs_no_models_and_names_licences() -> None:
    """Sets, sizes and licences can be listed before anything is fetched."""
    listed = _command("list")
    assert listed.returncode == 0
    assert {"kokoro", "Apache-2.0", "align-en", "MIT", "CC-BY-NC-4.0"} <= set(listed.stdout.split())


def test_models_are_not_fetched_for_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """733 MB are not downloaded where nothing could use them; with --dir they are for another machine."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "kokoro" else name)
    done = CliRunner().invoke(app, ["models", "fetch"], env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert isinstance(done.exception, MissingExtraError)
    assert "kokoro not installed" in done.exception.message
    assert "make speech" in done.exception.message
