"""All settings of a stack, and the rules between them."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from stack.config.groups import (
    DeploymentSettings,
    Features,
    Group,
    ImageSettings,
    ImageTag,
    MonitoringSettings,
    Name,
    NetworkSettings,
    RepositoryName,
    ScalingSettings,
    SpotSettings,
    StorageSettings,
    StoryInfraSettings,
    WorkerSettings,
)

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size
# CPU units -> the memory sizes in MiB that Fargate offers with them.
FARGATE_SIZES: Mapping[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}


class Settings(Group):
    """All settings of a stack; README.md holds the same table for people."""

    environment: Name = "production"
    """tag of every resource"""
    app_name: Name = "story-tts"
    """names every resource; another name gives a second deployment in the same account"""
    ecr_repository_name: RepositoryName = "story-tts"
    """ECR repository of the image"""
    app_image_tag: ImageTag | None = Field(default=None, examples=["v1.4.0"])
    """tag that the built image is pushed as; unset: `src-` and a hash of its sources"""
    app_count: int = Field(default=1, ge=0, le=500)
    """tasks that always run"""
    cpu: int = 1024
    """CPU units of a task (1024 is one vCPU)"""
    memory: int = 2048
    """memory of a task in MiB"""
    app_port: int = Field(default=8000, ge=1024, le=65535)
    """port of the health endpoint"""
    story_infra: StoryInfraSettings = StoryInfraSettings()
    image: ImageSettings = ImageSettings()
    scaling: ScalingSettings = ScalingSettings()
    spot: SpotSettings = SpotSettings()
    deployment: DeploymentSettings = DeploymentSettings()
    network: NetworkSettings = NetworkSettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    storage: StorageSettings = StorageSettings()
    worker: WorkerSettings = WorkerSettings()
    features: Features = Features()

    @model_validator(mode="after")
    def _task_size(self) -> Self:
        if self.cpu not in FARGATE_SIZES:
            sizes = ", ".join(map(str, FARGATE_SIZES))
            raise _fault("cpu", f"Fargate has tasks of {sizes} CPU units, not of {self.cpu}", 1024)
        if self.memory not in FARGATE_SIZES[self.cpu]:
            offered = FARGATE_SIZES[self.cpu]
            text = (
                f"Fargate gives {self.cpu} CPU units {offered[0]} to {offered[-1]} MiB"
                f" (one of {', '.join(map(str, offered))}), not {self.memory}"
            )
            raise _fault("memory", text, offered[0])
        return self

    @model_validator(mode="after")
    def _image_tag(self) -> Self:
        if self.app_image_tag == "latest":
            text = "a tag that moves cannot be rolled back to: name a version, or leave it out"
            raise _fault("app_image_tag", text, "v1.4.0")
        if self.app_image_tag and self.app_image_tag.startswith(("running-", "buildcache")):
            raise _fault(
                "app_image_tag", "running-* and buildcache* are tags that this stack moves itself", "v1.4.0"
            )
        if self.app_image_tag and not self.image.builds:
            text = "nothing is built while image names an existing tag or digest: remove one of the two"
            raise _fault("app_image_tag", text, "v1.4.0")
        return self

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.scaling.enabled and self.app_count > self.scaling.max_tasks:
            text = f"the maximum is below app_count ({self.app_count}), the tasks that always run"
            raise _fault("scaling.max_tasks", text, self.app_count)
        return self

    @model_validator(mode="after")
    def _foundation(self) -> Self:
        own = self.story_infra.source == "own"
        if own and self.network.endpoints == "existing":
            raise _fault(
                "network.endpoints", "a VPC of this stack has no endpoints yet: create, or nat", "create"
            )
        if not own and not self.features.service:
            text = "without a service there is only a foundation to make, and story_infra.source is not `own`"
            raise _fault("features.service", text, True)
        return self

    @property
    def min_tasks(self) -> int:
        """The autoscaler's floor."""
        return 0 if self.scaling.to_zero else self.app_count

    @property
    def endpoints(self) -> Literal["create", "existing", "nat"]:
        """How tasks reach AWS: as set, or what the foundation's source makes the safe choice."""
        if self.network.endpoints:
            return self.network.endpoints
        return "create" if self.story_infra.source == "own" else "existing"


def _fault(key: str, text: str, example: object) -> PydanticCustomError:
    return PydanticCustomError("stack", "{text}", {"key": key, "text": text, "example": example})
