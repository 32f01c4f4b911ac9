"""AWS's own resource schemas accept everything that the program declares."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stack.config import FARGATE_SIZES
from tests.stack.cloudformation import NOT_AWS, TRANSLATIONS, template
from tests.stack.recording import record
from tests.stack.test_program import VARIANTS

pytestmark = pytest.mark.slow

# Rules of cfn-lint that do not apply to a recording, and why.
NOT_APPLICABLE = {
    "E1150": "ids of security groups are AWS's; the recorder makes them up",
    "E1151": "ids of VPCs are AWS's; the recorder makes them up",
    "E1154": "ids of subnets are AWS's; the recorder makes them up",
    "E3019": "one template holds all configurations, and each part of a bucket as a bucket of its own",
    "W3010": "availability zones are looked up by the program; the recorder makes them up",
}
# EC2 documents one rule for the descriptions of both kinds; the schema of ingress rules leaves it out.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html
SAME_PROSE = {"AWS::EC2::SecurityGroupIngress": "AWS::EC2::SecurityGroupEgress"}
PROSE = re.compile(r"Up to (?P<length>\d+) characters in length\. Allowed characters are (?P<allowed>.+)$")


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """A template with every resource of every configuration."""
    return template(item for settings in VARIANTS.values() for item in record(settings).resources)


def findings(checked: Mapping[str, Any]) -> list[str]:
    """What cfn-lint has against a template: rule, place and message."""
    from cfnlint.api import lint  # a second to import

    return [
        f"{match.rule.id} {'/'.join(map(str, match.path or []))}: {match.message}"
        for match in lint(json.dumps(checked))
        if match.rule.id not in NOT_APPLICABLE
    ]


def test_every_type_is_judged() -> None:
    """Every declared type has a translation, or a reason to have none."""
    types = {
        item.type
        for settings in VARIANTS.values()
        for item in record(settings).resources
        if item.custom and item.type.startswith(("aws:", "docker-build:"))
    }
    assert types - set(NOT_AWS) - set(TRANSLATIONS) == set()


def test_the_schemas_accept_every_resource(declared: dict[str, Any]) -> None:
    """No pattern, enumeration, length, required or read-only property of AWS's schemas is violated."""
    assert findings(declared) == []


def test_the_longest_name_fits() -> None:
    """Every name that is composed of the longest application name keeps to AWS's limits."""
    run = record({"app_name": "a" * 32, "story_infra": {"source": "own"}})
    assert findings(template(run.resources)) == []


def test_the_schemas_refuse_a_wrong_resource(declared: dict[str, Any]) -> None:
    """The translation hides nothing: unknown, missing and malformed properties are found."""
    wrong = json.loads(json.dumps(declared))
    resources = wrong["Resources"]
    resources["QueueDeadLetters"]["Properties"]["MessageRetentionPeriod"] = 1_209_601
    resources["SecurityGroupAppGroup"]["Properties"]["GroupDescription"] = "the VPC's"
    resources["TaskDefinitionTask"]["Properties"]["ContainerDefinitions"][0]["StopTimeout"] = "soon"
    del resources["SecurityGroupEgressRuleAppToS3"]["Properties"]["IpProtocol"]
    found = findings(wrong)
    for name in ("QueueDeadLetters", "SecurityGroupAppGroup", "TaskDefinitionTask", "AppToS3"):
        assert [finding for finding in found if name in finding] != [], name


def empty_blocks(value: object, path: str) -> Iterator[str]:
    """The places of empty objects within a value."""
    if isinstance(value, dict):
        if not value:
            yield path
        for name, item in value.items():
            yield from empty_blocks(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from empty_blocks(item, path)


def test_no_block_is_empty(declared: dict[str, Any]) -> None:
    """The provider drops an empty block, and plans the difference for ever."""
    places = [place for name, item in declared["Resources"].items() for place in empty_blocks(item, name)]
    assert places == []


def test_no_read_only_property_is_set(declared: dict[str, Any]) -> None:
    """Nothing that AWS computes is declared; cfn-lint's own rule for this looks at nothing."""
    assert [
        (name, path)
        for name, resource in declared["Resources"].items()
        for path in schema(resource["Type"]).get("readOnlyProperties", [])
        if path.removeprefix("/properties/") in resource["Properties"]
    ] == []


@cache
def schema(type_: str) -> dict[str, Any]:
    """The schema of a CloudFormation type."""
    import cfnlint.data.schemas

    folder = Path(cfnlint.data.schemas.__file__).parent
    file = json.loads((folder / "providers" / "us-east-1.json").read_text())[type_]
    return dict(json.loads((folder / "resources" / f"{file}.json").read_text()))


def prose_rules(type_: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Properties whose rule the schema only describes, with the pattern of what is described."""
    for name, property_ in schema(SAME_PROSE.get(type_, type_))["properties"].items():
        described = PROSE.search(str(property_.get("description", "")).strip())
        if described:
            marks = described["allowed"].rsplit("and ", 1)[1].strip(" .") + "."
            yield name, re.compile(rf"[a-zA-Z0-9 {re.escape(marks)}]{{0,{described['length']}}}")


def test_descriptions_keep_to_what_ec2_allows(declared: dict[str, Any]) -> None:
    """Rules that a schema states in words hold too, such as the characters of a rule's description."""
    checked = [
        (name, resource["Properties"][property_], pattern)
        for name, resource in declared["Resources"].items()
        for property_, pattern in prose_rules(resource["Type"])
        if property_ in resource["Properties"]
    ]
    assert len(checked) > 10
    assert [(name, text) for name, text, pattern in checked if not pattern.fullmatch(text)] == []


def task_of(cpu: int, memory: int) -> dict[str, Any]:
    """A Fargate task definition of a size."""
    container = {"Name": "x", "Image": "x", "Essential": True}
    return {
        "Type": "AWS::ECS::TaskDefinition",
        "Properties": {
            "Family": f"x-{cpu}-{memory}",
            "Cpu": str(cpu),
            "Memory": str(memory),
            "NetworkMode": "awsvpc",
            "RequiresCompatibilities": ["FARGATE"],
            "ContainerDefinitions": [container],
        },
    }


def test_task_sizes_are_fargates() -> None:
    """cfn-lint's table of Fargate accepts every size that the settings accept, and no size beside them."""
    good = {f"Task{cpu}x{size}": task_of(cpu, size) for cpu, sizes in FARGATE_SIZES.items() for size in sizes}
    assert findings({"Resources": good}) == []
    beside = {
        f"Task{cpu}x{memory}": task_of(cpu, memory)
        for cpu, sizes in FARGATE_SIZES.items()
        for memory in (sizes[0] - 256, sizes[-1] + 1024)
    }
    refused = {finding.split("/")[1] for finding in findings({"Resources": beside})}
    assert refused == set(beside)
