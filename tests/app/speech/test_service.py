"""Kokoro and WhisperX as `make demo ENGINE=kokoro` runs them: behind queue, worker and bucket."""

from pathlib import Path

import pytest

from app.local.service import local_service
from app.models.store import ModelStore
from tests.workers import Jobs

pytestmark = [pytest.mark.speech, pytest.mark.slow]


def test_a_story_goes_through_the_service(
    models: ModelStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    A worker on models that `models fetch` brought narrates a blend of voices, aligned by WhisperX.

    All that libraries write on the way, such as phonemizer's copies of espeak-ng, lies in the worker's own
    folder, and is gone with it.
    """
    work, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("WORK_DIR", str(work))
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setenv("MODELS_DIR", str(models.folder))
    monkeypatch.setenv("SPEECH_THREADS", "1")
    with local_service(engine="kokoro", quiet=True) as service:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        jobs = Jobs(service.platform)
        key = jobs.story("The keeper lit the lamp.", voice="bf_emma(2)+bm_george")
        row = jobs.wait_for(key, "COMPLETED")
        assert (row["engine"], row["voice"], row["alignment"]) == (
            "kokoro",
            "bf_emma(2)+bm_george",
            "whisperx",
        )
        assert jobs.media(row)[:4] == b"RIFF"
        assert list(work.rglob("libespeak-ng*"))
    assert list(elsewhere.iterdir()) == []
    assert list(work.iterdir()) == []
