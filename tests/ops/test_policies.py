"""The policies of a preview: each has a resource that breaks it and one that does not."""

import json
from typing import Any

import pytest

from ops.policies import RULE_NAMES, violations_of
from ops.pulumi import Preview

DIGEST = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/story-tts@sha256:{'0' * 64}"


def broken(type_: str, inputs: dict[str, Any], *, operation: str = "create") -> list[str]:
    """Return the names of the rules that a resource breaks."""
    step = {
        "op": operation,
        "urn": f"urn:pulumi:p::story-tts::a:b:C${type_}::it",
        "newState": {"inputs": inputs},
    }
    return [violation.rule for violation in violations_of(Preview("p", {"steps": [step]}))]


def policy(**statement: Any) -> dict[str, Any]:
    """Return the inputs of a policy with one statement that allows something."""
    return {"policy": json.dumps({"Statement": [{"Effect": "Allow", **statement}]})}


def containers(image: str) -> dict[str, Any]:
    """Return the inputs of a task definition."""
    return {"containerDefinitions": json.dumps([{"name": "worker", "image": image}])}


REPOSITORY = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
ARN = "arn:aws:sqs:us-east-1:123456789012:jobs"
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    (
        "no public IP",
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
        "no open ingress",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv4": "0.0.0.0/0"},
        {"cidrIpv4": "10.0.0.0/16"},
    ),
    (
        "no open ingress",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"cidrIpv6": "::/0"},
        {"referencedSecurityGroupId": "sg-1"},
    ),
    (
        "immutable tags, scanned images",
        "aws:ecr/repository:Repository",
        {**REPOSITORY, "imageTagMutability": "MUTABLE"},
        {**REPOSITORY, "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"},
    ),
    (
        "immutable tags, scanned images",
        "aws:ecr/repository:Repository",
        {**REPOSITORY, "imageScanningConfiguration": {"scanOnPush": False}},
        REPOSITORY,
    ),
    ("encrypted queues", "aws:sqs/queue:Queue", {"name": "q"}, {"sqsManagedSseEnabled": True}),
    (
        "encrypted queues",
        "aws:sqs/queue:Queue",
        {"sqsManagedSseEnabled": False},
        {"kmsMasterKeyId": "alias/k"},
    ),
    ("log retention", "aws:cloudwatch/logGroup:LogGroup", {}, {"retentionInDays": 30}),
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
def test_a_rule_is_broken_by_its_resource_only(
    rule: str, type_: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    """The bad resource breaks this rule only, the good one none."""
    assert broken(type_, bad) == [rule]
    assert broken(type_, good) == []


@pytest.mark.parametrize("operation", ["delete", "replace"])
def test_resources_with_data_are_not_deleted(operation: str) -> None:
    """A deletion or a replacement of a table, repository or bucket is a violation."""
    for type_ in ("aws:dynamodb/table:Table", "aws:ecr/repository:Repository", "aws:s3/bucket:Bucket"):
        assert "data is kept" in broken(type_, REPOSITORY, operation=operation)
    assert broken("aws:ecs/service:Service", {}, operation=operation) == []


def test_an_unknown_document_is_no_violation() -> None:
    """A policy that is known only after the deployment is skipped."""
    assert broken("aws:iam/rolePolicy:RolePolicy", {"policy": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}) == []


def test_every_rule_has_a_case() -> None:
    """A new rule needs a case here."""
    assert set(RULE_NAMES) == {"data is kept", *(rule for rule, *_ in CASES)}
