"""Kokoro's published weights and a Whisper, from package registries: `make real-voices` prepares them."""

import os
from pathlib import Path

from app.models.store import ModelStore

FOLDER = Path(os.environ.get("REAL_VOICES", "out/real-voices"))
"""Where they are kept."""


def models() -> ModelStore:
    """Return the models folder. Ends the program if it was not prepared."""
    return ModelStore(_prepared("models"))


def ears() -> Path:
    """Return the folder of the Whisper model. Ends the program if it was not prepared."""
    return _prepared("ears")


def tools() -> Path:
    """Return the folder of packages that only the preparation and the benchmarks import."""
    return _prepared("tools")


def _prepared(name: str) -> Path:
    folder = FOLDER / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} does not exist: run `make real-voices`, or set REAL_VOICES")
    return folder
