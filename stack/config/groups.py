"""The groups of settings; their descriptions are the source of the settings reference."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
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
EventBus = Annotated[
    str,
    StringConstraints(
        pattern=r"^(?:arn:aws[\w-]*:events:[\w-]+:\d{12}:event-bus/)?[A-Za-z0-9_./-]+$", max_length=256
    ),
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
RouteTableId = Annotated[str, StringConstraints(pattern=r"^rtb-[0-9a-f]+$")]
KmsKeyArn = Annotated[str, StringConstraints(pattern=r"^arn:aws[\w-]*:kms:[\w-]+:\d{12}:key/[\w-]+$")]
EXAMPLE_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EndpointService = Literal[
    "ecr.api",
    "ecr.dkr",
    "logs",
    "sqs",
    "ssmmessages",
    "secretsmanager",
    "ssm",
    "events",
    "sns",
    "s3",
    "dynamodb",
]
PolicyArn = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[\w-]*:iam::(?:\d{12}|aws):policy/[\w+=,.@/-]+$")
]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
SecretArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws[\w-]*:(?:secretsmanager:[\w-]+:\d{12}:secret:[\w/+=.@-]+(?::[^:]*:[^:]*:[^:]*)?"
        r"|ssm:[\w-]+:\d{12}:parameter/[\w./-]+)$"
    ),
]
EXAMPLE_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:telemetry-AbCdEf"  # noqa: S105
OtlpEndpoint = Annotated[str, StringConstraints(pattern=r"^https?://[\w.-]+(?::\d{1,5})?(?:/\S*)?$")]
CidrBlock = Annotated[str, StringConstraints(pattern=r"^(?:\d{1,3}\.){3}\d{1,3}/\d{1,2}$")]
CronExpression = Annotated[str, StringConstraints(pattern=r"^[\w*,/?#-]+(?: [\w*,/?#-]+){5}$")]
VpcCidr = Annotated[str, StringConstraints(pattern=r"^(?:\d{1,3}\.){3}0/16$")]

EXAMPLE_SCHEDULE = {"cron": "0 7 ? * MON-FRI *", "timezone": "Europe/Berlin", "min_tasks": 1}


class Group(BaseModel):
    """A group of settings; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StoryInfraSettings(Group):
    """The platform that the service runs on."""

    source: Literal["s3", "stack", "own"] = "s3"
    """`s3`: read the platform's outputs from a Terraform state in S3; `stack`: from another Pulumi stack; \
`own`: create a platform in this stack"""
    bucket: BucketName = "story-service-terraform-state"
    """bucket of the Terraform state"""
    key: str = Field(default="terraform.tfstate", min_length=1)
    """object key of the Terraform state"""
    region: Region = "us-east-1"
    """region of the state's bucket"""
    workspace: str = "default"
    """Terraform workspace"""
    workspace_key_prefix: str = "env:"
    """prefix of the state's key in a workspace other than `default`"""
    profile: str | None = Field(default=None, examples=["platform-readonly"])
    """AWS profile for reading the state, if another than for deploying"""
    endpoint_url: str | None = Field(default=None, examples=["http://127.0.0.1:5000"])
    """S3 endpoint of the state, for emulators"""
    stack: StackAddress | None = Field(default=None, examples=["organization/story-infra/production"])
    """`organization/project/stack` of the platform, for source `stack`"""
    vpc_cidr: VpcCidr = "10.42.0.0/16"
    """address range of the VPC, a /16, for source `own`"""

    @model_validator(mode="after")
    def _stack_has_address(self) -> Self:
        if self.source == "stack" and self.stack is None:
            message = "source `stack` needs the address of the platform's stack, organization/project/stack"
            raise PydanticCustomError("missing_stack", message, {"key": "stack"})
        return self


