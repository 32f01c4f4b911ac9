"""The stack's settings: read from Pulumi's configuration, validated whole, each fault with YAML to write."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

import pulumi
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

NAMESPACE = "story-tts"

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

# The retention periods that CloudWatch Logs accepts, in days.
LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)  # fmt: skip  # noqa: E501

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}[a-z0-9]$")]
RepositoryName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(?:[._/-][a-z0-9]+)*$", max_length=256)]
ImageTag = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(?:-[a-z]+)+-\d$")]
StackAddress = Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+/[\w.-]+$")]
TopicArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]+$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
RouteTableId = Annotated[str, StringConstraints(pattern=r"^rtb-[0-9a-f]+$")]
VpcCidr = Annotated[str, StringConstraints(pattern=r"^(?:\d{1,3}\.){3}0/16$")]


class SettingsError(pulumi.RunError):
    """The stack's settings are wrong; Pulumi shows the message without a stack trace."""


class Group(BaseModel):
    """A group of settings: frozen, and closed to keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StoryInfraSettings(Group):
    """Where the foundation's outputs come from."""

    source: Literal["s3", "stack", "own"] = "s3"
    """`s3`: Terraform's state in a bucket; `stack`: another Pulumi stack; `own`: this stack makes them"""
    bucket: BucketName = "story-service-terraform-state"
    """bucket of the Terraform state"""
    key: str = Field(default="terraform.tfstate", min_length=1)
    """object key of the Terraform state"""
    region: Region = "us-east-1"
    """region of the state's bucket"""
    workspace: str = "default"
    """Terraform workspace; any but `default` is looked for under the prefix"""
    workspace_key_prefix: str = "env:"
    """prefix of the state's key in a workspace other than `default`"""
    profile: str | None = Field(default=None, examples=["platform-readonly"])
    """AWS profile that reads the state, where it is not the one that deploys"""
    endpoint_url: str | None = Field(default=None, examples=["http://127.0.0.1:5000"])
    """S3 endpoint of the state, for an emulator"""
    stack: StackAddress | None = Field(default=None, examples=["organization/story-infra/production"])
    """`organization/project/stack` of the foundation, for source `stack`"""
    vpc_cidr: VpcCidr = "10.42.0.0/16"
    """address range of the VPC, a /16, for source `own`"""

    @model_validator(mode="after")
    def _stack_has_address(self) -> Self:
        if self.source == "stack" and self.stack is None:
            message = "source `stack` needs the foundation's address, organization/project/stack"
            raise PydanticCustomError("missing_stack", message, {"key": "stack"})
        return self


class ImageSettings(Group):
    """How the worker's image comes to be."""

    platform: Literal["linux/amd64", "linux/arm64"] = "linux/amd64"
    """platform of the image and of the task"""
    existing_tag: ImageTag | None = Field(default=None, examples=["src-0123456789ab"])
    """deploy this tag of the repository and build nothing (rollback)"""
    existing_digest: Digest | None = Field(default=None, examples=["sha256:" + "0" * 64])
    """deploy this digest of the repository and build nothing (promotion)"""
    repository: Literal["create", "existing"] = "create"
    """`existing`: the ECR repository belongs to another stack"""
    dockerfile: str = "Dockerfile"
    """path of the Dockerfile, from the repository's root"""
    build_args: dict[str, str] = Field(default_factory=dict, examples=[{"ENGINE": "espeak"}])
    """build arguments of the Dockerfile"""
    build_on_preview: bool = True
    """a preview builds the image (and pushes nothing), so that a broken Dockerfile shows early"""
    cache: bool = True
    """keep the build cache in the repository, under the tag `buildcache`"""

    @model_validator(mode="after")
    def _one_existing_image(self) -> Self:
        if self.existing_tag and self.existing_digest:
            message = "existing_tag and existing_digest name one image each: keep one of them"
            raise PydanticCustomError("two_images", message, {"key": "existing_digest"})
        return self

    @property
    def builds(self) -> bool:
        """Whether the program builds an image, rather than deploying one that is in the repository."""
        return not (self.existing_tag or self.existing_digest)


class ScalingSettings(Group):
    """How the number of tasks follows the queue."""

    enabled: bool = True
    """follow the backlog; `false` keeps app_count tasks"""
    to_zero: bool = False
    """no task at all while the queue is empty (the floor is otherwise app_count)"""
    max_tasks: int = Field(default=4, ge=1, le=500)
    """never more tasks than this"""
    backlog_per_task: int = Field(default=2, ge=1, le=1000)
    """waiting messages a task, above which tasks are added"""
    scale_out_cooldown_seconds: int = Field(default=120, ge=30, le=3600)
    """pause after tasks were added; a task needs about that long to become ready"""
    scale_in_cooldown_seconds: int = Field(default=300, ge=30, le=3600)
    """pause after a task was removed"""
    idle_minutes: int = Field(default=10, ge=2, le=60)
    """how long there must be more tasks than messages, waiting or in work, before one is removed"""


