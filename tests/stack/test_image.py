"""The image repository, the build and the deployed digest."""

import json
from pathlib import Path
from typing import Any

import pytest

from stack.config import ImageSettings
from stack.image import source_tag
from tests.stack.recording import ACCOUNT, DIGEST, REGION, Recording, record
from tests.tree import ROOT

REPOSITORY = "aws:ecr/repository:Repository"
IMAGE = "docker-build:index:Image"
INDEX = "docker-build:index:Index"
URL = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/story-tts"
# How Pulumi marks a secret on the wire.
SECRET_MARK, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"


def test_the_repository(plain: Recording) -> None:
    """The repository scans on push, is encrypted, and has immutable tags except those of the stack itself."""
    repository = dict(plain.one(REPOSITORY))
    del repository["tags"]
    assert repository == {
        "name": "story-tts",
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [
            {"filter": "buildcache*", "filterType": "WILDCARD"},
            {"filter": "running-*", "filterType": "WILDCARD"},
            {"filter": "src-*", "filterType": "WILDCARD"},
        ],
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfigurations": [{"encryptionType": "AES256"}],
        "forceDelete": False,
    }


def test_the_clean_up(plain: Recording) -> None:
    """Running images are kept; untagged ones expire after 7 days, tagged ones beyond the newest 30."""
    policy = json.loads(plain.one("aws:ecr/lifecyclePolicy:LifecyclePolicy")["policy"])
    rules = [(rule["rulePriority"], rule["selection"], rule["action"]) for rule in policy["rules"]]
    assert rules == [
        (
            1,
            {
                "tagStatus": "tagged",
                "tagPatternList": ["running-*"],
                "countType": "imageCountMoreThan",
                "countNumber": 1000,
            },
            {"type": "expire"},
        ),
        (
            2,
            {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7},
            {"type": "expire"},
        ),
        (
            3,
            {
                "tagStatus": "tagged",
                "tagPatternList": ["*"],
                "countType": "imageCountMoreThan",
                "countNumber": 30,
            },
            {"type": "expire"},
        ),
    ]


def test_the_running_image_is_marked_after_the_service_is_steady(plain: Recording) -> None:
    """The running tag moves to the deployed digest after the service is deployed."""
    index = plain.one(INDEX)
    assert (index["tag"], index["sources"], index["push"]) == (
        f"{URL}:running-story-tts",
        [f"{URL}@{DIGEST}"],
        True,
    )
    after = plain.options[f"{INDEX} running-tag"].depends_on
    assert [resource._name for resource in after] == ["service"]  # type: ignore[union-attr]


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_all_layers_have_the_compression_of_the_setting(compression: str) -> None:
    """Fargate pulls no image that mixes compressions, so the base image's layers are recompressed."""
    image = record({"image": {"compression": compression}}).one(IMAGE)
    registry = image["exports"][0]["registry"]
    assert (registry["compression"], registry["forceCompression"]) == (compression, True)


def test_the_build(plain: Recording) -> None:
    """The build: platform, Dockerfile, compression, and a cache in the form that ECR accepts."""
    image = dict(plain.one(IMAGE))
    registries = image.pop("registries")
    tags = image.pop("tags")
    assert image == {
        "push": False,
        "buildOnPreview": True,
        "buildArgs": {},
        "network": "default",
        "context": {"location": str(ROOT)},
        "dockerfile": {"location": str(ROOT / "Dockerfile")},
        "platforms": ["linux/amd64"],
        "exports": [
            {
                "registry": {
                    "compression": "zstd",
                    "compressionLevel": 0,
                    "forceCompression": True,
                    "ociMediaTypes": True,
                    "push": True,
                    "store": True,
                }
            }
        ],
        "cacheFrom": [{"registry": {"ref": f"{URL}:buildcache"}}],
        "cacheTo": [
            {
                "registry": {
                    "ref": f"{URL}:buildcache",
                    "mode": "max",
                    "imageManifest": True,
                    "ociMediaTypes": True,
                    "compression": "gzip",
                    "compressionLevel": 0,
                    "forceCompression": False,
                    "ignoreError": True,
                }
            }
        ],
    }
    assert len(tags) == 1
    assert tags[0].startswith(f"{URL}:src-")
    # The login is a secret as a whole, so that no token reaches a log or the state in the clear.
    assert registries[SECRET_MARK] == SECRET
    assert registries["value"] == [
        {
            "address": f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
            "username": "AWS",
            "password": "not-for-eyes",
        }
    ]


