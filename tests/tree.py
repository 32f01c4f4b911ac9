"""The project's own files, as tests look at them and copy them."""

import shutil
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def copy_of(names: Iterable[str], folder: Path) -> Path:
    """Copy the files and folders `names` of the project into `folder`, and return it."""
    folder.mkdir(exist_ok=True)
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder
