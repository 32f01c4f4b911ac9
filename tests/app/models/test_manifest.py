"""The manifest of model files: what it may contain, and where each file is fetched from."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigurationError
from app.models.manifest import Manifest, address
from app.speech.voices import KOKORO_VOICES


def _entry(**changes: Any) -> dict[str, Any]:
    entry = {
        "set": "kokoro",
        "path": "kokoro/a.bin",
        "url": "https://huggingface.co/x/y/resolve/main/a.bin",
        "size": 3,
        "sha256": "0" * 64,
        "licence": "MIT",
    }
    return entry | changes


def _write(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "manifest.json"
    document = {"sets": {"kokoro": {"about": "a", "default": True}}, "files": entries}
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_the_packaged_manifest_has_every_voice() -> None:
    """The voices in the manifest are exactly those a job may name."""
    voices = {Path(file.path).stem for file in Manifest.read().files if "/voices/" in file.path}
    assert set(KOKORO_VOICES) == voices


def test_the_default_sets_have_digests() -> None:
    """Every file that is fetched by default is pinned by its SHA-256."""
    assert [file.path for file in Manifest.read().of(()) if file.sha256 is None] == []


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", "a\\b", ""])
def test_no_path_leaves_the_folder(tmp_path: Path, path: str) -> None:
    """A manifest cannot place a file outside the models folder."""
    with pytest.raises(ConfigurationError, match=r"files\.0\.path"):
        Manifest.read(_write(tmp_path, _entry(path=path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "file:///etc/passwd"}, "files.0.url"),
        ({"sha256": "abc"}, "files.0.sha256"),
        ({"size": 0}, "files.0.size"),
        ({"set": "nope"}, "not declared: nope"),
        ({"surprise": 1}, "files.0.surprise"),
    ],
)
def test_a_faulty_entry_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Each fault of a manifest is reported with its position."""
    with pytest.raises(ConfigurationError, match=message):
        Manifest.read(_write(tmp_path, _entry(**change)))


def test_two_files_cannot_share_a_path(tmp_path: Path) -> None:
    """Two files with one path are refused."""
    with pytest.raises(ConfigurationError, match="same path"):
        Manifest.read(_write(tmp_path, _entry(), _entry()))


@pytest.mark.parametrize("content", ["{", "[]", "null", ""])
def test_other_content_is_refused(tmp_path: Path, content: str) -> None:
    """A file that is not a manifest is a typed error."""
    path = tmp_path / "manifest.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ConfigurationError):
        Manifest.read(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Manifest.read(tmp_path / "none.json")


def test_an_unknown_set_is_refused_with_those_there_are() -> None:
    """The message for an unknown set lists the available ones."""
    with pytest.raises(ConfigurationError, match=r"'kokro'; available sets: kokoro, english"):
        Manifest.read().of(("kokro",))


def test_hub_and_mirror_replace_their_own_hosts_only() -> None:
    """HF_ENDPOINT replaces the hub only, and the mirror all other hosts only."""
    files = {file.set: file for file in Manifest.read().of(())}
    kokoro, english = files["kokoro"], files["english"]
    assert kokoro.url == address(kokoro, hub=None, mirror="http://m")
    assert kokoro.url.replace("https://huggingface.co", "http://h") == address(
        kokoro, hub="http://h/", mirror=None
    )
    assert english.url == address(english, hub="http://h", mirror=None)
    assert f"http://m/{english.url.removeprefix('https://')}" == address(
        english, hub="http://h", mirror="http://m/"
    )
