"""
Rules that every deployment keeps, checked on what a preview would create or change, before anything is.

The program keeps them by itself; these catch a setting or a change of the program that would break one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.pulumi import Previewed

ANYWHERE = {"0.0.0.0/0", "::/0"}
# Actions that IAM grants on no resource in particular, and the channel of `aws ecs execute-command`.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsessionmanagermessagegatewayservice.html
WITHOUT_RESOURCE = ("ecr:GetAuthorizationToken", "ssmmessages:")
HOLDS_DATA = {
    "aws:dynamodb/table:Table",
    "aws:ecr/repository:Repository",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:sqs/queue:Queue",
}

Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """A resource that would break a rule."""

    rule: str
    resource: str
    said: str


Rule = Callable[[Inputs], Iterator[str]]


def violations_of(previewed: Previewed) -> list[Violation]:
    """Return what the preview's resources, as they would be, break."""
    found = []
    for step in previewed.steps:
        type_, name = step["urn"].split("::")[2].split("$")[-1], step["urn"].split("::")[3]
        if type_ in HOLDS_DATA and step["op"] in {"delete", "replace", "delete-replaced"}:
            said = "it holds data, and goes by an operator's own hand only"
            found.append(Violation("data stays", f"{type_} {name}", said))
        inputs = (step.get("newState") or {}).get("inputs") or {}
        for rule_type, rule_name, rule in RULES:
            if rule_type == type_:
                found += [Violation(rule_name, f"{type_} {name}", said) for said in rule(inputs)]
    return sorted(set(found), key=lambda violation: (violation.rule, violation.resource))


def _no_public_address(inputs: Inputs) -> Iterator[str]:
    if inputs.get("networkConfiguration", {}).get("assignPublicIp"):
        yield "its tasks would have public addresses"


def _image_by_digest(inputs: Inputs) -> Iterator[str]:
    for container in _document(inputs.get("containerDefinitions", "[]")) or []:
        if "@sha256:" not in str(container.get("image", "")):
            yield f"container {container.get('name')} names its image by a tag, which can move"


def _not_from_anywhere(inputs: Inputs) -> Iterator[str]:
    if {inputs.get("cidrIpv4"), inputs.get("cidrIpv6")} & ANYWHERE:
        yield "it would let in the whole internet"


def _immutable_and_scanned(inputs: Inputs) -> Iterator[str]:
    if not str(inputs.get("imageTagMutability", "")).startswith("IMMUTABLE"):
        yield "its tags could move"
    if not inputs.get("imageScanningConfiguration", {}).get("scanOnPush"):
        yield "its images would not be scanned"


def _encrypted(inputs: Inputs) -> Iterator[str]:
    if not (inputs.get("sqsManagedSseEnabled") or inputs.get("kmsMasterKeyId")):
        yield "its messages would not be encrypted"


def _kept_for_a_time(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("retentionInDays"):
        yield "its logs would be kept, and paid for, for ever"


def _least_privilege(inputs: Inputs) -> Iterator[str]:
    for statement in _listed((_document(inputs.get("policy", "{}")) or {}).get("Statement")):
        if statement.get("Effect") != "Allow":
            continue
        actions = [str(action) for action in _listed(statement.get("Action"))]
        for action in actions:
            if action == "*" or action.endswith(":*"):
                yield f"it would grant {action}"
        unbound = [action for action in actions if not action.startswith(WITHOUT_RESOURCE)]
        if "*" in _listed(statement.get("Resource")) and unbound and not statement.get("Condition"):
            yield f"it would grant {', '.join(unbound)} on everything"


def _document(text: Any) -> Any:
    """Open a JSON document; one that is known only later cannot be looked at."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return None


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


RULES: tuple[tuple[str, str, Rule], ...] = (
    ("aws:ecs/service:Service", "no public address", _no_public_address),
    ("aws:ecs/taskDefinition:TaskDefinition", "image by digest", _image_by_digest),
    ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "not from anywhere", _not_from_anywhere),
    ("aws:ecr/repository:Repository", "immutable and scanned", _immutable_and_scanned),
    ("aws:sqs/queue:Queue", "encrypted", _encrypted),
    ("aws:cloudwatch/logGroup:LogGroup", "logs end", _kept_for_a_time),
    ("aws:iam/policy:Policy", "least privilege", _least_privilege),
    ("aws:iam/rolePolicy:RolePolicy", "least privilege", _least_privilege),
)
NAMES = ("data stays", *dict.fromkeys(name for _, name, _ in RULES))
