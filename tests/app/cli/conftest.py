"""What tests of commands share."""

import pytest


@pytest.fixture(autouse=True)
def work_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test segments of its own: those of an earlier run would be used again."""
    monkeypatch.setenv("WORK_DIR", str(tmp_path_factory.mktemp("work")))