class SpotSettings(Group):
    """How tasks are spread over Fargate and Fargate Spot."""

    spot_weight: int = Field(default=0, ge=0, le=1000)
    """share of Fargate Spot; 0 uses Fargate only"""
    fargate_weight: int = Field(default=1, ge=0, le=1000)
    """share of Fargate, beside spot_weight"""
    fargate_base: int = Field(default=0, ge=0, le=100)
    """tasks that always run on Fargate, before the shares count"""

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.spot_weight == 0 and self.fargate_weight == 0:
            message = "one of spot_weight and fargate_weight must be above 0, or no task can be placed"
            raise PydanticCustomError("no_weight", message, {"key": "fargate_weight"})
        return self


class DeploymentSettings(Group):
    """How a new task definition takes over."""

    strategy: Literal["rolling", "blue_green"] = "rolling"
    """`rolling` replaces tasks one by one; `blue_green` starts the new set beside the old and lets it bake, \
without DNS records, beside which ECS does not offer it"""
    bake_minutes: int = Field(default=5, ge=0, le=1440)
    """how long blue and green run side by side"""
    wait_for_steady_state: bool = True
    """`pulumi up` ends when the service is steady, and fails when it does not become so"""
    roll_back_on_alarms: bool = True
    """failed jobs or memory pressure during a deployment roll it back"""
    start_period_seconds: int = Field(default=120, ge=0, le=300)
    """health checks do not count before this: the models load"""


class NetworkSettings(Group):
    """How tasks reach the AWS services, and no one else."""

    endpoints: Literal["create", "existing", "nat"] | None = Field(default=None, examples=["create"])
    """`create`: VPC endpoints of this stack (default of an own foundation); `existing`: the VPC has them \
(default otherwise); `nat`: out over HTTPS through a NAT gateway"""
    route_table_ids: list[RouteTableId] = Field(default_factory=list, examples=[["rtb-0123456789abcdef0"]])
    """route tables for the S3 and DynamoDB endpoints; empty: all of the VPC's"""


class MonitoringSettings(Group):
    """Who hears of trouble, and from when on it is trouble."""

    topic_arn: TopicArn | None = Field(default=None, examples=["arn:aws:sns:us-east-1:123456789012:on-call"])
    """existing SNS topic that alarms notify"""
    create_topic: bool = False
    """make an SNS topic for the alarms"""
    emails: list[Email] = Field(default_factory=list, examples=[["on-call@example.com"]])
    """addresses that the made topic writes to, once each has confirmed"""
    log_retention_days: int = Field(default=30, examples=[30])
    """days that logs are kept; one of the periods that CloudWatch Logs knows"""
    oldest_message_minutes: int = Field(default=60, ge=1, le=20160)
    """alarm when a message has waited longer"""
    failed_jobs: int = Field(default=3, ge=1)
    """alarm when this many jobs failed within five minutes"""
    memory_percent: int = Field(default=90, ge=10, le=100)
    """alarm when a task uses more of its memory for three minutes"""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.log_retention_days not in LOG_RETENTION_DAYS:
            message = (
                "CloudWatch Logs keeps logs for one of " + ", ".join(map(str, LOG_RETENTION_DAYS)) + " days"
            )
            raise PydanticCustomError("retention", "{text}", {"key": "log_retention_days", "text": message})
        if self.emails and not self.create_topic:
            message = "emails are subscribed to the topic of this stack: set create_topic as well"
            raise PydanticCustomError("emails", message, {"key": "create_topic", "example": True})
        if self.topic_arn and self.create_topic:
            message = "topic_arn and create_topic name one topic each: keep one of them"
            raise PydanticCustomError("two_topics", message, {"key": "create_topic"})
        return self


class StorageSettings(Group):
    """What is set on the output bucket; off by default, as the bucket belongs to story-infra."""

    versioning: bool = False
    """keep overwritten and deleted media"""
    lifecycle: bool = False
    """delete noncurrent versions and uploads that were never completed"""
    noncurrent_days: int = Field(default=30, ge=1)
    """days that noncurrent versions are kept, with lifecycle"""
    incomplete_upload_days: int = Field(default=7, ge=1)
    """days that incomplete uploads are kept, with lifecycle"""
    replica_region: Region | None = Field(default=None, examples=["eu-central-1"])
    """copy every new object to a bucket in this region; needs versioning"""

    @model_validator(mode="after")
    def _replication_needs_versions(self) -> Self:
        if self.replica_region and not self.versioning:
            message = "S3 replicates versioned buckets only: set versioning as well"
            raise PydanticCustomError("unversioned", message, {"key": "versioning", "example": True})
        return self


