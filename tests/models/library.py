"""
The models folder that tests and benchmarks speak from: built once a machine, fetched from the local hub.

    hub folder (random weights, real forms) ─▶ local hub ─▶ `story-tts models fetch` ─▶ models folder
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal
from urllib.parse import urlsplit

from app.models.manifest import PACKAGED
from app.speech.voices import KOKORO_VOICES
from tests.models.hub import serving

Scale = Literal["small", "full"]


def models_folder(scale: Scale) -> Path:
    """Return a models folder of the given scale; build it unless this machine has it."""
    root = Path(
        os.environ.get("STORY_TTS_TEST_MODELS") or Path(gettempdir()) / f"story-tts-test-models-{os.getuid()}"
    )
    root.mkdir(parents=True, exist_ok=True)
    target = root / f"{scale}-{_version()}"
    with (root / f"{scale}.lock").open("w") as lock:
        # tests run in several processes, and one of them builds
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "models").is_dir():
            shutil.rmtree(target, ignore_errors=True)
            build(target, scale)
    return target / "models"


def build(target: Path, scale: Scale) -> None:
    """Build the hub's files and their manifest in `target`, and fetch them into `target`/models."""
    manifest = write_hub(target / "hub", scale)
    part = target / "models.part"
    with serving(target / "hub") as hub:
        subprocess.run(
            [
                *(sys.executable, "-m", "app", "models", "fetch", "--dir", str(part)),
                *("--manifest", str(manifest), "--hub", hub.url, "--mirror", f"{hub.url}/mirror"),
            ],
            check=True,
            capture_output=True,
        )
    # the fetched copy is what is used; the other would only fill the disk
    shutil.rmtree(target / "hub")
    part.rename(target / "models")


def write_hub(folder: Path, scale: Scale) -> Path:
    """Write every file of the packaged manifest's default sets; return a manifest of them."""
    from tests.models import kokoro  # imports torch

    packaged = json.loads(PACKAGED.read_text("utf-8"))
    size = kokoro.FULL if scale == "full" else kokoro.SMALL
    scratch = folder / "scratch"
    kokoro.write_model(scratch, size)
    entries: list[dict[str, Any]] = []
    for entry in packaged["files"]:
        if not packaged["sets"][entry["set"]]["default"]:
            continue
        if entry["set"] == "align-en" and scale == "small":
            entries += _small_aligner(folder, entry)
            continue
        _write(entry, place(folder, entry["url"]), scratch)
        entries.append(entry | {"size": None, "sha256": None})
    shutil.rmtree(scratch)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"sets": packaged["sets"], "files": entries}), "utf-8")
    return manifest


def place(folder: Path, url: str) -> Path:
    """Return where the hub keeps the file of address `url`."""
    parts = urlsplit(url)
    if parts.netloc == "huggingface.co":
        return folder / parts.path.lstrip("/")
    return folder / "mirror" / parts.netloc / parts.path.lstrip("/")


def _write(entry: dict[str, Any], path: Path, scratch: Path) -> None:
    from tests.models import english, kokoro, wav2vec2  # imports torch

    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name == "voices":
        kokoro.write_voice(path, seed=sorted(KOKORO_VOICES).index(path.stem))
    elif entry["set"] == "kokoro":
        shutil.copyfile(scratch / path.name, path)
    elif entry["set"] == "english":
        english.write_wheel(scratch / "english").rename(path)
    else:
        wav2vec2.write_bundle(path)


def _small_aligner(folder: Path, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Write the small aligner as a model repository: torchaudio's bundle has a fixed size."""
    from tests.models import wav2vec2  # imports torch

    base = "https://huggingface.co/story-tts/wav2vec2-small/resolve/main"
    wav2vec2.write_folder(place(folder, base))
    return [
        entry | {"path": f"align/en/{path.name}", "url": f"{base}/{path.name}", "size": None, "sha256": None}
        for path in sorted(place(folder, base).iterdir())
    ]


def _version() -> str:
    """Return a digest of the builders: a change of theirs makes new models."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
