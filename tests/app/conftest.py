"""What tests of the app share: models with random weights, fetched as the true ones would be."""

from pathlib import Path
from typing import Any

import pytest

from app.models.store import ModelStore
from tests.models import HAS_SPEECH, NEED_MODELS
from tests.models.library import models_folder


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Collect no tests of a model that is not installed; `make test` installs them."""
    return True if not HAS_SPEECH and collection_path.as_posix().endswith(NEED_MODELS) else None


@pytest.fixture(scope="session")
def models() -> ModelStore:
    """The small models folder: real classes, random weights."""
    return ModelStore(models_folder("small"))


@pytest.fixture(scope="session")
def torch() -> Any:
    """PyTorch, imported by the process that runs such tests alone: it takes seconds."""
    import torch

    return torch