def test_the_image_outlives_its_replacement(plain: Recording) -> None:
    """Deleting the resource would delete the image that a rollback needs."""
    assert plain.options[f"{IMAGE} image"].retain_on_delete is True
    assert plain.options[f"{INDEX} running-tag"].retain_on_delete is True


def test_image_settings_reach_the_build() -> None:
    """The image settings reach the build."""
    image = record(
        {
            "app_image_tag": "v1.4.0",
            "image": {
                "platform": "linux/arm64",
                "dockerfile": "images/Dockerfile",
                "build_args": {"A": "b"},
                "cache": False,
                "build_on_preview": False,
            },
        }
    ).one(IMAGE)
    assert image["tags"] == [f"{URL}:v1.4.0"]
    assert image["platforms"] == ["linux/arm64"]
    assert image["dockerfile"]["location"].endswith("/images/Dockerfile")
    assert image["buildArgs"] == {"A": "b"}
    assert image["buildOnPreview"] is False
    assert (image.get("cacheFrom", []), image.get("cacheTo", [])) == ([], [])


@pytest.mark.parametrize(
    ("image", "digest"),
    [
        ({"existing_tag": "v7"}, "sha256:" + "cd" * 32),
        ({"existing_digest": "sha256:" + "ef" * 32}, "sha256:" + "ef" * 32),
    ],
)
def test_an_existing_image_is_deployed_by_digest(image: dict[str, Any], digest: str) -> None:
    """An existing image is deployed by digest and nothing is built."""
    run = record({"image": image})
    assert run.names(IMAGE) == []
    assert run.container()["image"] == f"{URL}@{digest}"
    assert run.outputs["image_digest"] == digest
    assert run.one(INDEX)["sources"] == [f"{URL}@{digest}"]


def test_another_stacks_repository() -> None:
    """An existing repository is not changed, and images are pushed to it."""
    run = record({"image": {"repository": "existing"}, "ecr_repository_name": "shared/story-tts"})
    kinds = (
        REPOSITORY,
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
    )
    assert [run.names(kind) for kind in kinds] == [[], [], []]
    assert run.one(IMAGE)["tags"][0].startswith(
        f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shared/story-tts:src-"
    )


def test_an_unprotected_repository_goes_with_its_images() -> None:
    """Without protection the repository is deleted together with its images."""
    run = record({"features": {"protect": False}})
    assert run.one(REPOSITORY)["forceDelete"] is True
    assert run.options[f"{REPOSITORY} repository"].protect is False


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A small source tree."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "worker.py").write_text("print()")
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("words")
    return tmp_path


def test_equal_sources_have_equal_tags(sources: Path) -> None:
    """The tag does not depend on files outside the image."""
    before = source_tag(sources, ImageSettings())
    (sources / "docs" / "page.md").write_text("other words")
    (sources / "app" / "__pycache__").mkdir()
    (sources / "app" / "__pycache__" / "worker.pyc").write_bytes(b"1")
    assert source_tag(sources, ImageSettings()) == before
    assert len(before) == len("src-") + 12


@pytest.mark.parametrize("change", ["content", "name", "dockerfile", "platform", "argument"])
def test_other_sources_have_other_tags(sources: Path, change: str) -> None:
    """The tag changes with everything that goes into the image."""
    before = source_tag(sources, ImageSettings())
    settings = ImageSettings()
    if change == "content":
        (sources / "app" / "worker.py").write_text("print(1)")
    elif change == "name":
        (sources / "app" / "worker.py").rename(sources / "app" / "other.py")
    elif change == "dockerfile":
        (sources / "Dockerfile").write_text("FROM other")
    elif change == "platform":
        settings = ImageSettings(platform="linux/arm64")
    else:
        settings = ImageSettings(build_args={"A": "b"})
    assert source_tag(sources, settings) != before