class ImageSettings(Group):
    """How the worker's image is built, or which existing image is deployed."""

    platform: Literal["linux/amd64", "linux/arm64"] = "linux/amd64"
    """platform of the image and of the task"""
    existing_tag: ImageTag | None = Field(default=None, examples=["src-0123456789ab"])
    """deploy the image with this tag instead of building one (rollback)"""
    existing_digest: Digest | None = Field(default=None, examples=["sha256:" + "0" * 64])
    """deploy the image with this digest instead of building one (promotion)"""
    repository: Literal["create", "existing"] = "create"
    """`existing`: the ECR repository belongs to another stack"""
    dockerfile: str = "Dockerfile"
    """path of the Dockerfile, relative to the repository's root"""
    build_args: dict[str, str] = Field(default_factory=dict, examples=[{"ENGINE": "espeak"}])
    """build arguments of the Dockerfile"""
    compression: Literal["zstd", "gzip"] = "zstd"
    """compression of the layers; `gzip` for tools that do not read zstd (docs/explanation/image-layers.md)"""
    build_on_preview: bool = True
    """build the image in previews too, without pushing it, to find errors in the Dockerfile early"""
    cache: bool = True
    """store the build cache in the repository under the tag `buildcache`"""

    @model_validator(mode="after")
    def _one_existing_image(self) -> Self:
        if self.existing_tag and self.existing_digest:
            message = "existing_tag and existing_digest cannot be combined; remove one of them"
            raise PydanticCustomError("two_images", message, {"key": "existing_digest"})
        return self

    @property
    def builds(self) -> bool:
        """Whether an image is built, rather than an existing one deployed."""
        return not (self.existing_tag or self.existing_digest)


class Schedule(Group):
    """A minimum number of tasks from a time on, until another schedule sets another."""

    cron: CronExpression
    """when: the six fields of AWS, minutes, hours, day of month, month, day of week and year"""
    timezone: str = "UTC"
    """time zone of the cron expression, such as Europe/Berlin"""
    min_tasks: int = Field(ge=0, le=500)
    """minimum number of tasks from then on"""

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in available_timezones():
            raise PydanticCustomError("timezone", "this is no time zone of the IANA database")
        return value


class ScalingSettings(Group):
    """Auto scaling of the number of tasks."""

    enabled: bool = True
    """scale with the queue; `false`: always run app_count tasks"""
    to_zero: bool = False
    """scale to zero tasks while the queue is empty; `false`: the minimum is app_count"""
    max_tasks: int = Field(default=4, ge=1, le=500)
    """maximum number of tasks"""
    backlog_per_task: int = Field(default=2, ge=1, le=1000)
    """number of waiting messages for which one task is added"""
    scale_out_cooldown_seconds: int = Field(default=300, ge=30, le=3600)
    """cooldown after adding tasks: the time until new tasks show in the metrics"""
    scale_in_cooldown_seconds: int = Field(default=300, ge=30, le=3600)
    """cooldown after removing tasks"""
    idle_minutes: int = Field(default=5, ge=2, le=60)
    """minutes with more tasks than messages, waiting or being processed, before tasks are removed"""
    schedules: list[Schedule] = Field(default_factory=list, examples=[[EXAMPLE_SCHEDULE]])
    """minimum numbers of tasks by time: from `cron` (AWS's six fields) in `timezone` on it is `min_tasks`, \
until the next schedule"""


class SpotSettings(Group):
    """Distribution of tasks over Fargate and Fargate Spot."""

    spot_weight: int = Field(default=0, ge=0, le=1000)
    """weight of Fargate Spot; 0: Fargate only"""
    fargate_weight: int = Field(default=1, ge=0, le=1000)
    """weight of Fargate, if spot_weight is above 0"""
    fargate_base: int = Field(default=0, ge=0, le=100)
    """number of tasks that always run on Fargate, before the weights apply"""

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.spot_weight == 0 and self.fargate_weight == 0:
            message = "spot_weight or fargate_weight must be above 0, otherwise no task can be placed"
            raise PydanticCustomError("no_weight", message, {"key": "fargate_weight"})
        return self


class DeploymentSettings(Group):
    """How a new version is deployed."""

    strategy: Literal["rolling", "blue_green"] = "rolling"
    """`rolling` replaces the tasks gradually; `blue_green` starts a complete second set and keeps both for \
bake_minutes, without service discovery, which ECS does not support with it"""
    bake_minutes: int = Field(default=5, ge=0, le=1440)
    """minutes that both sets of tasks run, for `blue_green`"""
    wait_for_steady_state: bool = True
    """`pulumi up` waits until the deployment has completed, and fails if it does not"""
    roll_back_on_alarms: bool = True
    """roll a deployment back when the alarm for failed jobs or for memory fires"""
    roll_back_alarms: list[str] = Field(default_factory=list, examples=[["story-service-errors"]])
    """names of further CloudWatch alarms that roll a deployment back"""
    circuit_breaker: Literal["roll_back", "stop", "off"] = "roll_back"
    """what ECS does with a deployment whose tasks do not start: roll it back, stop it, or try on; ECS's \
threshold is fixed: as many failures as half the desired tasks, 3 at least and 200 at most"""
    timeout_minutes: int = Field(default=120, ge=10, le=2880)
    """how long `pulumi up` waits for a deployment; longer than a job, as busy tasks finish theirs first"""
    start_period_seconds: int = Field(default=120, ge=0, le=300)
    """grace period of the container's health check, for loading models"""