class WorkerSettings(Group):
    """What the worker is told through its environment."""

    speech_engine: Literal["kokoro", "espeak"] = "kokoro"
    """speech engine"""
    voice: str = Field(default="af_heart", pattern=r"^[A-Za-z0-9_+-]+$")
    """voice of jobs that name none"""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """log threshold"""
    allowed_output_buckets: list[BucketName] = Field(default_factory=list, examples=[["other-story-media"]])
    """other buckets that direct jobs may write to; the task role is granted them"""


class Features(Group):
    """Parts that can be had or left."""

    service: bool = True
    """`false`, with an own foundation: make the foundation only, for other stacks to refer to"""
    exec: bool = False
    """`aws ecs execute-command` into tasks; their root is then writable, as its agent needs it"""
    roles: Literal["own", "story_infra"] = "own"
    """roles of the task: of this stack with least privilege, or those that story-infra exports"""
    protect: bool = True
    """refuse to delete what holds data: repository, dead letters, own queue, bucket and table"""


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


def read_settings(raw: Mapping[str, str], *, stack: str) -> Settings:
    """Settings from Pulumi's raw configuration (`namespace:key` -> text, groups as JSON).

    Keys of other namespaces are not looked at. Raises SettingsError with every fault at once.
    """
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, text in sorted(raw.items()):
        namespace, _, key = name.partition(":")
        if namespace != NAMESPACE:
            continue
        try:
            values[key] = json.loads(text) if _is_group(key) else text
        except json.JSONDecodeError:
            faults.append(
                _explain([key], f"this is a group of settings, and not {text!r}", _group_example(key))
            )
    try:
        settings = Settings.model_validate(values)
    except ValidationError as invalid:
        faults += [_translate(error) for error in invalid.errors()]
    if faults:
        raise SettingsError(
            f"Pulumi.{stack}.yaml has settings that cannot be used.\n\n" + "\n\n".join(faults)
        )
    return settings


def _is_group(key: str) -> bool:
    field = Settings.model_fields.get(key)
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Group)


def _translate(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    path = [str(part) for part in error["loc"]]
    path += context["key"].split(".") if "key" in context else []
    model, known = _model_at(path[:-1])
    if error["type"] == "extra_forbidden":
        return _refuse_unknown(path, known, model)
    example = context["example"] if "example" in context else _example(model, path)
    return _explain(path, _sentence(error), example)


def _refuse_unknown(path: list[str], known: list[str], model: type[Group]) -> str:
    """Say what is known there, with the YAML of what was probably meant."""
    text = f"{NAMESPACE}:{'.'.join(path)}: no such setting"
    if path == ["region"]:
        return f"{text}; the region is the provider's.\n{_write('aws:region', 'us-east-1')}"
    text += f"; known here: {', '.join(known)}."
    meant = get_close_matches(path[-1], known, n=1)
    if not meant:
        return f"{text}\nRemove it, or correct its name."
    named = [*path[:-1], meant[0]]
    return f"{text}\n{_write_setting(named, _example(model, named))}"


def _sentence(error: ErrorDetails) -> str:
    if error["type"] == "stack" or "key" in error.get("ctx", {}):
        return error["msg"]
    return f"{error['msg']}, and not {error['input']!r}"


def _model_at(path: list[str]) -> tuple[type[Group], list[str]]:
    """The group that a path leads to, and the names of its settings."""
    model: type[Group] = Settings
    if path and _is_group(path[0]):
        annotation = Settings.model_fields[path[0]].annotation
        assert isinstance(annotation, type)  # noqa: S101 - _is_group has looked
        model = annotation
    return model, sorted(model.model_fields)


def _example(model: type[Group], path: list[str]) -> object:
    """A value that would be right: the field's example, else its default."""
    named = [part for part in path if part in model.model_fields]
    if not named:
        return "..."
    field = model.model_fields[named[-1]]
    if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
        return _group_example(named[-1])
    return field.examples[0] if field.examples else field.default


def _group_example(key: str) -> dict[str, object]:
    model, known = _model_at([key])
    return {known[0]: _example(model, [known[0]])}


def _explain(path: list[str], text: str, example: object) -> str:
    # An index into a list ends the path: the whole list is shown.
    keys = [part for part in path if not part.isdigit()]
    return f"{NAMESPACE}:{'.'.join(keys)}: {text}.\n{_write_setting(keys, example)}"


def _write_setting(keys: list[str], value: object) -> str:
    for key in reversed(keys[1:]):
        value = {key: value}
    return _write(f"{NAMESPACE}:{keys[0]}", value)


def _write(key: str, value: object) -> str:
    """The YAML that sets a key, as a part of a message."""
    shown = yaml.safe_dump({"config": {key: value}}, sort_keys=False).rstrip()
    return "Write, for example:\n\n" + "\n".join(f"    {line}" for line in shown.splitlines())
