"""Reading the platform's outputs: one suite for both sources, and every fault."""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import uuid4

import boto3
import pytest
from pulumi.runtime import mocks

from app.local.emulator import CREDENTIALS
from stack.config import StoryInfraSettings
from stack.platform_outputs import PlatformError, TerraformState, read_platform
from tests.stack.recording import STORY_INFRA, Recording, record
from tests.stack.terraform_state import terraform_state

Source = Callable[[Mapping[str, Any]], dict[str, Any]]


@pytest.fixture
def states(
    aws: str, session: boto3.session.Session, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes, str], dict[str, Any]]:
    """Store a state in a bucket of the emulator and return the settings for reading it."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    s3 = session.client("s3", endpoint_url=aws)

    def put(body: bytes, key: str = "terraform.tfstate") -> dict[str, Any]:
        bucket = f"state-{uuid4().hex}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=body)
        return {"source": "s3", "bucket": bucket, "endpoint_url": aws}

    return put


class Sources:
    """Runs the program over outputs from either source."""

    def __init__(self, kind: str, put: Callable[[bytes, str], dict[str, Any]]) -> None:
        self.kind = kind
        self._put = put

    def record(self, outputs: Mapping[str, Any], **more: Any) -> Recording:
        """One run with these outputs."""
        settings = more.pop("settings", {})
        if self.kind == "stack":
            return record(settings, story_infra=outputs, **more)
        found = self._put(terraform_state(outputs), "terraform.tfstate")
        return record({"story_infra": found, **settings}, **more)

    def refusal(self, outputs: Mapping[str, Any], **more: Any) -> str:
        """The error message for invalid outputs."""
        with pytest.raises(PlatformError) as refused:
            self.record(outputs, **more)
        return str(refused.value)


@pytest.fixture(params=[pytest.param("s3", marks=pytest.mark.slow), "stack"])
def source(request: pytest.FixtureRequest, states: Callable[[bytes, str], dict[str, Any]]) -> Sources:
    """Each source in turn."""
    return Sources(request.param, states)


def without(name: str) -> dict[str, Any]:
    """story-infra's outputs but one."""
    return {key: value for key, value in STORY_INFRA.items() if key != name}


def test_outputs_reach_the_resources(source: Sources) -> None:
    """The outputs of either source reach the service, its environment and the stack's outputs."""
    run = source.record(STORY_INFRA)
    service = run.one("aws:ecs/service:Service")
    assert service["cluster"] == "story-tts-cluster"
    assert service["networkConfiguration"]["subnets"] == ["subnet-0a", "subnet-0b"]
    assert run.outputs["queue_url"] == STORY_INFRA["task_queue_urls"]["TTS"]
    assert (run.outputs["table_name"], run.outputs["bucket_name"]) == (
        "story-video-tasks",
        "story-video-data",
    )


REQUIRED = [
    "vpc_id",
    "private_subnet_ids",
    "ecs_cluster_name",
    "ecs_tasks_security_group_id",
    "task_queue_urls",
    "task_queue_arns",
    "story_video_tasks_table_name",
    "s3_bucket_name",
]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_output_is_named(source: Sources, name: str) -> None:
    """The error names the output, its source, its expected type and how to add it."""
    message = source.refusal(without(name))
    assert f"{name}: missing in " in message
    assert "it must be " in message
    assert (
        "terraform apply" if source.kind == "s3" else "pulumi up --stack organization/story-infra/production"
    ) in message


