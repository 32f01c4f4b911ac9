"""What runs: the image, its size, and what it is told."""

import re
from collections.abc import Iterator
from typing import Any

from .resource import Resource, Rule, parse

TASK = frozenset({"aws:ecs/taskDefinition:TaskDefinition"})
# Larger tasks narrate no faster: a job uses a few threads, and more jobs want more tasks.
MAX_CPU_UNITS = 8192
MAX_MEMORY_MIB = 32768
SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSPHRASE|TOKEN|CREDENTIAL|(API|ACCESS|PRIVATE)_?KEY", re.IGNORECASE
)
SECRET_VALUE = re.compile(
    r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY-----|//[^/@\s]+:[^/@\s]+@"
)


def _image_by_digest(resource: Resource) -> Iterator[str]:
    for container in _containers(resource):
        if not re.search(r"@sha256:[0-9a-f]{64}$", str(container.get("image"))):
            yield f"container {container.get('name')} names its image by a tag, which can move"


def _size(resource: Resource) -> Iterator[str]:
    for name, limit in (("cpu", MAX_CPU_UNITS), ("memory", MAX_MEMORY_MIB)):
        if int(resource.inputs.get(name) or 0) > limit:
            yield f"{name} is {resource.inputs[name]}, and the limit is {limit}"


def _no_plain_secrets(resource: Resource) -> Iterator[str]:
    for container in _containers(resource):
        for variable in container.get("environment") or []:
            if SECRET_NAME.search(variable["name"]) or SECRET_VALUE.search(str(variable["value"])):
                yield f"{variable['name']} looks like a secret: set it with worker.secrets"


def _immutable_and_scanned(resource: Resource) -> Iterator[str]:
    if not str(resource.inputs.get("imageTagMutability")).startswith("IMMUTABLE"):
        yield "its tags can be moved to another image"
    if not (resource.inputs.get("imageScanningConfiguration") or {}).get("scanOnPush"):
        yield "its images are not scanned"


def _containers(resource: Resource) -> list[dict[str, Any]]:
    return list(parse(resource.inputs.get("containerDefinitions")) or [])


RULES = (
    Rule("image-by-digest", "Tasks run an image by its digest.", TASK, _image_by_digest),
    Rule("task-size", f"Tasks have at most {MAX_CPU_UNITS} CPU units and {MAX_MEMORY_MIB} MiB.", TASK, _size),
    Rule("no-plain-secrets", "Secrets are no plain environment variables.", TASK, _no_plain_secrets),
    Rule(
        "immutable-images",
        "Tags are immutable, and images are scanned.",
        frozenset({"aws:ecr/repository:Repository"}),
        _immutable_and_scanned,
    ),
)
