"""The platform's foundation: read from Terraform's state or a Pulumi stack, and validated.

Nothing of it is retyped by hand. Every fault is found before the first resource is touched, and each names
the output, where it was looked for, and how to mend it.
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


class StoryInfraError(pulumi.RunError):
    """The foundation's outputs cannot be had or used; Pulumi shows the message without a stack trace."""


@dataclass(frozen=True, kw_only=True)
class StoryInfra:
    """What the platform provides, one field an output of the contract.

    Sensitive outputs are Pulumi secrets here; with an own foundation all of them are outputs of resources.
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


@dataclass(frozen=True)
class FoundOutput:
    """One output as its source holds it."""

    value: Any
    sensitive: bool


class OutputSource(Protocol):
    """A place that holds the foundation's outputs."""

    @property
    def place(self) -> str:
        """Where it is, for people: an address that can be looked at."""
        ...

    @property
    def written_in(self) -> str:
        """Where people write its outputs."""
        ...

    @property
    def applied_by(self) -> str:
        """The command after which it holds what is written."""
        ...

    async def read(self) -> Mapping[str, FoundOutput]:
        """All outputs that it holds. Raises StoryInfraError where it cannot be read."""
        ...


class TerraformState:
    """Outputs in a Terraform state (version 4) in S3, read when the program runs."""

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
    def place(self) -> str:
        """The state's S3 address and region."""
        return f"s3://{self._settings.bucket}/{self._key} ({self._settings.region})"

    @property
    def written_in(self) -> str:
        """Terraform's file of outputs."""
        return "story-infra's outputs.tf"

    @property
    def applied_by(self) -> str:
        """Outputs reach the state by an apply."""
        return "`terraform apply` there"

    async def read(self) -> Mapping[str, FoundOutput]:
        """All outputs of the state. Raises StoryInfraError where it is missing, refused or no state."""
        return _parse_state(self._body(), place=self.place)

    def _body(self) -> bytes:
        try:
            session = boto3.Session(profile_name=self._settings.profile, region_name=self._settings.region)
            s3 = session.client(
                "s3",
                endpoint_url=self._settings.endpoint_url,
                # An emulator answers under one host name for all buckets.
                config=Config(s3={"addressing_style": "path" if self._settings.endpoint_url else "auto"}),
            )
            return s3.get_object(Bucket=self._settings.bucket, Key=self._key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            message = (
                f"story-infra's state could not be read from {self.place}: {error}.\n"
                "Check story-tts:story_infra (bucket, key, region, workspace, profile), and that"
                " `aws s3 ls` can list it with your credentials; the state must have been applied once."
            )
            raise StoryInfraError(message) from error


class PulumiStack:
    """Outputs of another Pulumi stack, through a stack reference."""

    def __init__(self, *, address: str) -> None:
        self._address = address

    @property
    def place(self) -> str:
        """The stack's address."""
        return f"the Pulumi stack {self._address}"

    @property
    def written_in(self) -> str:
        """The other program."""
        return "that stack's program"

    @property
    def applied_by(self) -> str:
        """Outputs reach a stack by an up."""
        return f"`pulumi up --stack {self._address}`"

    async def read(self) -> Mapping[str, FoundOutput]:
        """Those outputs of the contract that the stack has."""
        reference = pulumi.StackReference(self._address)
        found: dict[str, FoundOutput] = {}
        for name in EXPECTED:
            details = await reference.get_output_details(name)
            if details.secret_value is not None:
                found[name] = FoundOutput(details.secret_value, sensitive=True)
            elif details.value is not None:
                found[name] = FoundOutput(details.value, sensitive=False)
        return found


def source_of(settings: StoryInfraSettings) -> OutputSource:
    """The source that the settings name; an own foundation has none."""
    if settings.source == "stack":
        assert settings.stack is not None  # noqa: S101 - the settings are validated
        return PulumiStack(address=settings.stack)
    return TerraformState(settings=settings)


async def read_story_infra(source: OutputSource, *, roles: bool, zone_of: Callable[[str], str]) -> StoryInfra:
    """The foundation, validated whole before any resource is declared.

    `roles` says whether the stack runs under story-infra's roles; `zone_of` maps a subnet id to its zone.
    Raises StoryInfraError with every fault at once.
    """
    found = await source.read()
    wanted = {name: EXPECTED[name] for name in REQUIRED + (ROLES if roles else ())}
    faults = [_fault(name, kind, found.get(name), source) for name, kind in wanted.items()]
    optional = [name for name in OPTIONAL if name in found and found[name].value not in (None, "")]
    faults += [_fault(name, EXPECTED[name], found[name], source) for name in optional]
    if not any(faults):
        faults = [_zone_fault(found["private_subnet_ids"].value, zone_of, source)]
    if any(faults):
        raise StoryInfraError("story-infra's outputs cannot be used.\n\n" + "\n\n".join(filter(None, faults)))
    return _assemble({name: found[name] for name in [*wanted, *optional]})


def _assemble(found: Mapping[str, FoundOutput]) -> StoryInfra:
    values: dict[str, Any] = {}
    for name, output in found.items():
        field, value = name, output.value
        if name in QUEUE_MAPS:
            field, value = QUEUE_MAPS[name], output.value[TTS]
        values[field] = pulumi.Output.secret(value) if output.sensitive else value
    return StoryInfra(**values)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_text(item) for item in value)


