"""
Real model classes with seeded random weights.

And the local hub that serves them where the true ones would be.
"""

from importlib.util import find_spec

HAS_SPEECH = find_spec("kokoro") is not None and find_spec("whisperx") is not None
NEED_MODELS = (
    "tests/app/alignment/test_whisperx.py",
    "tests/app/narration/test_narrators.py",
    "tests/app/speech/test_kokoro.py",
    "tests/app/speech/test_loading.py",
    "tests/app/speech/test_offline.py",
    "tests/app/speech/test_pronunciation.py",
    "tests/app/speech/test_service.py",
    "tests/app/speech/test_vocoder.py",
)
"""Test files of the speech extra alone."""
IMPORT_MODELS = (*NEED_MODELS, "tests/app/speech/test_engines.py")
"""Test files whose tests import PyTorch and both models, which takes seconds in each process."""