class NetworkSettings(Group):
    """How tasks reach AWS services; all other outbound traffic is blocked."""

    endpoints: Literal["create", "existing", "nat"] | None = Field(default=None, examples=["create"])
    """`create`: create VPC endpoints (default of an own platform); `existing`: the VPC has them \
(default otherwise); `nat`: HTTPS through a NAT gateway"""
    existing_endpoints: list[EndpointService] = Field(default_factory=list, examples=[["s3", "dynamodb"]])
    """services whose endpoints the VPC has already, with `create`; they are not created"""
    route_table_ids: list[RouteTableId] = Field(default_factory=list, examples=[["rtb-0123456789abcdef0"]])
    """route tables for the S3 and DynamoDB endpoints; empty: all route tables of the VPC"""


class MonitoringSettings(Group):
    """Alarms, their thresholds and their recipients, and log retention."""

    topic_arn: TopicArn | None = Field(default=None, examples=["arn:aws:sns:us-east-1:123456789012:on-call"])
    """existing SNS topic that alarms notify"""
    create_topic: bool = False
    """create an SNS topic for the alarms"""
    emails: list[Email] = Field(default_factory=list, examples=[["on-call@example.com"]])
    """email addresses subscribed to the created topic; each recipient must confirm"""
    log_retention_days: int = Field(default=30, examples=[30])
    """days that logs are kept; one of the periods of CloudWatch Logs"""
    oldest_message_minutes: int = Field(default=60, ge=1, le=20160)
    """age of the oldest message, in minutes, at which an alarm fires"""
    failed_jobs: int = Field(default=3, ge=1)
    """number of failed jobs within five minutes at which an alarm fires"""
    memory_percent: int = Field(default=90, ge=10, le=100)
    """memory use of a task, in percent over three minutes, at which an alarm fires"""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.log_retention_days not in LOG_RETENTION_DAYS:
            message = (
                "the retention period must be one of " + ", ".join(map(str, LOG_RETENTION_DAYS)) + " days"
            )
            raise PydanticCustomError("retention", "{text}", {"key": "log_retention_days", "text": message})
        if self.emails and not self.create_topic:
            message = "emails are subscribed to the topic that this stack creates; set create_topic as well"
            raise PydanticCustomError("emails", message, {"key": "create_topic", "example": True})
        if self.topic_arn and self.create_topic:
            message = "topic_arn and create_topic cannot be combined; remove one of them"
            raise PydanticCustomError("two_topics", message, {"key": "create_topic"})
        return self


class StorageSettings(Group):
    """Options of the output bucket; off by default, as the bucket usually belongs to story-infra."""

    versioning: bool = False
    """enable versioning, to keep overwritten and deleted media"""
    lifecycle: bool = False
    """add lifecycle rules for segments, noncurrent versions and incomplete uploads; an own bucket has the \
first anyway"""
    noncurrent_days: int = Field(default=30, ge=1)
    """days that noncurrent versions are kept, with lifecycle"""
    incomplete_upload_days: int = Field(default=7, ge=1)
    """days that incomplete uploads are kept, with lifecycle"""
    replica_region: Region | None = Field(default=None, examples=["eu-central-1"])
    """replicate new objects to a bucket in this region; requires versioning"""
    replica_bucket: BucketName | None = Field(default=None, examples=["story-media-replica"])
    """name of that bucket; unset: the output bucket's name and the region"""
    replace_existing: bool = False
    """with story-infra's bucket: let lifecycle and replication replace its own rules; S3 merges none"""

    @model_validator(mode="after")
    def _replication_needs_versions(self) -> Self:
        if self.replica_region and not self.versioning:
            message = "replication requires versioning; set versioning as well"
            raise PydanticCustomError("unversioned", message, {"key": "versioning", "example": True})
        return self


