"""Records the program with references instead of ids, for Terraform to fill in the genuine ones."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi.runtime import mocks

from tests.e2e.standin.aws import Aws
from tests.e2e.standin.data_sources import look_up
from tests.stack.recording import Recorder

MARK = "@@{number}|{attribute}@@"
"""A reference; the program takes ARNs and URLs apart, so it holds none of their separators."""
# Outputs that the program passes on; the others are taken from the inputs.
COMPUTED = {
    "aws:ec2/eip:Eip": ("allocationId",),
    "aws:ecr/repository:Repository": ("repositoryUrl",),
    "aws:sqs/queue:Queue": ("url",),
}
NAMES = ("bucket", "family", "name", "resourceId")


def mark(number: int, attribute: str) -> str:
    """A reference to an attribute of the resource that was recorded with this number."""
    return MARK.format(number=number, attribute=attribute)


def digest(tag: str) -> str:
    """A digest for an image: each tag has its own."""
    return f"sha256:{hashlib.sha256(tag.encode()).hexdigest()}"


class ReferenceRecorder(Recorder):
    """Answers data sources from the emulator, and resources with references to their attributes."""

    def __init__(self, *, aws: Aws, story_infra: Mapping[str, Any]) -> None:
        super().__init__(story_infra=story_infra, zones={}, endpoint_zones={})
        self._aws = aws
        self.looked_up: list[tuple[str, dict[str, Any]]] = []
        """Data sources of AWS, with their arguments."""

    def _computed(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        if args.typ.startswith("docker-build:"):
            tags = args.inputs.get("tags") or [args.inputs.get("tag", "")]
            return {"digest": digest(str(tags[0]))}
        number = len(self.resources) - 1
        service = args.typ.split(":")[1].split("/")[0]
        names = [name for name in NAMES if name in args.inputs]
        return {
            **{name: mark(number, name) for name in (*names, *COMPUTED.get(args.typ, ()))},
            "arn": f"arn:aws:{service}:us-east-1:123456789012:{mark(number, 'arn')}",
        }

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Record a resource; its id is a reference too."""
        id_, outputs = super().new_resource(args)
        number = len(self.resources) - 1
        return (mark(number, "id") if args.typ.startswith("aws:") else id_), outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer a data source from the emulator; images come from no registry here."""
        if args.token.startswith("aws:ecr/"):
            answer, failures = super().call(args)
            if "imageDigest" in answer:
                answer["imageDigest"] = args.args.get("imageDigest") or digest(str(args.args.get("imageTag")))
            return answer, failures
        self.looked_up.append((args.token, dict(args.args)))
        return look_up(self._aws, args.token, dict(args.args)), []


def dependencies(options: pulumi.ResourceOptions) -> Sequence[tuple[str, str]]:
    """Types and names of the custom resources that a resource waits for."""
    explicit = options.depends_on or []
    resources = explicit if isinstance(explicit, Sequence) else [explicit]
    return [
        (str(item._type), str(item._name)) for item in resources if isinstance(item, pulumi.CustomResource)
    ]
