"""All settings of a stack, and the rules between them."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from stack import worker_interface
from stack.config.groups import (
    EXAMPLE_KEY,
    DeploymentSettings,
    EncryptionSettings,
    EventSettings,
    Features,
    Group,
    ImageSettings,
    ImageTag,
    MonitoringSettings,
    Name,
    NetworkSettings,
    PolicyArn,
    RepositoryName,
    ScalingSettings,
    SpotSettings,
    StorageSettings,
    StoryInfraSettings,
    TracingSettings,
    WorkerSettings,
)
from stack.config.prices import CostSettings, task_hour_price

WORKER_VARIABLES = frozenset(worker_interface.VARIABLES)

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
    """All settings of a stack."""

    environment: Name = "production"
    """value of the tag `Environment` on all resources"""
    app_name: Name = "story-tts"
    """prefix of all resource names; a second deployment in the account needs another"""
    ecr_repository_name: RepositoryName = "story-tts"
    """name of the ECR repository"""
    app_image_tag: ImageTag | None = Field(default=None, examples=["v1.4.0"])
    """tag of the built image; unset: `src-` and a hash of the sources"""
    app_count: int = Field(default=1, ge=0, le=500)
    """minimum number of tasks; without scaling, the number of tasks"""
    paused: bool = False
    """run no task, with scaling and without; jobs stay in the queue, and tasks that are busy finish first"""
    permissions_boundary: PolicyArn | None = Field(
        default=None, examples=["arn:aws:iam::123456789012:policy/boundary"]
    )
    """policy that bounds the permissions of every role that this stack creates"""
    cpu: int = 1024
    """CPU units of a task; 1024 is one vCPU"""
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
    encryption: EncryptionSettings = EncryptionSettings()
    worker: WorkerSettings = WorkerSettings()
    tracing: TracingSettings = TracingSettings()
    events: EventSettings = EventSettings()
    cost: CostSettings = CostSettings()
    features: Features = Features()

    @model_validator(mode="after")
    def _task_size(self) -> Self:
        if self.cpu not in FARGATE_SIZES:
            sizes = ", ".join(map(str, FARGATE_SIZES))
            raise _fault("cpu", f"Fargate offers {sizes} CPU units, not {self.cpu}", 1024)
        if self.memory not in FARGATE_SIZES[self.cpu]:
            offered = FARGATE_SIZES[self.cpu]
            text = (
                f"with {self.cpu} CPU units Fargate offers {offered[0]} to {offered[-1]} MiB"
                f" (one of {', '.join(map(str, offered))}), not {self.memory}"
            )
            raise _fault("memory", text, offered[0])
        return self

    @model_validator(mode="after")
    def _image_tag(self) -> Self:
        if self.app_image_tag == "latest":
            text = "the tag `latest` moves, so a rollback to it is impossible; use a version, or remove this"
            raise _fault("app_image_tag", text, "v1.4.0")
        if self.app_image_tag and self.app_image_tag.startswith(("running-", "buildcache")):
            text = "tags running-* and buildcache* are reserved for this stack; use another"
            raise _fault("app_image_tag", text, "v1.4.0")
        if self.app_image_tag and not self.image.builds:
            text = "no image is built while image.existing_tag or existing_digest is set; remove one of them"
            raise _fault("app_image_tag", text, "v1.4.0")
        return self

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if self.scaling.enabled and self.app_count > self.scaling.max_tasks:
            text = f"the maximum is below app_count ({self.app_count}), the minimum number of tasks"
            raise _fault("scaling.max_tasks", text, self.app_count)
        return self

    @model_validator(mode="after")
    def _schedules(self) -> Self:
        for schedule in self.scaling.schedules:
            if not self.scaling.enabled:
                text = "without scaling the number of tasks is app_count; remove schedules or enable scaling"
                raise _fault("scaling.enabled", text, True)
            if schedule.min_tasks > self.scaling.max_tasks:
                text = f"the maximum is below the minimum of a schedule ({schedule.min_tasks})"
                raise _fault("scaling.max_tasks", text, schedule.min_tasks)
        return self

    @model_validator(mode="after")
    def _own_variables(self) -> Self:
        taken = sorted({*self.worker.environment, *self.worker.secrets} & WORKER_VARIABLES)
        if taken:
            text = f"{', '.join(taken)}: this stack sets it itself; use the setting for it, or remove it"
            raise _fault("worker.environment", text, {"READING_SPEED": "17"})
        return self

    @model_validator(mode="after")
    def _platform(self) -> Self:
        own = self.story_infra.source == "own"
        if own and self.network.endpoints == "existing":
            text = "the VPC of an own platform has no endpoints; use create or nat"
            raise _fault("network.endpoints", text, "create")
        if own and self.network.existing_endpoints:
            raise _fault("network.existing_endpoints", "the VPC of an own platform has no endpoints", [])
        if self.network.existing_endpoints and self.endpoints != "create":
            text = "only with network.endpoints `create` are some endpoints created and others expected"
            raise _fault("network.endpoints", text, "create")
        if not own and not self.features.service:
            text = "`false` creates only the platform, and requires story_infra.source `own`"
            raise _fault("features.service", text, True)
        return self

    @model_validator(mode="after")
    def _others_rules(self) -> Self:
        replacing = self.storage.lifecycle or self.storage.replica_region is not None
        if replacing and self.story_infra.source != "own" and not self.storage.replace_existing:
            text = (
                "lifecycle and replica_region replace all such rules of the bucket, which is story-infra's;"
                " check the rules that it has, then allow it"
            )
            raise _fault("storage.replace_existing", text, True)
        return self

    @model_validator(mode="after")
    def _replica_key(self) -> Self:
        encrypted = self.encryption.key_arn if self.story_infra.source == "own" else None
        if self.storage.replica_region and encrypted and not self.encryption.replica_key_arn:
            text = "S3 replicates objects that a key encrypts only to a key of the other region"
            key = EXAMPLE_KEY.replace("us-east-1", self.storage.replica_region)
            raise _fault("encryption.replica_key_arn", text, key)
        return self

    @property
    def extra_services(self) -> list[str]:
        """The services beyond those of every task that tasks reach through interface endpoints."""
        secrets = self.worker.secrets.values()
        needed = {
            "ssmmessages": self.features.exec,
            "secretsmanager": any(":secretsmanager:" in arn for arn in secrets),
            "ssm": any(":ssm:" in arn for arn in secrets),
            "events": self.events.bus is not None,
            "sns": self.events.topic_arn is not None,
        }
        return [service for service, is_needed in needed.items() if is_needed]

    @property
    def task_hour_price(self) -> float | None:
        """What an hour of a task costs on average, if the prices are set; `fargate_base` is left out."""
        cost, spot = self.cost, self.spot
        if cost.vcpu_hour is None or cost.gb_hour is None:
            return None
        price = task_hour_price(
            cpu=self.cpu, memory=self.memory, vcpu_hour=cost.vcpu_hour, gb_hour=cost.gb_hour
        )
        on_spot = spot.spot_weight / (spot.spot_weight + spot.fargate_weight) if spot.spot_weight else 0.0
        return price * (1 - on_spot * cost.spot_discount)

    @property
    def min_tasks(self) -> int:
        """The minimum number of tasks."""
        return 0 if self.scaling.to_zero or self.paused else self.app_count

    @property
    def max_tasks(self) -> int:
        """The maximum number of tasks, with scaling.

        Application Auto Scaling brings the number of tasks into a new range at once:
        https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html
        """
        return 0 if self.paused else self.scaling.max_tasks

    @property
    def initial_tasks(self) -> int:
        """The number of tasks of a new service, which scaling then changes."""
        if self.paused:
            return 0
        return self.min_tasks if self.scaling.enabled else self.app_count

    @property
    def endpoints(self) -> Literal["create", "existing", "nat"]:
        """The setting network.endpoints, or its default, which depends on the platform."""
        if self.network.endpoints:
            return self.network.endpoints
        return "create" if self.story_infra.source == "own" else "existing"


def _fault(key: str, text: str, example: object) -> PydanticCustomError:
    return PydanticCustomError("stack", "{text}", {"key": key, "text": text, "example": example})
