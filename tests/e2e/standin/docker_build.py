"""Images of docker-build: nothing is built; a manifest made from the inputs goes into the embedded ECR."""

import fnmatch
import hashlib
import json
from pathlib import Path

from tests.e2e.standin.aws import Aws, Properties
from tests.e2e.standin.resources import PassThrough

MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"


def _split(reference: str) -> tuple[str, str]:
    """registry/name:tag or registry/name@digest -> (name, tag or digest)."""
    path = reference.split("/", 1)[1]
    name, _, rest = path.partition("@" if "@" in path else ":")
    return name, rest


def _digest(content: str) -> str:
    return "sha256:" + hashlib.sha256(content.encode()).hexdigest()


def _push(aws: Aws, reference: str, manifest: str) -> str:
    """Push as a registry takes it: a tag that may move is put on another image. Return the digest."""
    ecr = aws.client("ecr")
    name, tag = _split(reference)
    image = {
        "imageManifest": manifest,
        "imageManifestMediaType": MEDIA_TYPE,
        "imageDigest": _digest(manifest),
    }
    try:
        ecr.put_image(repositoryName=name, imageTag=tag, **image)
    except ecr.exceptions.ImageAlreadyExistsException:
        (found,) = ecr.describe_repositories(repositoryNames=[name])["repositories"]
        movable = [item["filter"] for item in found["imageTagMutabilityExclusionFilters"]]
        if not any(fnmatch.fnmatchcase(tag, pattern) for pattern in movable):
            raise
    return image["imageDigest"]


class _Pushed(PassThrough):
    """Something that lies in the registry under a tag."""

    tag: str

    def update(self, aws: Aws, state: Properties) -> Properties:
        """Push the new one."""
        return self.create(aws, state)

    def delete(self, aws: Aws, state: Properties) -> None:
        """Remove the tag."""
        reference = state[self.tag]
        name, tag = _split(reference if isinstance(reference, str) else reference[0])
        aws.client("ecr").batch_delete_image(repositoryName=name, imageIds=[{"imageTag": tag}])


class Image(_Pushed):
    """An image, whose digest follows from Dockerfile, platform, arguments and tag."""

    tag = "tags"

    def create(self, aws: Aws, inputs: Properties) -> Properties:
        """Push the manifest under the first tag."""
        dockerfile = Path(inputs["dockerfile"]["location"])
        content = dockerfile.read_text() if dockerfile.exists() else ""
        recipe = json.dumps([content, inputs["platforms"], inputs["buildArgs"], inputs["tags"]])
        config = {"digest": _digest(recipe)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MEDIA_TYPE, "config": config, "layers": []})
        digest = _push(aws, inputs["tags"][0], manifest)
        ref = f"{inputs['tags'][0]}@{digest}"
        return {"id": digest, "digest": digest, "ref": ref, "contextHash": digest[7:19]}


class Index(_Pushed):
    """A tag that is moved onto an image."""

    tag = replaced_by = "tag"

    def create(self, aws: Aws, inputs: Properties) -> Properties:
        """Put the image under the tag."""
        name, digest = _split(inputs["sources"][0])
        found = aws.client("ecr").batch_get_image(repositoryName=name, imageIds=[{"imageDigest": digest}])
        _push(aws, inputs["tag"], found["images"][0]["imageManifest"])
        return {"id": inputs["tag"], "ref": f"{inputs['tag']}@{digest}"}
