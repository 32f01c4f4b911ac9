"""What tests of the app share: models with random weights, fetched as the true ones would be."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from app.models.store import ModelStore
from tests.models.library import models_folder

HAS_SPEECH = find_spec("kokoro") is not None and find_spec("whisperx") is not None
IMPORT_MODELS = (
    "narration/test_narrators.py",
    "speech/test_kokoro.py",
    "speech/test_loading.py",
    "speech/test_offline.py",
    "speech/test_pronunciation.py",
    "speech/test_service.py",
    "speech/test_vocoder.py",
    "alignment/test_whisperx.py",
)
"""Modules that import torch, which takes seconds, and is there with the speech extra only."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no network for tests that cannot run or are not asked for; `make test` runs them."""
    is_wanted = HAS_SPEECH and "not speech" not in str(config.getoption("markexpr"))
    is_heavy = collection_path.as_posix().endswith(IMPORT_MODELS)
    return True if is_heavy and not is_wanted else None


@pytest.fixture(scope="session")
def models() -> ModelStore:
    """The small models folder: real classes, random weights."""
    return ModelStore(models_folder("small"))
