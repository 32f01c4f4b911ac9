"""Models for an image where the real ones cannot be had: full size, random weights, from a local hub."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.image import SOURCES
from tests.image.building import ROOT
from tests.models.hub import serving
from tests.models.library import write_hub

MANIFEST = Path("app/models/manifest.json")


@contextmanager
def stand_in_models(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """
    Yield sources whose manifest names the hub's files, and the build arguments that lead to the hub.

    The digests of the true manifest are those of the true models, so the copy has a manifest of its own;
    everything else is this tree's.
    """
    sources = folder / "sources"
    sources.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources / name)
    shutil.copyfile(write_hub(folder / "hub", "full"), sources / MANIFEST)
    with serving(folder / "hub") as hub:
        yield sources, {"HF_ENDPOINT": hub.url, "MODELS_MIRROR": f"{hub.url}/mirror"}
