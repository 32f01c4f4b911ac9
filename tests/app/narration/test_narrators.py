"""The narrators of a speech process: what they load, and when they find a damaged file."""

import shutil
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.models.store import ModelStore
from app.narration.narrators import Narrators
from app.narration.options import NarrationOptions

pytestmark = [pytest.mark.speech, pytest.mark.slow]


@pytest.mark.parametrize("folder", ["align", "kokoro/voices"])
def test_a_damaged_file_that_is_loaded_later_ends_the_start(
    models: ModelStore, tmp_path: Path, folder: str
) -> None:
    """One changed bit in an aligner or a voice is found before a job is received, and the file is named."""
    copy = tmp_path / "models"
    shutil.copytree(models.folder, copy)
    files = [path for path in (copy / folder).rglob("*") if path.is_file()]
    damaged = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)

    with pytest.raises(ConfigurationError, match=damaged.name):
        Narrators(NarrationOptions(engine="kokoro", voice="af_heart", models_dir=copy, threads=1))
