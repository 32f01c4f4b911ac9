"""What tests of the app share: models with random weights, fetched as the true ones would be."""

from importlib.util import find_spec

import pytest

HAS_SPEECH = find_spec("kokoro") is not None and find_spec("whisperx") is not None

if HAS_SPEECH:
    from app.models.store import ModelStore
    from tests.models.library import models_folder

    @pytest.fixture(scope="session")
    def models() -> ModelStore:
        """The small models folder: real classes, random weights."""
        return ModelStore(models_folder("small"))

else:
    # without the extra these could not even be imported; `make test` runs them
    collect_ignore = [
        "narration/test_narrators.py",
        "speech/test_kokoro.py",
        "speech/test_loading.py",
        "speech/test_offline.py",
        "speech/test_pronunciation.py",
        "speech/test_service.py",
        "speech/test_vocoder.py",
        "alignment/test_whisperx.py",
    ]
