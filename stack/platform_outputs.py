"""The outputs of an existing platform, read from Terraform's state in S3 or from another Pulumi stack.

They are validated before the first resource is declared. An error names the output, where it was looked for,
and how to correct it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
import pulumi
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stack.config import StoryInfraSettings

TTS = "TTS"


class PlatformError(pulumi.RunError):
    """The platform's outputs cannot be read or used; Pulumi shows the message without a stack trace."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The platform that the service runs on, one field per output.

    Sensitive Terraform outputs become Pulumi secrets. For an own platform the values are resource outputs.
    """

    vpc_id: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[list[str]]
    ecs_cluster_name: pulumi.Input[str]
    ecs_tasks_security_group_id: pulumi.Input[str]
    task_queue_url: pulumi.Input[str]
    task_queue_arn: pulumi.Input[str]
    story_video_tasks_table_name: pulumi.Input[str]
    s3_bucket_name: pulumi.Input[str]
    sns_topic_arn: pulumi.Input[str] | None = None
    ecs_task_execution_role_arn: pulumi.Input[str] | None = None
    ecs_task_role_arn: pulumi.Input[str] | None = None

    @property
    def task_queue_name(self) -> pulumi.Output[str]:
        """The name of the job queue, the last part of its ARN."""
        return pulumi.Output.from_input(self.task_queue_arn).apply(lambda arn: arn.rsplit(":", 1)[-1])


@dataclass(frozen=True)
class PlatformOutput:
    """The value of an output."""

    value: Any
    sensitive: bool


class OutputSource(Protocol):
    """A place that the platform's outputs can be read from."""

    @property
    def location(self) -> str:
        """Its address, for error messages."""
        ...

    @property
    def defined_in(self) -> str:
        """Where its outputs are defined."""
        ...

    @property
    def apply_command(self) -> str:
        """The command that updates its outputs."""
        ...

    async def read(self) -> Mapping[str, PlatformOutput]:
        """Read all outputs. Raises PlatformError if that fails."""
        ...


