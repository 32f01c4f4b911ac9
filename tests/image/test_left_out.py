"""The image's packages suffice: what its lock leaves out, nobody asks for."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.models.store import ModelStore
from tests.models.library import models_folder
from tests.tree import ROOT

pytestmark = [pytest.mark.speech, pytest.mark.slow]

_NAME = re.compile(r"^([A-Za-z0-9_.-]+)==", re.MULTILINE)
# Finds no package of whose distributions the image has none, as if it were not installed.
_REFUSE = """
import importlib.metadata, sys
def plain(name): return name.lower().replace("_", "-").replace(".", "-")
HELD = set(sys.argv[1].split(","))
OWNERS = importlib.metadata.packages_distributions()
FINDERS = sys.meta_path[:]
class Image:
    def find_spec(self, name, path=None, target=None):
        owners = OWNERS.get(name.partition(".")[0])
        if name.startswith("torchaudio.lib.") or (owners and not HELD.intersection(map(plain, owners))):
            return None
        return next(filter(None, (finder.find_spec(name, path, target) for finder in FINDERS)), None)
    def find_distributions(self, *arguments, **options):
        for finder in FINDERS:
            yield from getattr(finder, "find_distributions", lambda *_, **__: ())(*arguments, **options)
sys.meta_path[:] = [Image()]
"""
_NARRATE = """
import app.aws.session, app.bootstrap, app.cli.app, app.health
from pathlib import Path
import os
from app.narration.base import Request
from app.narration.narrators import Narrators
from app.narration.options import NarrationOptions
from dataclasses import replace
options = NarrationOptions(engine="kokoro", voice="af_heart", models_dir=Path(os.environ["MODELS_DIR"]))
narrators = Narrators(options)
for voice in ("af_heart", "bf_emma", "ef_dora"):
    request = Request(
        text="Hello there. It was 1987; he paid $3.50.",
        folder=Path(sys.argv[2]),
        options=replace(options, voice=voice),
    )
    print(narrators.narrator(voice).narrate(request, on_progress=lambda _: None).alignment)
"""


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _held() -> set[str]:
    """Return the distributions of the Kokoro image; the worker is in it, and installers are removed."""
    lock = (ROOT / "requirements" / "image-kokoro.txt").read_text("utf-8")
    return {_plain(name) for name in _NAME.findall(lock)} - {"setuptools"} | {"torch", "story-tts"}


def _ran(program: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    models = ModelStore(models_folder("small")).folder
    return subprocess.run(
        [sys.executable, "-c", _REFUSE + program, ",".join(sorted(_held())), str(folder)],
        env=os.environ | {"MODELS_DIR": str(models), "SPEECH_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_story_needs_nothing_that_the_image_leaves_out(tmp_path: Path) -> None:
    """Every way to phonemes, Kokoro and WhisperX work with requirements/image-kokoro.txt and torch alone."""
    ran = _ran(_NARRATE, tmp_path)
    # espeak-ng pronounces the third, and the models hold no aligner for its language
    assert (ran.returncode, ran.stdout.split()) == (0, ["whisperx", "whisperx", "engine"]), ran.stderr


@pytest.mark.parametrize("package", ["pyannote.audio", "scipy", "moto", "torchaudio.lib.libtorchaudio"])
def test_what_is_left_out_is_refused(package: str, tmp_path: Path) -> None:
    """A package that the image lacks cannot be imported, so the test above can fail."""
    ran = _ran(f"import {package}", tmp_path)
    assert f"No module named '{package.partition('.')[0]}" in ran.stderr
