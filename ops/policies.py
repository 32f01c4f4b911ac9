"""
Rules for every deployment, checked on the JSON of a preview before anything is changed.

The program follows them by itself; these checks find a setting or a change of the program that breaks one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.pulumi import Preview

ANY_ADDRESS = {"0.0.0.0/0", "::/0"}
# Actions that support no resource-level permissions, and the channel of `aws ecs execute-command`.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsessionmanagermessagegatewayservice.html
WITHOUT_RESOURCE_LEVEL = ("ecr:GetAuthorizationToken", "ssmmessages:")
STATEFUL = {
    "aws:dynamodb/table:Table",
    "aws:ecr/repository:Repository",
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:sqs/queue:Queue",
}

Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Violation:
    """A resource that breaks a rule."""

    rule: str
    resource: str
    message: str


Rule = Callable[[Inputs], Iterator[str]]


def violations_of(preview: Preview) -> list[Violation]:
    """Return the violations of all resources of a preview, sorted by rule."""
    found = []
    for step in preview.steps:
        type_, name = step["urn"].split("::")[2].split("$")[-1], step["urn"].split("::")[3]
        if type_ in STATEFUL and step["op"] in {"delete", "replace", "delete-replaced"}:
            message = "it holds data; only an operator may delete it, by hand"
            found.append(Violation("data is kept", f"{type_} {name}", message))
        inputs = (step.get("newState") or {}).get("inputs") or {}
        for rule_type, rule_name, rule in RULES:
            if rule_type == type_:
                found += [Violation(rule_name, f"{type_} {name}", message) for message in rule(inputs)]
    return sorted(set(found), key=lambda violation: (violation.rule, violation.resource))


def _no_public_ip(inputs: Inputs) -> Iterator[str]:
    if inputs.get("networkConfiguration", {}).get("assignPublicIp"):
        yield "its tasks would have public IP addresses"


def _image_by_digest(inputs: Inputs) -> Iterator[str]:
    for container in _parse(inputs.get("containerDefinitions", "[]")) or []:
        if "@sha256:" not in str(container.get("image", "")):
            yield f"container {container.get('name')} names its image by tag; a tag can move"


def _no_open_ingress(inputs: Inputs) -> Iterator[str]:
    if {inputs.get("cidrIpv4"), inputs.get("cidrIpv6")} & ANY_ADDRESS:
        yield "it would be open to the whole internet"


def _immutable_and_scanned(inputs: Inputs) -> Iterator[str]:
    if not str(inputs.get("imageTagMutability", "")).startswith("IMMUTABLE"):
        yield "its tags could be moved to another image"
    if not inputs.get("imageScanningConfiguration", {}).get("scanOnPush"):
        yield "its images would not be scanned"


def _encrypted(inputs: Inputs) -> Iterator[str]:
    if not (inputs.get("sqsManagedSseEnabled") or inputs.get("kmsMasterKeyId")):
        yield "its messages would not be encrypted"


def _log_retention(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("retentionInDays"):
        yield "its logs would never expire"


def _least_privilege(inputs: Inputs) -> Iterator[str]:
    for statement in _as_list((_parse(inputs.get("policy", "{}")) or {}).get("Statement")):
        if statement.get("Effect") != "Allow":
            continue
        actions = [str(action) for action in _as_list(statement.get("Action"))]
        for action in actions:
            if action == "*" or action.endswith(":*"):
                yield f"it would grant {action}"
        unbound = [action for action in actions if not action.startswith(WITHOUT_RESOURCE_LEVEL)]
        if "*" in _as_list(statement.get("Resource")) and unbound and not statement.get("Condition"):
            yield f"it would grant {', '.join(unbound)} on every resource"


def _parse(text: Any) -> Any:
    """Parse a JSON document; None for one that is known only after the deployment."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except json.JSONDecodeError:
        return None


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


RULES: tuple[tuple[str, str, Rule], ...] = (
    ("aws:ecs/service:Service", "no public IP", _no_public_ip),
    ("aws:ecs/taskDefinition:TaskDefinition", "image by digest", _image_by_digest),
    ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "no open ingress", _no_open_ingress),
    ("aws:ecr/repository:Repository", "immutable tags, scanned images", _immutable_and_scanned),
    ("aws:sqs/queue:Queue", "encrypted queues", _encrypted),
    ("aws:cloudwatch/logGroup:LogGroup", "log retention", _log_retention),
    ("aws:iam/policy:Policy", "least privilege", _least_privilege),
    ("aws:iam/rolePolicy:RolePolicy", "least privilege", _least_privilege),
)
RULE_NAMES = ("data is kept", *dict.fromkeys(name for _, name, _ in RULES))
