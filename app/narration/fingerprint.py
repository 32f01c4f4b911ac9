"""What decides the audio of a narration besides its text and options: engine, models, code and libraries."""

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from app.models.store import ModelStore
from app.speech.base import SpeechEngine

_APP = Path(__file__).parents[1]
_PACKAGES = ("alignment", "audio", "narration", "segments", "speech", "text")
_MODULES = ("pronunciations.py",)
_SUFFIXES = frozenset({".py", ".tab"})
_DISTRIBUTIONS = (
    *("espeakng-loader", "kokoro", "misaki", "num2words", "numpy", "spacy", "torch", "torchaudio"),
    *("transformers", "whisperx"),
)


def fingerprint(engine: SpeechEngine, models: ModelStore) -> str:
    """
    Return a digest that changes whenever stored segments may not fit any more.

    Any change of the code counts, so that two releases never mix their audio in one story. It says nothing of
    the processor: rounding differs between kinds of processors, inaudibly.
    """
    parts = [engine.name, engine.variant, models.digest, code_digest()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@cache
def code_digest() -> str:
    """Return a digest over the code from text to audio, and the versions of the libraries it uses."""
    digest = hashlib.sha256()
    paths = [path for package in _PACKAGES for path in sorted((_APP / package).rglob("*"))]
    for path in (*paths, *(_APP / module for module in _MODULES)):
        if path.suffix in _SUFFIXES:
            digest.update(f"{path.relative_to(_APP)}\0".encode() + path.read_bytes() + b"\0")
    for name in _DISTRIBUTIONS:
        digest.update(f"{name}={_version(name)}\0".encode())
    return digest.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