def _has_queue(value: object) -> bool:
    return isinstance(value, dict) and _is_text(value.get(TTS))


@dataclass(frozen=True)
class Kind:
    """What an output has to be: in words, and as a check."""

    words: str
    holds: Callable[[object], bool]


TEXT = Kind("a string that is not empty", _is_text)
TEXTS = Kind("a list of strings that is not empty", _is_list_of_text)
QUEUES = Kind(f"a map with a string under {TTS}", _has_queue)

EXPECTED: Mapping[str, Kind] = {
    "vpc_id": TEXT,
    "private_subnet_ids": TEXTS,
    "ecs_cluster_name": TEXT,
    "ecs_tasks_security_group_id": TEXT,
    "task_queue_urls": QUEUES,
    "task_queue_arns": QUEUES,
    "story_video_tasks_table_name": TEXT,
    "s3_bucket_name": TEXT,
    "sns_topic_arn": TEXT,
    "ecs_task_execution_role_arn": TEXT,
    "ecs_task_role_arn": TEXT,
}
OPTIONAL = ("sns_topic_arn",)
ROLES = ("ecs_task_execution_role_arn", "ecs_task_role_arn")
REQUIRED = tuple(name for name in EXPECTED if name not in OPTIONAL + ROLES)
QUEUE_MAPS = {"task_queue_urls": "task_queue_url", "task_queue_arns": "task_queue_arn"}


def _fault(name: str, kind: Kind, found: FoundOutput | None, source: OutputSource) -> str | None:
    mend = f"{source.written_in}, and run {source.applied_by}"
    if found is None:
        return f"{name}: missing in {source.place}; it should be {kind.words}.\nAdd it to {mend}."
    if kind.holds(found.value):
        return None
    shown = "a sensitive value" if found.sensitive else repr(found.value)
    return f"{name}: in {source.place} it is {shown}, and should be {kind.words}.\nCorrect it in {mend}."


def _zone_fault(subnets: list[str], zone_of: Callable[[str], str], source: OutputSource) -> str | None:
    zones = {zone_of(subnet) for subnet in subnets}
    if len(zones) > 1:
        return None
    return (
        f"private_subnet_ids: in {source.place} all of {', '.join(subnets)} lie in {', '.join(zones)},"
        " and a service needs two zones to outlive the loss of one.\n"
        f"Give the platform a private subnet in another zone, and run {source.applied_by}."
    )


def _parse_state(body: bytes, *, place: str) -> Mapping[str, FoundOutput]:
    try:
        state = json.loads(body)
    except ValueError as error:
        raise StoryInfraError(f"{place} is not a Terraform state: it is not JSON ({error}).") from error
    if not isinstance(state, dict) or state.get("version") != 4 or not isinstance(state.get("outputs"), dict):  # noqa: PLR2004 - the format's number
        message = f"{place} is not a Terraform state of version 4, the format of Terraform 0.12 and later."
        raise StoryInfraError(message)
    return {
        name: FoundOutput(output["value"], sensitive=bool(output.get("sensitive")))
        for name, output in state["outputs"].items()
        if isinstance(output, dict) and "value" in output
    }
