"""
Writes a CycloneDX bill of materials per image, from the hashed locks and without a network.

The locks list exactly what an image installs from a package index, with digests. Not included: the packages
of the base image, which ECR scans (`make scan`), and the models, whose digests are in
app/models/manifest.json.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from pip_requirements_parser import InstallRequirement, RequirementsFile

from ops.errors import OpsError

LOCKS = Path("requirements")
IMAGES = {
    "espeak": ("image-espeak",),
    "kokoro-cpu": ("image-kokoro", "torch-cpu"),
    "kokoro-cuda": ("image-kokoro", "torch-cuda"),
}
"""The locks of each image that the Dockerfile builds."""
MACHINE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.9",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""The image's Python, for the environment markers of a lock."""


def bill_of(image: str, locks: Sequence[Path]) -> str:
    """Return CycloneDX 1.6 JSON of what `locks` install. Raises OpsError for an entry without a digest."""
    bill = Bom(components=(component for lock in locks for component in components_of(lock)))
    bill.metadata.component = Component(
        name=f"story-tts-{image}",
        version=version("story-tts"),
        type=ComponentType.CONTAINER,
        bom_ref=f"story-tts-{image}",
    )
    with warnings.catch_warnings():
        # A lock does not say which package needs which: no dependency graph is better than a wrong one.
        warnings.filterwarnings("ignore", message=".*has no defined dependencies", category=UserWarning)
        return JsonV1Dot6(bill).output_as_string(indent=2) + "\n"


def components_of(lock: Path) -> Iterator[Component]:
    """Yield what a lock installs in the image. Raises OpsError."""
    read = RequirementsFile.from_file(str(lock))
    if read.invalid_lines:
        raise OpsError(f"{lock}: line {read.invalid_lines[0].line_number} is not a requirement")
    for requirement in read.requirements:
        if requirement.marker is None or requirement.marker.evaluate(MACHINE):
            yield _component(requirement, lock)


def _component(requirement: InstallRequirement, lock: Path) -> Component:
    pinned, digests = requirement.get_pinned_version, sorted(_digests(requirement.hash_options))
    if pinned is None or not digests:
        raise OpsError(f"{lock}: {requirement.name} is not pinned to a version with digests")
    package = PackageURL("pypi", name=requirement.name, version=pinned)
    return Component(
        name=requirement.name,
        version=pinned,
        type=ComponentType.LIBRARY,
        bom_ref=package.to_string(),
        purl=package,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
    )


def _digests(options: Iterable[str]) -> Iterator[str]:
    """Yield the SHA-256 of every file that a lock allows: wheels of several platforms, and the source."""
    for option in options:
        algorithm, _, digest = option.partition(":")
        if algorithm == "sha256":
            yield digest


def write_bills(folder: Path) -> Iterator[str]:
    """Write `IMAGE.cdx.json` per image into `folder`; yield one line per file. Raises OpsError."""
    folder.mkdir(parents=True, exist_ok=True)
    for image, names in IMAGES.items():
        locks = [LOCKS / f"{name}.txt" for name in names]
        path = folder / f"{image}.cdx.json"
        path.write_text(bill_of(image, locks))
        yield f"{path}: {sum(1 for lock in locks for _ in components_of(lock))} packages"