class EncryptionSettings(Group):
    """Customer managed KMS keys; without them AWS encrypts with keys of its own."""

    key_arn: KmsKeyArn | None = Field(default=None, examples=[EXAMPLE_KEY])
    """key of the queues, topics, table, bucket, repository and logs that this stack creates; for the \
repository at its creation only"""
    platform_key_arns: list[KmsKeyArn] = Field(default_factory=list, examples=[[EXAMPLE_KEY]])
    """keys of an existing platform's queue, table and buckets; the task role may use them"""
    replica_key_arn: KmsKeyArn | None = Field(default=None, examples=[EXAMPLE_KEY])
    """key of the replica, in its region; required to replicate a bucket that is encrypted with a key"""

    @property
    def media_keys(self) -> list[str]:
        """The keys that may encrypt what the worker reads and writes."""
        return list(dict.fromkeys([*filter(None, [self.key_arn]), *self.platform_key_arns]))


class WorkerSettings(Group):
    """Settings of the worker, passed as environment variables."""

    speech_engine: Literal["kokoro", "espeak"] = "kokoro"
    """speech engine"""
    voice: str = Field(default="af_heart", pattern=r"^[A-Za-z0-9_+-]+$")
    """voice of jobs that do not name one"""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """log level"""
    allowed_output_buckets: list[BucketName] = Field(default_factory=list, examples=[["other-story-media"]])
    """additional buckets that direct jobs may write to; the task role gets access to them"""
    allowed_input_buckets: list[BucketName] = Field(default_factory=list, examples=[["other-stories"]])
    """buckets that `text_url` of jobs may name besides the output bucket; the task role may read them"""
    environment: dict[VariableName, str] = Field(default_factory=dict, examples=[{"READING_SPEED": "17"}])
    """further environment variables of the task; see the reference of environment variables"""
    secrets: dict[VariableName, SecretArn] = Field(
        default_factory=dict, examples=[{"OTEL_EXPORTER_OTLP_HEADERS": EXAMPLE_SECRET}]
    )
    """environment variables from secrets: name and ARN of a Secrets Manager secret, with `:key::` for a key \
of its JSON, or of an SSM parameter; the execution role that this stack creates may read them"""
    secret_key_arns: list[KmsKeyArn] = Field(default_factory=list, examples=[[EXAMPLE_KEY]])
    """customer managed keys of these secrets; the execution role may decrypt with them"""

    @model_validator(mode="after")
    def _one_value_per_variable(self) -> Self:
        twice = sorted(set(self.environment) & set(self.secrets))
        if twice:
            message = f"{', '.join(twice)}: set in environment and in secrets; remove one of them"
            raise PydanticCustomError("twice", "{text}", {"key": "secrets", "text": message})
        return self


class TracingSettings(Group):
    """Traces of the worker by OpenTelemetry, which it sends itself (OTLP over HTTP)."""

    endpoint: OtlpEndpoint | None = Field(default=None, examples=["http://collector.internal:4318"])
    """base URL of a collector or backend; headers, such as a token, come from `worker.secrets`"""
    cidr: CidrBlock | None = Field(default=None, examples=["10.0.0.0/16"])
    """addresses of the endpoint, which tasks may then reach at its port; unset where `network.endpoints` is \
`nat` and the endpoint has port 443"""

    @property
    def port(self) -> int:
        """The port of the endpoint."""
        address = urlsplit(self.endpoint or "")
        return address.port or (443 if address.scheme == "https" else 80)

    @model_validator(mode="after")
    def _endpoint_of_the_range(self) -> Self:
        if self.cidr and not self.endpoint:
            message = "without an endpoint there is nothing to reach; set the endpoint, or remove cidr"
            raise PydanticCustomError("no_endpoint", message, {"key": "endpoint"})
        return self


class EventSettings(Group):
    """Events about completed and failed jobs."""

    bus: EventBus | None = Field(default=None, examples=["default"])
    """EventBridge bus that they are published to: `default`, another name, or an ARN; it must exist"""
    topic_arn: TopicArn | None = Field(default=None, examples=["arn:aws:sns:us-east-1:123456789012:events"])
    """SNS topic that they are published to, not the topic of the jobs"""


class Features(Group):
    """Optional features."""

    service: bool = True
    """`false`, with source `own`: create only the platform, for other stacks to use"""
    exec: bool = False
    """allow `aws ecs execute-command`; the agent requires a writable root filesystem"""
    roles: Literal["own", "story_infra"] = "own"
    """roles of the task: created here with least privilege, or those of the platform's outputs"""
    protect: bool = True
    """protect resources that hold data from deletion: repository, queues, bucket and table"""
