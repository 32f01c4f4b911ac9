"""Models for an image where the real ones cannot be had: full size, random weights, from a local hub."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.image import SOURCES
from tests.models.hub import serving
from tests.models.library import write_hub
from tests.tree import copy_of

MANIFEST = Path("app/models/manifest.json")


@contextmanager
def stand_in_models(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """
    Yield sources whose manifest names the hub's files, and the build arguments that lead to the hub.

    The digests of the true manifest are those of the true models, so the copy has a manifest of its own;
    everything else is this tree's.
    """
    sources = copy_of(SOURCES, folder / "sources")
    shutil.copyfile(write_hub(folder / "hub", "full"), sources / MANIFEST)
    with serving(folder / "hub") as hub:
        yield sources, {"HF_ENDPOINT": hub.url, "MODELS_MIRROR": f"{hub.url}/mirror"}
