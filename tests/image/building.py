"""Images built and looked at without a daemon: by buildah, on a Debian that debootstrap makes."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

SUITE = "bookworm"
"""The Debian of python:3.11-slim-bookworm: its python3 is 3.11 too."""
PACKAGES = "ca-certificates,python3,python3-venv"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_BASE_TAG = f"localhost/story-tts-base:{SUITE}"


class Buildah:
    """
    buildah with a storage of its own: nothing of it shows in the machine's, and no daemon is needed.

    The storage is of the driver that STORAGE_DRIVER names: vfs works everywhere and copies every layer whole,
    overlay needs a kernel and a file system that allow it, and a tenth of the disk.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(gettempdir()) / f"story-tts-test-image-{os.getuid()}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, *arguments: str, quiet: bool = True) -> str:
        """Run a command of buildah's, and return what it prints; its own messages go to stderr."""
        places = ("--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"))
        ran = subprocess.run(
            ["buildah", "--storage-driver", os.environ.get("STORAGE_DRIVER", "vfs"), *places, *arguments],
            text=True,
            stdout=subprocess.PIPE if quiet else None,
            check=True,
        )
        return (ran.stdout or "").strip()

    def base(self) -> str:
        """Return the name of a small Debian with Python, made by debootstrap where there is none yet."""
        if _BASE_TAG not in self("images", "--format", "{{.Name}}:{{.Tag}}").splitlines():
            with TemporaryDirectory(dir=self.folder) as folder:
                debootstrap = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, folder]
                subprocess.run(debootstrap, check=True, stdout=subprocess.DEVNULL)
                self._keep_base(Path(folder))
        return _BASE_TAG

    def _keep_base(self, rootfs: Path) -> None:
        if _CERTIFICATES.exists():  # a network may have an authority of its own
            shutil.copyfile(_CERTIFICATES, rootfs / _CERTIFICATES.relative_to("/"))
        container = self("from", "scratch")
        self("add", "--quiet", container, str(rootfs), "/")
        settings = {"PIP_CERT": str(_CERTIFICATES)}
        settings |= {
            name: value for name, value in os.environ.items() if name.startswith("PIP_") and "INDEX" in name
        }
        for name, value in settings.items():
            self("config", "--env", f"{name}={value}", container)
        self("commit", "--quiet", "--rm", container, _BASE_TAG)

    def build(self, tag: str, sources: Path, **arguments: str) -> None:
        """Build the Dockerfile of `sources`. Docker's form: OCI's has no health check."""
        given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
        self(
            "build",
            "--isolation=chroot",
            "--format=docker",
            "--layers",
            *given,
            "--tag",
            tag,
            str(sources),
            quiet=False,
        )

    def configuration(self, tag: str) -> dict[str, Any]:
        """Return what the image says of how it is run."""
        found: dict[str, Any] = json.loads(self("inspect", "--type", "image", tag))["Docker"]["config"]
        return found

    def layers(self, tag: str) -> list[tuple[str, int]]:
        """Return the image's layers, the lowest first: what made each, and its bytes unpacked."""
        with TemporaryDirectory(dir=self.folder) as folder:
            self("push", "--quiet", "--disable-compression", tag, f"dir:{folder}")
            manifest = json.loads((Path(folder) / "manifest.json").read_text("utf-8"))
            blob = manifest["config"]["digest"].removeprefix("sha256:")
            history = json.loads((Path(folder) / blob).read_text("utf-8"))["history"]
        steps = [step.get("created_by", "") for step in history if not step.get("empty_layer")]
        sizes = [int(layer["size"]) for layer in manifest["layers"]]
        # A base's history may be shorter than its layers.
        return list(zip([""] * (len(sizes) - len(steps)) + steps, sizes, strict=True))

    @contextmanager
    def mounted(self, tag: str) -> Iterator[Path]:
        """Yield the folder that holds the image's files, for the block."""
        container = self("from", "--pull-never", tag)
        try:
            yield Path(self("mount", container))
        finally:
            self("rm", container)
