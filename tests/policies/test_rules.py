"""The policy pack: each rule has a resource that breaks it and one that does not; the stack breaks none."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from policies.rules import RULES
from policies.rules.resource import Resource
from tests.stack.recording import record
from tests.stack.test_program import VARIANTS

ARN = "arn:aws:sqs:us-east-1:123456789012:jobs"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/story-tts"
DIGEST = f"{IMAGE}@sha256:{'0' * 64}"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
REPOSITORY = "aws:ecr/repository:Repository"
TABLE = "aws:dynamodb/table:Table"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
Inputs = Mapping[str, Any]


def broken(type_: str, inputs: Inputs, *, is_protected: bool = False) -> list[str]:
    """Return the names of the rules that a resource breaks."""
    resource = Resource(type_, inputs, is_protected=is_protected)
    return [rule.name for rule in RULES if type_ in rule.types and list(rule.check(resource))]


def policy(*, key: str = "policy", tls: bool = False, **statement: Any) -> Inputs:
    """Return a policy with one statement that allows something, and one that requires TLS."""
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": ARN,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {key: json.dumps({"Statement": [{"Effect": "Allow", **statement}, *([deny] if tls else [])]})}


def task(*, image: str = DIGEST, name: str = "PORT", value: str = "8000", **size: str) -> Inputs:
    """Return a task definition with one container and one variable."""
    container = {"name": "worker", "image": image, "environment": [{"name": name, "value": value}]}
    return {"containerDefinitions": json.dumps([container]), "cpu": "1024", "memory": "2048", **size}


GOOD_REPOSITORY = {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}}
GOOD_BLOCK = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
SENDING: Inputs = {"Action": "sqs:SendMessage", "Resource": ARN}
SNS = {"Service": "sns.amazonaws.com"}
CASES: list[tuple[str, str, Inputs, Inputs]] = [
    ("least-privilege", ROLE_POLICY, policy(Action="sqs:*", Resource=ARN), policy(**SENDING)),
    (
        "least-privilege",
        "aws:iam/policy:Policy",
        policy(Action=["sqs:SendMessage"], Resource="*"),
        policy(Action=["ecr:GetAuthorizationToken"], Resource="*"),
    ),
    ("least-privilege", ROLE_POLICY, policy(NotAction="iam:PassRole", Resource=ARN), policy(**SENDING)),
    *(
        (
            "no-public-access",
            type_,
            policy(key=key, tls=True, Principal=everybody, Action="x:Do", Resource=ARN),
            policy(key=key, tls=True, Principal=SNS, Action="x:Do", Resource=ARN),
        )
        for type_, key in (
            ("aws:s3/bucketPolicy:BucketPolicy", "policy"),
            ("aws:sqs/queuePolicy:QueuePolicy", "policy"),
            ("aws:sns/topicPolicy:TopicPolicy", "policy"),
            ("aws:ecr/repositoryPolicy:RepositoryPolicy", "policy"),
            ("aws:iam/role:Role", "assumeRolePolicy"),
        )
        for everybody in ("*", {"AWS": ["*"]})
    ),
    *(
        ("tls-only", type_, policy(Principal=SNS, **SENDING), policy(tls=True, Principal=SNS, **SENDING))
        for type_ in (
            "aws:s3/bucketPolicy:BucketPolicy",
            "aws:sqs/queuePolicy:QueuePolicy",
            "aws:sns/topicPolicy:TopicPolicy",
        )
    ),
    *(("private-buckets", BLOCK, {**GOOD_BLOCK, switch: False}, GOOD_BLOCK) for switch in GOOD_BLOCK),
    ("encrypted-queues", "aws:sqs/queue:Queue", {"name": "q"}, {"sqsManagedSseEnabled": True}),
    (
        "encrypted-queues",
        "aws:sqs/queue:Queue",
        {"sqsManagedSseEnabled": False},
        {"kmsMasterKeyId": "alias/k"},
    ),
    (
        "encrypted-buckets",
        ENCRYPTION,
        {"rules": [{"bucketKeyEnabled": True}]},
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}}]},
    ),
    ("log-retention", "aws:cloudwatch/logGroup:LogGroup", {}, {"retentionInDays": 30}),
    (
        "no-public-addresses",
        "aws:ecs/service:Service",
        {"networkConfiguration": {"assignPublicIp": True}},
        {"networkConfiguration": {"assignPublicIp": False}},
    ),
    ("no-open-ingress", INGRESS, {"cidrIpv4": "0.0.0.0/0"}, {"cidrIpv4": "10.0.0.0/16"}),
    ("no-open-ingress", INGRESS, {"cidrIpv6": "::/0"}, {"referencedSecurityGroupId": "sg-1"}),
    (
        "no-open-ingress",
        "aws:ec2/securityGroup:SecurityGroup",
        {"ingress": [{"cidrBlocks": ["0.0.0.0/0"]}]},
        {"egress": [{"cidrBlocks": ["0.0.0.0/0"]}]},
    ),
    ("image-by-digest", TASK, task(image=f"{IMAGE}:latest"), task()),
    ("task-size", TASK, task(cpu="16384"), task(cpu="8192")),
    ("task-size", TASK, task(memory="61440"), task(memory="16384")),
    ("no-plain-secrets", TASK, task(name="HF_TOKEN"), task(name="READING_SPEED")),
    (
        "no-plain-secrets",
        TASK,
        task(value="https://me:secret@example.com"),
        task(value="https://example.com"),
    ),
    ("immutable-images", REPOSITORY, {**GOOD_REPOSITORY, "imageTagMutability": "MUTABLE"}, GOOD_REPOSITORY),
    (
        "immutable-images",
        REPOSITORY,
        {**GOOD_REPOSITORY, "imageScanningConfiguration": {"scanOnPush": False}},
        {**GOOD_REPOSITORY, "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION"},
    ),
]


@pytest.mark.parametrize(("rule", "type_", "bad", "good"), CASES)
def test_a_rule_is_broken_by_its_resource_only(rule: str, type_: str, bad: Inputs, good: Inputs) -> None:
    """The bad resource breaks this rule only, the good one none."""
    assert broken(type_, bad) == [rule]
    assert broken(type_, good) == []


@pytest.mark.parametrize("type_", [TABLE, "aws:s3/bucket:Bucket", "aws:sqs/queue:Queue", REPOSITORY])
def test_data_of_production_is_protected(type_: str) -> None:
    """What holds data of production cannot be deleted; elsewhere it can."""
    kept = {**GOOD_REPOSITORY, "sqsManagedSseEnabled": True, "deletionProtectionEnabled": True}
    production = {**kept, "tags": {"Environment": "production"}}
    assert broken(type_, production) == ["protected-data"]
    assert broken(type_, production, is_protected=True) == []
    assert broken(type_, {**kept, "tags": {"Environment": "staging"}}) == []


def test_dynamodb_protects_the_table_of_production_too() -> None:
    """The engine keeps the table from a deployment, DynamoDB from everybody."""
    table = {"tags": {"Environment": "production"}, "deletionProtectionEnabled": False}
    assert broken(TABLE, table, is_protected=True) == ["protected-data"]


@pytest.mark.parametrize("variant", ["own-storage", "exec", "secrets", "encrypted"])
def test_the_stack_keeps_every_rule(variant: str) -> None:
    """No resource that the program declares breaks a rule, whatever the settings."""
    run = record(VARIANTS[variant])
    faults = {
        item.name: rules
        for item in run.resources
        if (
            rules := broken(
                item.type,
                item.inputs,
                is_protected=bool(run.options[f"{item.type} {item.name}"].protect),
            )
        )
    }
    assert faults == {}


def test_every_rule_has_a_case() -> None:
    """A new rule needs a case here."""
    assert {rule.name for rule in RULES} == {"protected-data", *(rule for rule, *_ in CASES)}
