"""The rules that a preview is held to: each is broken by what it names, and by nothing else."""

import json
from typing import Any

import pytest

from ops.policies import NAMES, violations_of
from ops.pulumi import Previewed

DIGEST = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/story-tts@sha256:{'0' * 64}"


def broken(type_: str, inputs: dict[str, Any], *, operation: str = "create") -> list[str]:
    """Return the names of the rules that a resource would break."""
    step = {
        "op": operation,
        "urn": f"urn:pulumi:p::story-tts::a:b:C${type_}::it",
        "newState": {"inputs": inputs},
    }
    return [violation.rule for violation in violations_of(Previewed("p", {"steps": [step]}))]


def policy(**statement: Any) -> dict[str, Any]:
    """Return the inputs of a policy of one statement that allows."""
    return {"policy": json.dumps({"Statement": [{"Effect": "Allow", **statement}]})}


def containers(image: str) -> dict[str, Any]:
    """Return the inputs of a task definition."""
    return {"containerDefinitions": json.dumps([{"name": "worker", "image": image}])}


REPOSITORY = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
ARN = "arn:aws:sqs:us-east-1:123456789012:jobs"
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "no public address",
        "aws:ecs/service:Service",
        {"networkConfiguration": {"assignPublicIp": True}},
        {"networkConfiguration": {"assignPublicIp": False}},
    ),
    (
        "image by digest",
        "aws:ecs/taskDefinition:TaskDefinition",
        containers(DIGEST.replace(f"@sha256:{'0' * 64}", ":latest")),
        containers(DIGEST),
    ),
    (
        "not from anywhere",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "0.0.0.0/0"},
        {"cidrIpv4": "10.0.0.0/16"},
    ),
    (
        "not from anywhere",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv6": "::/0"},
        {"referencedSecurityGroupId": "sg-1"},
    ),
    (
        "immutable and scanned",
        "aws:ecr/repository:Repository",
        {**REPOSITORY, "imageTagMutability": "MUTABLE"},
        {**REPOSITORY, "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"},
    ),
    (
        "immutable and scanned",
        "aws:ecr/repository:Repository",
        {**REPOSITORY, "imageScanningConfiguration": {"scanOnPush": False}},
        REPOSITORY,
    ),
    ("encrypted", "aws:sqs/queue:Queue", {"name": "q"}, {"sqsManagedSseEnabled": True}),
    ("encrypted", "aws:sqs/queue:Queue", {"sqsManagedSseEnabled": False}, {"kmsMasterKeyId": "alias/k"}),
    ("logs end", "aws:cloudwatch/logGroup:LogGroup", {}, {"retentionInDays": 30}),
    (
        "least privilege",
        "aws:iam/rolePolicy:RolePolicy",
        policy(Action="sqs:*", Resource=ARN),
        policy(Action="sqs:SendMessage", Resource=ARN),
    ),
    (
        "least privilege",
        "aws:iam/policy:Policy",
        policy(Action=["sqs:SendMessage"], Resource="*"),
        policy(Action=["ecr:GetAuthorizationToken"], Resource="*"),
    ),
]


@pytest.mark.parametrize(("rule", "type_", "bad", "good"), CASES)
def test_a_rule_is_broken_by_what_it_names(
    rule: str, type_: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    """The bad resource breaks this rule alone, the good one none."""
    assert broken(type_, bad) == [rule]
    assert broken(type_, good) == []


@pytest.mark.parametrize("operation", ["delete", "replace"])
def test_what_holds_data_does_not_go(operation: str) -> None:
    """Neither a deletion nor a replacement of what holds data passes."""
    for type_ in ("aws:dynamodb/table:Table", "aws:ecr/repository:Repository", "aws:s3/bucket:Bucket"):
        assert "data stays" in broken(type_, REPOSITORY, operation=operation)
    assert broken("aws:ecs/service:Service", {}, operation=operation) == []


def test_a_document_that_is_known_later_breaks_nothing_yet() -> None:
    """What cannot be read before the deployment is no violation, and no crash."""
    assert broken("aws:iam/rolePolicy:RolePolicy", {"policy": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}) == []


def test_every_rule_is_tried_here_and_told_in_the_documents() -> None:
    """No rule without a case, none that the documents leave out."""
    assert set(NAMES) == {"data stays", *(rule for rule, *_ in CASES)}
