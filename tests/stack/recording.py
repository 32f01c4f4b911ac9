"""Runs the whole program under Pulumi's mocks and records the resources that it declares."""

import asyncio
import contextvars
import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import pulumi
import pulumi.runtime.config
from pulumi.runtime import mocks
from pulumi.runtime.stack import run_pulumi_func

from tests.stack.loops import closed_loops
from tests.stack.program import program

ACCOUNT = "123456789012"
REGION = "us-east-1"

# The outputs of story-infra, as a StackReference returns them.
STORY_INFRA: Mapping[str, Any] = {
    "vpc_id": "vpc-0a",
    "private_subnet_ids": ["subnet-0a", "subnet-0b"],
    "ecs_cluster_name": "story-tts-cluster",
    "ecs_task_execution_role_arn": f"arn:aws:iam::{ACCOUNT}:role/platform-execution",
    "ecs_task_role_arn": f"arn:aws:iam::{ACCOUNT}:role/platform-task",
    "ecs_tasks_security_group_id": "sg-platform",
    "task_queue_urls": {"TTS": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/story-sqs-queue-tts"},
    "task_queue_arns": {"TTS": f"arn:aws:sqs:{REGION}:{ACCOUNT}:story-sqs-queue-tts"},
    "story_video_tasks_table_name": "story-video-tasks",
    "s3_bucket_name": "story-video-data",
    "sns_topic_arn": f"arn:aws:sns:{REGION}:{ACCOUNT}:story-jobs",
}

STACK_SOURCE = {"source": "stack", "stack": "organization/story-infra/production"}

DIGEST = "sha256:" + "ab" * 32


@dataclass(frozen=True)
class Declared:
    """A resource as the program declared it."""

    type: str
    name: str
    custom: bool
    _inputs: Mapping[str, Any]

    @property
    def inputs(self) -> dict[str, Any]:
        """A copy of the inputs: recordings are shared between tests."""
        return copy.deepcopy(dict(self._inputs))


@dataclass(frozen=True)
class Recording:
    """Everything that one run of the program declared, and its outputs."""

    resources: Sequence[Declared]
    options: Mapping[str, pulumi.ResourceOptions]
    calls: Sequence[str]
    outputs: Mapping[str, Any]

    def all(self, type_: str) -> list[Declared]:
        """Every resource of a type."""
        return [item for item in self.resources if item.type == type_]

    def one(self, type_: str, name: str | None = None) -> dict[str, Any]:
        """The inputs of the only resource of a type, or of the one with the name."""
        found = [item for item in self.all(type_) if name in (None, item.name)]
        assert len(found) == 1, f"{len(found)} of {type_} {name}: {[item.name for item in found]}"
        return found[0].inputs

    def names(self, type_: str) -> list[str]:
        """The logical names of a type's resources, sorted."""
        return sorted(item.name for item in self.all(type_))

    def container(self) -> dict[str, Any]:
        """The only container of the task definition."""
        task = self.one("aws:ecs/taskDefinition:TaskDefinition")
        (container,) = json.loads(task["containerDefinitions"])
        return dict(container)


class Recorder(mocks.Mocks):
    """Answers like AWS, with ids and ARNs derived from the names, and records every resource."""

    def __init__(
        self,
        *,
        story_infra: Mapping[str, Any],
        zones: Mapping[str, str],
        endpoint_zones: Mapping[str, list[str]],
    ) -> None:
        self.endpoint_zones = endpoint_zones
        self.resources: list[Declared] = []
        self.calls: list[str] = []
        self.story_infra = story_infra
        self.zones = zones

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Return the inputs as outputs, with the values that AWS computes."""
        if args.typ == "pulumi:pulumi:StackReference":
            outputs = dict(self.story_infra)
            return "reference", {**args.inputs, "outputs": outputs, "secretOutputNames": []}
        self.resources.append(
            Declared(args.typ, args.name, custom=bool(args.custom), _inputs=copy.deepcopy(dict(args.inputs)))
        )
        return f"{args.name}-id", {**args.inputs, **self._computed(args)}

    def _computed(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        physical = args.inputs.get("name") or args.inputs.get("bucket") or args.name
        computed = {"arn": f"arn:aws:{args.typ.split(':')[1].split('/')[0]}:{REGION}:{ACCOUNT}:{physical}"}
        if args.typ == "aws:iam/role:Role":
            computed["arn"] = f"arn:aws:iam::{ACCOUNT}:role/{physical}"
        if args.typ == "aws:sqs/queue:Queue":
            computed["url"] = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{physical}"
        if args.typ == "aws:ecr/repository:Repository":
            computed["repositoryUrl"] = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{physical}"
        if args.typ == "docker-build:index:Image":
            computed["digest"] = DIGEST
        return computed

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """Answer the data sources that the program calls."""
        self.calls.append(args.token)
        answers: dict[str, dict[str, Any]] = {
            "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT},
            "aws:index/getRegion:getRegion": {"region": REGION},
            "aws:index/getPartition:getPartition": {"partition": "aws"},
            "aws:index/getAvailabilityZones:getAvailabilityZones": {
                "names": ["us-east-1a", "us-east-1b", "us-east-1c"]
            },
            "aws:ec2/getSubnet:getSubnet": {
                "availabilityZone": self.zones.get(args.args.get("id", ""), "us-east-1a")
            },
            "aws:ec2/getVpc:getVpc": {"cidrBlock": "10.0.0.0/16"},
            "aws:ec2/getVpcEndpointService:getVpcEndpointService": {
                "availabilityZones": self.endpoint_zones.get(
                    str(args.args.get("serviceName")).removeprefix(f"com.amazonaws.{REGION}."),
                    ["us-east-1a", "us-east-1b", "us-east-1c"],
                )
            },
            "aws:ec2/getRouteTables:getRouteTables": {"ids": ["rtb-0a", "rtb-0b"]},
            "aws:ec2/getManagedPrefixList:getManagedPrefixList": {
                "id": f"pl-{str(args.args.get('name')).rsplit('.', 1)[-1]}"
            },
            "aws:ecr/getAuthorizationToken:getAuthorizationToken": {
                "proxyEndpoint": f"https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com",
                "userName": "AWS",
                "password": "not-for-eyes",
            },
            "aws:ecr/getRepository:getRepository": {
                "name": args.args.get("name"),
                "arn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{args.args.get('name')}",
                "repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{args.args.get('name')}",
            },
            "aws:ecr/getImage:getImage": {
                "imageDigest": args.args.get("imageDigest") or "sha256:" + "cd" * 32,
                "imageTags": [args.args.get("imageTag") or "v7"],
            },
            "aws:dynamodb/getTable:getTable": {
                "name": args.args.get("name"),
                "pointInTimeRecovery": {"enabled": False},
            },
        }
        return {**args.args, **answers[args.token]}, []


def record(
    settings: Mapping[str, Any] | None = None,
    *,
    story_infra: Mapping[str, Any] = STORY_INFRA,
    zones: Mapping[str, str] | None = None,
    endpoint_zones: Mapping[str, list[str]] | None = None,
    preview: bool = False,
) -> Recording:
    """Run the program with these settings, once per test session; groups may be dicts.

    Raises what the program raises.
    """
    return _record(json.dumps([settings or {}, story_infra, zones, endpoint_zones, preview], sort_keys=True))


@cache
def _record(arguments: str) -> Recording:
    settings, story_infra, zones, endpoint_zones, preview = json.loads(arguments)
    return record_afresh(
        settings, story_infra=story_infra, zones=zones, endpoint_zones=endpoint_zones, preview=preview
    )


def record_afresh(
    settings: Mapping[str, Any] | None = None,
    *,
    story_infra: Mapping[str, Any] = STORY_INFRA,
    zones: Mapping[str, str] | None = None,
    endpoint_zones: Mapping[str, list[str]] | None = None,
    preview: bool = False,
) -> Recording:
    """Run the program, for tests that look at what else a run does, such as its log."""
    recorder = Recorder(
        story_infra=story_infra,
        zones={"subnet-0a": "us-east-1a", "subnet-0b": "us-east-1b"} if zones is None else zones,
        endpoint_zones=endpoint_zones or {},
    )
    return record_with(recorder, settings, preview=preview)


def record_with(
    recorder: Recorder, settings: Mapping[str, Any] | None = None, *, preview: bool = False
) -> Recording:
    """Run the program against a recorder of its own."""
    chosen = {"story_infra": STACK_SOURCE, **(settings or {})}
    raw = {f"story-tts:{key}": _raw(value) for key, value in chosen.items()}
    # Pulumi keeps its root resource in context variables: a context per run keeps runs apart.
    return contextvars.Context().run(_run, recorder, raw, preview=preview)


def _run(recorder: "Recorder", raw: Mapping[str, str], *, preview: bool) -> Recording:
    options: dict[str, pulumi.ResourceOptions] = {}
    outputs: dict[str, Any] = {}

    def note_options(args: pulumi.ResourceTransformationArgs) -> None:
        options[f"{args.type_} {args.name}"] = args.opts

    async def whole() -> None:
        pulumi.runtime.register_stack_transformation(note_options)
        for name, value in (await program()).items():
            outputs[name] = await pulumi.Output.from_input(value).future()

    with closed_loops():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        mocks.set_mocks(recorder, project="story-tts", stack="test", preview=preview)
        pulumi.runtime.config.set_all_config(dict(raw))
        loop.run_until_complete(run_pulumi_func(whole))
        loop.run_until_complete(loop.shutdown_default_executor())
    return Recording(
        resources=tuple(recorder.resources),
        options=MappingProxyType(options),
        calls=tuple(recorder.calls),
        outputs=MappingProxyType(outputs),
    )


def _raw(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict | list | bool | int) else str(value)
