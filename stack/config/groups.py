"""The groups of settings; their descriptions are the source of the settings reference."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

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
