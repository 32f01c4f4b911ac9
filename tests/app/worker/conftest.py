"""The worker in memory, for each test anew."""

from pathlib import Path

import pytest

from app.work_folder import WorkFolder
from app.worker import attempt as attempt_module
from app.worker import checkpoints as checkpoints_module
from tests.app.worker.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A worker with an empty queue."""
    monkeypatch.setattr(attempt_module, "STORE_SECS", 0.0)
    monkeypatch.setattr(checkpoints_module, "STORE_SECS", 0.0)
    tmp_path.chmod(0o700)
    return Bench(WorkFolder(tmp_path))
