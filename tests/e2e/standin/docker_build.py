"""Images of the double: nothing is built, a manifest made from the inputs is put into the embedded ECR."""

import fnmatch
import hashlib
import json
from pathlib import Path

from typing_extensions import override

from tests.e2e.standin.base import Aws, Properties, Resource, resource

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"


def _split(reference: str) -> tuple[str, str]:
    """registry/name:tag or registry/name@digest -> (name, tag or digest)."""
    path = reference.split("/", 1)[1]
    name, _, rest = path.partition("@" if "@" in path else ":")
    return name, rest


def put_image(aws: Aws, *, name: str, tag: str, manifest: str, digest: str) -> None:
    """Push as a registry takes it: the same image under a tag that may move is no fault."""
    ecr = aws.client("ecr")
    try:
        ecr.put_image(
            repositoryName=name,
            imageManifest=manifest,
            imageManifestMediaType=MEDIA_TYPE,
            imageTag=tag,
            imageDigest=digest,
        )
    except ecr.exceptions.ImageAlreadyExistsException:
        (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
        movable = [item["filter"] for item in found["imageTagMutabilityExclusionFilters"]]
        if not any(fnmatch.fnmatchcase(tag, pattern) for pattern in movable):
            raise


@resource
class Image(Resource):
    """An image, whose digest follows from Dockerfile, platform, arguments and tag."""

    token = "docker-build:index:Image"

    def _push(self, inputs: Properties) -> str:
        dockerfile = Path(inputs["dockerfile"]["location"])
        content = dockerfile.read_text() if dockerfile.exists() else ""
        recipe = json.dumps([content, inputs["platforms"], inputs["buildArgs"], inputs["tags"]])
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MEDIA_TYPE,
                "config": {"digest": "sha256:" + hashlib.sha256(recipe.encode()).hexdigest()},
                "layers": [],
            }
        )
        name, tag = _split(inputs["tags"][0])
        digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
        put_image(self.aws, name=name, tag=tag, manifest=manifest, digest=digest)
        return digest

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        digest = self._push(inputs)
        return digest, {"digest": digest, "ref": f"{inputs['tags'][0]}@{digest}", "contextHash": digest[7:19]}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        name, tag = _split(state["tags"][0])
        self.aws.client("ecr").batch_delete_image(repositoryName=name, imageIds=[{"imageTag": tag}])


@resource
class Index(Resource):
    """A tag that is moved onto an image."""

    token = "docker-build:index:Index"
    replaces = frozenset({"tag"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        name, tag = _split(inputs["tag"])
        _, digest = _split(inputs["sources"][0])
        ecr = self.aws.client("ecr")
        (found,) = ecr.batch_get_image(repositoryName=name, imageIds=[{"imageDigest": digest}])["images"]
        put_image(self.aws, name=name, tag=tag, manifest=found["imageManifest"], digest=digest)
        return inputs["tag"], {"ref": f"{inputs['tag']}@{digest}"}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        name, tag = _split(state["tag"])
        self.aws.client("ecr").batch_delete_image(repositoryName=name, imageIds=[{"imageTag": tag}])
