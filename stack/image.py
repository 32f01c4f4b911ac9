"""The worker's image: its ECR repository, its build, and the digest that is deployed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from stack.config import ImageSettings
from stack.naming import Naming
from stack.permissions import repository_policy

UNTAGGED_DAYS = 7
TAGGED_IMAGES = 30
CACHE_TAG = "buildcache"
RUNNING_PREFIX = "running-"
SOURCE_PREFIX = "src-"
# The files that the image is built from.
SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "requirements", "app")

# Rules apply in the order of their priority, and later rules ignore an image that a rule has selected. The
# first rule therefore protects running images: no repository has a thousand running tags.
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html#lp_evaluation_rules
LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "never what a stack runs",
            "selection": {
                "tagStatus": "tagged",
                "tagPatternList": [f"{RUNNING_PREFIX}*"],
                "countType": "imageCountMoreThan",
                "countNumber": 1000,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": f"untagged after {UNTAGGED_DAYS} days",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": UNTAGGED_DAYS,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 3,
            "description": f"the newest {TAGGED_IMAGES} tagged are kept",
            "selection": {
                "tagStatus": "tagged",
                "tagPatternList": ["*"],
                "countType": "imageCountMoreThan",
                "countNumber": TAGGED_IMAGES,
            },
            "action": {"type": "expire"},
        },
    ]
}


class Repository(pulumi.ComponentResource):
    """The ECR repository, created here or owned by another stack."""

    def __init__(
        self,
        *,
        name: str,
        own: bool,
        naming: Naming,
        key_arn: str | None,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Repository", "repository", None, opts)
        self._own = own
        self.name: pulumi.Output[str]
        if own:
            repository = self._create(name, naming=naming, key_arn=key_arn, protect=protect)
            self.name, self.url, self.arn = repository.name, repository.repository_url, repository.arn
        else:
            found = aws.ecr.get_repository_output(name=name, opts=pulumi.InvokeOptions(parent=self))
            self.name, self.url, self.arn = found.name, found.repository_url, found.arn
        self.register_outputs({"url": self.url})

    def _create(self, name: str, *, naming: Naming, key_arn: str | None, protect: bool) -> aws.ecr.Repository:
        # Source tags are derived from the content, and building the same content again, as after a rollback,
        # must not fail. Tags that people choose are immutable; the service is deployed by digest in any case.
        moving = [f"{CACHE_TAG}*", f"{RUNNING_PREFIX}*", f"{SOURCE_PREFIX}*"]
        repository = aws.ecr.Repository(
            "repository",
            name=name,
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[
                aws.ecr.RepositoryImageTagMutabilityExclusionFilterArgs(filter=tags, filter_type="WILDCARD")
                for tags in moving
            ],
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[
                aws.ecr.RepositoryEncryptionConfigurationArgs(
                    encryption_type="AES256" if key_arn is None else "KMS", kms_key=key_arn
                )
            ],
            force_delete=not protect,
            tags=naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        aws.ecr.LifecyclePolicy(
            "repository-lifecycle",
            repository=repository.name,
            policy=json.dumps(LIFECYCLE),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return repository

    def allow_pull(self, role_arn: pulumi.Input[str]) -> None:
        """Let a role pull, by a policy on the repository; a repository of another stack is not changed."""
        if not self._own:
            return
        aws.ecr.RepositoryPolicy(
            "repository-policy",
            repository=self.name,
            policy=repository_policy(role_arn),
            opts=pulumi.ResourceOptions(parent=self),
        )


class WorkerImage(pulumi.ComponentResource):
    """One image, built here or already in the repository, referred to by its digest."""

    def __init__(
        self,
        *,
        settings: ImageSettings,
        tag: str | None,
        root: Path,
        repository: Repository,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:WorkerImage", "image", None, opts)
        self._settings = settings
        self._repository = repository
        if settings.builds:
            self.tag: pulumi.Input[str] = tag or source_tag(root, settings)
            self.digest = self._build(root, self.tag).digest
        else:
            found = self._existing_image()
            self.tag = settings.existing_tag or found.image_tags.apply(lambda tags: next(iter(tags), ""))
            self.digest = found.image_digest
        # By digest: a tag could move between the deployment and a task that starts later.
        self.reference = pulumi.Output.concat(repository.url, "@", self.digest)
        self.register_outputs({"reference": self.reference})

    def _existing_image(self) -> Any:
        chosen = (
            {"image_tag": self._settings.existing_tag}
            if self._settings.existing_tag
            else {"image_digest": self._settings.existing_digest}
        )
        return aws.ecr.get_image_output(
            repository_name=self._repository.name, **chosen, opts=pulumi.InvokeOptions(parent=self)
        )

    def _build(self, root: Path, tag: str) -> docker_build.Image:
        cache = pulumi.Output.concat(self._repository.url, ":", CACHE_TAG)
        return docker_build.Image(
            "image",
            # push=True has no choice of compression, so the registry export is explicit. A preview builds
            # without the export.
            push=False,
            build_on_preview=self._settings.build_on_preview,
            tags=[pulumi.Output.concat(self._repository.url, ":", tag)],
            context=docker_build.BuildContextArgs(location=str(root)),
            dockerfile=docker_build.DockerfileArgs(location=str(root / self._settings.dockerfile)),
            build_args=self._settings.build_args,
            platforms=[docker_build.Platform(self._settings.platform)],
            exports=[
                docker_build.ExportArgs(
                    registry=docker_build.ExportRegistryArgs(
                        compression=docker_build.CompressionType(self._settings.compression),
                        # Recompress the layers of the base image as well.
                        force_compression=True,
                        oci_media_types=True,
                    )
                )
            ],
            cache_from=self._cache_from(cache),
            cache_to=self._cache_to(cache),
            registries=[self._login()],
            # Deleting the resource would delete the image that a rollback needs.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )

    def _cache_from(self, cache: pulumi.Output[str]) -> Sequence[docker_build.CacheFromArgs]:
        if not self._settings.cache:
            return []
        return [docker_build.CacheFromArgs(registry=docker_build.CacheFromRegistryArgs(ref=cache))]

    def _cache_to(self, cache: pulumi.Output[str]) -> Sequence[docker_build.CacheToArgs]:
        if not self._settings.cache:
            return []
        return [
            docker_build.CacheToArgs(
                registry=docker_build.CacheToRegistryArgs(
                    ref=cache,
                    mode=docker_build.CacheMode.MAX,
                    # ECR does not accept manifest lists as a cache.
                    image_manifest=True,
                    oci_media_types=True,
                    # The preview role may lack write access; then only the next build is slower.
                    ignore_error=True,
                )
            )
        ]

    def _login(self) -> docker_build.RegistryArgs:
        token = aws.ecr.get_authorization_token_output(opts=pulumi.InvokeOptions(parent=self))
        return docker_build.RegistryArgs(
            address=token.proxy_endpoint,
            username=token.user_name,
            password=pulumi.Output.secret(token.password),
        )

    def tag_running(self, tag: str, *, after: pulumi.Resource) -> None:
        """Move the running tag to this image after `after` is deployed; the lifecycle policy keeps it."""
        docker_build.Index(
            "running-tag",
            sources=[self.reference],
            tag=pulumi.Output.concat(self._repository.url, ":", tag),
            push=True,
            registry=self._login(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after], retain_on_delete=True),
        )


def source_tag(root: Path, settings: ImageSettings) -> str:
    """A tag derived from the image's content: equal sources have equal tags.

    Covers the names and bytes of the sources, the Dockerfile, the platform and the build arguments.
    """
    digest = hashlib.sha256()
    digest.update(
        json.dumps([settings.platform, settings.dockerfile, settings.build_args], sort_keys=True).encode()
    )
    for path in _source_files(root, settings.dockerfile):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{SOURCE_PREFIX}{digest.hexdigest()[:12]}"


def _source_files(root: Path, dockerfile: str) -> list[Path]:
    found: set[Path] = set()
    for name in (*SOURCES, dockerfile):
        path = root / name
        if path.is_dir():
            found.update(
                file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts
            )
        elif path.is_file():
            found.add(path)
    return sorted(found)
