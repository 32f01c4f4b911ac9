"""The worker's image: its repository, its build, and the digest that is deployed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from stack.config import ImageSettings
from stack.iam import Role, Statement
from stack.naming import Naming

UNTAGGED_DAYS = 7
TAGGED_IMAGES = 30
CACHE_TAG = "buildcache"
PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
RUNNING_PREFIX = "running-"
SOURCE_PREFIX = "src-"
# What the image is made of; the rest of the repository changes nothing in it.
SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", "README.md", "LICENSE", "requirements", "app")

# Rules apply in the order of their priority, and an image that one rule selects is out of reach of those
# after it: the first shields what runs, as no stack keeps a thousand running tags.
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


def pull(repository_arn: pulumi.Input[str]) -> list[Statement]:
    """Log in to the registry, and read the images of a repository."""
    return [
        Statement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        Statement(actions=PULL_ACTIONS, resources=[repository_arn]),
    ]


class Repository(pulumi.ComponentResource):
    """The ECR repository: this stack's own, or one that another stack owns."""

    def __init__(
        self,
        *,
        name: str,
        own: bool,
        naming: Naming,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Repository", "repository", None, opts)
        self._own = own
        self.name: pulumi.Output[str]
        if own:
            repository = self._create(name, naming=naming, protect=protect)
            self.name, self.url, self.arn = repository.name, repository.repository_url, repository.arn
        else:
            found = aws.ecr.get_repository_output(name=name, opts=pulumi.InvokeOptions(parent=self))
            self.name, self.url, self.arn = found.name, found.repository_url, found.arn
        self.register_outputs({"url": self.url})

    def _create(self, name: str, *, naming: Naming, protect: bool) -> aws.ecr.Repository:
        # A source tag names its content: to build the same content again, as after a rollback, must not fail.
        # Tags that people choose never move, and the service goes by digest in any case.
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
                aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256")
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

    def grant_pull(self, role: Role) -> None:
        """Let a role pull this repository's images."""
        role.receive("pull-image", pull(self.arn))

    def admit(self, role_arn: pulumi.Input[str]) -> None:
        """Let a role pull, on the repository's own side; another stack's repository is left as it is."""
        if not self._own:
            return
        aws.ecr.RepositoryPolicy(
            "repository-policy",
            repository=self.name,
            policy=pulumi.Output.json_dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "TaskExecutionRolePulls",
                            "Effect": "Allow",
                            "Principal": {"AWS": role_arn},
                            "Action": list(PULL_ACTIONS),
                        }
                    ],
                }
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


class WorkerImage(pulumi.ComponentResource):
    """One image, built here or found in the repository, and always known by its digest."""

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
            found = self._find()
            self.tag = settings.existing_tag or found.image_tags.apply(lambda tags: next(iter(tags), ""))
            self.digest = found.image_digest
        # By digest: a tag could move between the deployment and a task that starts later.
        self.reference = pulumi.Output.concat(repository.url, "@", self.digest)
        self.register_outputs({"reference": self.reference})

    def _find(self) -> Any:
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
            # A registry export of its own in place of push=True, which could choose no compression; a preview
            # builds and leaves the export out.
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
                        compression=docker_build.CompressionType.ZSTD,
                        # Layers of the base image too: one form throughout, and Fargate unpacks it faster.
                        force_compression=True,
                        oci_media_types=True,
                    )
                )
            ],
            cache_from=self._cache_from(cache),
            cache_to=self._cache_to(cache),
            registries=[self._login()],
            # Its deletion would delete the image from the registry, and a rollback needs it there.
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
                    # ECR takes no manifest lists as a cache.
                    image_manifest=True,
                    oci_media_types=True,
                    # A preview may run under a role that cannot write; the next build is slower, no more.
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

    def mark_running(self, tag: str, *, after: pulumi.Resource) -> None:
        """Move the stack's running tag to this image, once the service runs it; the clean-up spares it."""
        docker_build.Index(
            "running-tag",
            sources=[self.reference],
            tag=pulumi.Output.concat(self._repository.url, ":", tag),
            push=True,
            registry=self._login(),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after], retain_on_delete=True),
        )


def source_tag(root: Path, settings: ImageSettings) -> str:
    """A tag that says what is in the image: equal sources have equal tags, and no others have them.

    Covers the sources' names and bytes, the Dockerfile, the platform and the build arguments.
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