class TerraformState:
    """Outputs in a Terraform state (format version 4) in S3."""

    def __init__(self, *, settings: StoryInfraSettings) -> None:
        self._settings = settings

    @property
    def _key(self) -> str:
        workspace = self._settings.workspace
        if workspace == "default":
            return self._settings.key
        # https://developer.hashicorp.com/terraform/language/backend/s3#workspace_key_prefix
        return f"{self._settings.workspace_key_prefix}/{workspace}/{self._settings.key}"

    @property
    def location(self) -> str:
        """The state's S3 address and region."""
        return f"s3://{self._settings.bucket}/{self._key} ({self._settings.region})"

    @property
    def defined_in(self) -> str:
        """Terraform's file of outputs."""
        return "story-infra's outputs.tf"

    @property
    def apply_command(self) -> str:
        """Terraform's apply."""
        return "`terraform apply` there"

    async def read(self) -> Mapping[str, PlatformOutput]:
        """Read all outputs. Raises PlatformError if the state is missing, not accessible or not a state."""
        return _parse_state(self._body(), location=self.location)

    def _body(self) -> bytes:
        try:
            session = boto3.Session(profile_name=self._settings.profile, region_name=self._settings.region)
            s3 = session.client(
                "s3",
                endpoint_url=self._settings.endpoint_url,
                # Emulators serve all buckets under one host name.
                config=Config(s3={"addressing_style": "path" if self._settings.endpoint_url else "auto"}),
            )
            return s3.get_object(Bucket=self._settings.bucket, Key=self._key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            message = (
                f"story-infra's state could not be read from {self.location}: {error}.\n"
                "Check story-tts:story_infra (bucket, key, region, workspace, profile), that your credentials"
                " can read the object (`aws s3 ls`), and that Terraform has been applied once."
            )
            raise PlatformError(message) from error


class PulumiStack:
    """Outputs of another Pulumi stack, through a stack reference."""

    def __init__(self, *, address: str) -> None:
        self._address = address

    @property
    def location(self) -> str:
        """The stack's address."""
        return f"the Pulumi stack {self._address}"

    @property
    def defined_in(self) -> str:
        """The other Pulumi program."""
        return "that stack's program"

    @property
    def apply_command(self) -> str:
        """Pulumi's up."""
        return f"`pulumi up --stack {self._address}`"

    async def read(self) -> Mapping[str, PlatformOutput]:
        """Read the expected outputs that the stack has."""
        reference = pulumi.StackReference(self._address)
        found: dict[str, PlatformOutput] = {}
        for name in OUTPUTS:
            details = await reference.get_output_details(name)
            if details.secret_value is not None:
                found[name] = PlatformOutput(details.secret_value, sensitive=True)
            elif details.value is not None:
                found[name] = PlatformOutput(details.value, sensitive=False)
        return found


def output_source(settings: StoryInfraSettings) -> OutputSource:
    """The source that the settings select. Not for an own platform, which has none."""
    if settings.source == "stack":
        assert settings.stack is not None  # noqa: S101 - the settings are validated
        return PulumiStack(address=settings.stack)
    return TerraformState(settings=settings)


async def read_platform(source: OutputSource, *, roles: bool, zone_of: Callable[[str], str]) -> Platform:
    """Read and validate the platform's outputs.

    `roles`: whether the role outputs are required. `zone_of` maps a subnet id to its availability zone.
    Raises PlatformError that lists every fault.
    """
    found = await source.read()
    wanted = {name: OUTPUTS[name] for name in REQUIRED + (ROLES if roles else ())}
    faults = [_fault(name, type_, found.get(name), source) for name, type_ in wanted.items()]
    optional = [name for name in OPTIONAL if name in found and found[name].value not in (None, "")]
    faults += [_fault(name, OUTPUTS[name], found[name], source) for name in optional]
    if not any(faults):
        faults = [_zone_fault(found["private_subnet_ids"].value, zone_of, source)]
    if any(faults):
        raise PlatformError("story-infra's outputs cannot be used.\n\n" + "\n\n".join(filter(None, faults)))
    return _assemble({name: found[name] for name in [*wanted, *optional]})


def _assemble(found: Mapping[str, PlatformOutput]) -> Platform:
    values: dict[str, Any] = {}
    for name, output in found.items():
        field, value = name, output.value
        if name in QUEUE_MAPS:
            field, value = QUEUE_MAPS[name], output.value[TTS]
        values[field] = pulumi.Output.secret(value) if output.sensitive else value
    return Platform(**values)


def _is_string(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list_of_strings(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_string(item) for item in value)


def _has_queue(value: object) -> bool:
    return isinstance(value, dict) and _is_string(value.get(TTS))


@dataclass(frozen=True)
class OutputType:
    """What an output must be: a description, and a check."""

    description: str
    is_valid: Callable[[object], bool]


STRING = OutputType("a non-empty string", _is_string)
STRINGS = OutputType("a non-empty list of non-empty strings", _is_list_of_strings)
QUEUES = OutputType(f"a map with a string under {TTS}", _has_queue)

OUTPUTS: Mapping[str, OutputType] = {
    "vpc_id": STRING,
    "private_subnet_ids": STRINGS,
    "ecs_cluster_name": STRING,
    "ecs_tasks_security_group_id": STRING,
    "task_queue_urls": QUEUES,
    "task_queue_arns": QUEUES,
    "story_video_tasks_table_name": STRING,
    "s3_bucket_name": STRING,
    "sns_topic_arn": STRING,
    "ecs_task_execution_role_arn": STRING,
    "ecs_task_role_arn": STRING,
}
OPTIONAL = ("sns_topic_arn",)
ROLES = ("ecs_task_execution_role_arn", "ecs_task_role_arn")
REQUIRED = tuple(name for name in OUTPUTS if name not in OPTIONAL + ROLES)
QUEUE_MAPS = {"task_queue_urls": "task_queue_url", "task_queue_arns": "task_queue_arn"}


def _fault(name: str, type_: OutputType, found: PlatformOutput | None, source: OutputSource) -> str | None:
    fix = f"{source.defined_in} and run {source.apply_command}"
    if found is None:
        return f"{name}: missing in {source.location}; it must be {type_.description}.\nAdd it to {fix}."
    if type_.is_valid(found.value):
        return None
    shown = "a sensitive value" if found.sensitive else repr(found.value)
    return (
        f"{name}: in {source.location} it is {shown}; it must be {type_.description}.\nCorrect it in {fix}."
    )


def _zone_fault(subnets: list[str], zone_of: Callable[[str], str], source: OutputSource) -> str | None:
    zones = {zone_of(subnet) for subnet in subnets}
    if len(zones) > 1:
        return None
    return (
        f"private_subnet_ids: in {source.location} all of {', '.join(subnets)} are in {', '.join(zones)};"
        " the service needs subnets in two availability zones.\n"
        f"Add a private subnet in another zone to the platform and run {source.apply_command}."
    )


def _parse_state(body: bytes, *, location: str) -> Mapping[str, PlatformOutput]:
    try:
        state = json.loads(body)
    except ValueError as error:
        raise PlatformError(f"{location} is not a Terraform state: it is not JSON ({error}).") from error
    if not isinstance(state, dict) or state.get("version") != 4 or not isinstance(state.get("outputs"), dict):  # noqa: PLR2004 - the format version
        message = f"{location} is not a Terraform state of version 4, the format of Terraform 0.12 and later."
        raise PlatformError(message)
    return {
        name: PlatformOutput(output["value"], sensitive=bool(output.get("sensitive")))
        for name, output in state["outputs"].items()
        if isinstance(output, dict) and "value" in output
    }