WRONG = [
    ("vpc_id", True, "a non-empty string"),
    ("vpc_id", " ", "a non-empty string"),
    ("private_subnet_ids", "subnet-0a", "a non-empty list of non-empty strings"),
    ("private_subnet_ids", [], "a non-empty list of non-empty strings"),
    ("private_subnet_ids", ["subnet-0a", ""], "a non-empty list of non-empty strings"),
    ("task_queue_urls", {"TEXT": "https://queue"}, "a map with a string under TTS"),
    ("task_queue_arns", ["arn"], "a map with a string under TTS"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_malformed_output_is_named(source: Sources, name: str, value: Any, expected: str) -> None:
    """The error shows the actual value and the expected type."""
    message = source.refusal({**STORY_INFRA, name: value})
    assert f"it is {value!r}; it must be {expected}." in message
    assert "Correct it in " in message
    assert message.count(name) == 1


def test_all_faults_at_once(source: Sources) -> None:
    """One error lists every fault."""
    message = source.refusal({**without("vpc_id"), "s3_bucket_name": ""})
    assert ("vpc_id: missing" in message, "s3_bucket_name: in " in message) == (True, True)


def test_subnets_of_one_zone_are_refused(source: Sources) -> None:
    """Subnets in a single zone are an error that names the subnets and the zone."""
    message = source.refusal(STORY_INFRA, zones={"subnet-0a": "us-east-1c", "subnet-0b": "us-east-1c"})
    assert "subnet-0a, subnet-0b are in us-east-1c" in message


def test_nothing_is_declared_before_the_outputs_are_good(
    source: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Invalid outputs end the run before any resource is declared."""
    touched: list[str] = []

    def touch(_: object, args: mocks.MockResourceArgs) -> dict[str, Any]:
        touched.append(args.name)
        return {}

    monkeypatch.setattr("tests.stack.recording.Recorder._computed", touch)
    source.refusal(without("vpc_id"))
    assert touched == []


def test_roles_are_needed_only_where_they_are_used(source: Sources) -> None:
    """The role outputs are required only if the stack uses the platform's roles."""
    assert source.record(without("ecs_task_role_arn")).names("aws:iam/role:Role") == ["execution", "task"]
    message = source.refusal(without("ecs_task_role_arn"), settings={"features": {"roles": "story_infra"}})
    assert "ecs_task_role_arn: missing" in message


@pytest.mark.parametrize("absent", ["missing", None, ""])
def test_a_topic_is_optional(source: Sources, absent: str | None) -> None:
    """The topic is optional: its output may be missing, null or empty."""
    outputs = without("sns_topic_arn") if absent == "missing" else {**STORY_INFRA, "sns_topic_arn": absent}
    assert "SNS_TOPIC_ARN" not in {item["name"] for item in source.record(outputs).container()["environment"]}


def test_sensitive_outputs_become_secrets(states: Callable[[bytes, str], dict[str, Any]]) -> None:
    """Sensitive outputs become Pulumi secrets and are not shown in errors."""
    import asyncio

    def read(outputs: Mapping[str, Any], sensitive: Collection[str]) -> Any:
        found = states(terraform_state(outputs, sensitive=sensitive), "terraform.tfstate")
        source = TerraformState(settings=StoryInfraSettings.model_validate(found))
        return asyncio.run(_read(source))

    async def _read(source: TerraformState) -> tuple[bool, bool, str]:
        infra = await read_platform(source, roles=True, zone_of=lambda subnet: subnet)
        url: Any = infra.task_queue_url
        return await url.is_secret(), isinstance(infra.vpc_id, str), await url.future()

    assert read(STORY_INFRA, ["task_queue_urls"]) == (True, True, STORY_INFRA["task_queue_urls"]["TTS"])
    with pytest.raises(PlatformError) as refused:
        read({**STORY_INFRA, "s3_bucket_name": ["hush"]}, ["s3_bucket_name"])
    assert "hush" not in str(refused.value)


def test_a_workspaces_state_is_found(states: Callable[[bytes, str], dict[str, Any]]) -> None:
    """The state of a workspace is read from under its prefix."""
    found = states(terraform_state(STORY_INFRA), "live/staging/tts.tfstate")
    settings = {**found, "workspace": "staging", "workspace_key_prefix": "live", "key": "tts.tfstate"}
    assert record({"story_infra": settings}).outputs["bucket_name"] == "story-video-data"


def test_a_missing_state_says_where_it_was_looked_for(states: Callable[[bytes, str], dict[str, Any]]) -> None:
    """A missing state is an error with the address, the reason and the settings to check."""
    found = states(b"", "elsewhere.tfstate")
    with pytest.raises(PlatformError) as refused:
        record({"story_infra": found})
    message = str(refused.value)
    assert f"s3://{found['bucket']}/terraform.tfstate (us-east-1)" in message
    assert "NoSuchKey" in message
    assert "story-tts:story_infra (bucket, key, region, workspace, profile)" in message


def test_an_unknown_profile_is_a_clear_error(states: Callable[[bytes, str], dict[str, Any]]) -> None:
    """An unknown AWS profile is a clear error."""
    with pytest.raises(PlatformError, match="nobody"):
        record(
            {
                "story_infra": {
                    **states(terraform_state(STORY_INFRA), "terraform.tfstate"),
                    "profile": "nobody",
                }
            }
        )


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b'{"version": 3, "modules": []}', b'{"version": 4}', b"\xff\xfe"]
)
def test_what_is_no_state_is_refused(states: Callable[[bytes, str], dict[str, Any]], body: bytes) -> None:
    """An object that is not a Terraform state of version 4 is an error."""
    with pytest.raises(PlatformError, match="is not a Terraform state"):
        record({"story_infra": states(body, "terraform.tfstate")})
