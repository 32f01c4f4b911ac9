"""What can be reached from outside."""

from collections.abc import Iterator, Mapping
from typing import Any

from .resource import Resource, Rule, as_list

ANYWHERE = {"0.0.0.0/0", "::/0"}
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"


def _no_public_address(resource: Resource) -> Iterator[str]:
    if (resource.inputs.get("networkConfiguration") or {}).get("assignPublicIp"):
        yield "its tasks have public addresses: set assignPublicIp to false"


def _no_open_ingress(resource: Resource) -> Iterator[str]:
    rules: list[Mapping[str, Any]] = (
        as_list(resource.inputs.get("ingress")) if resource.type == GROUP else [resource.inputs]
    )
    for rule in rules:
        sources = {rule.get("cidrIpv4"), rule.get("cidrIpv6")}
        sources |= {*as_list(rule.get("cidrBlocks")), *as_list(rule.get("ipv6CidrBlocks"))}
        if sources & ANYWHERE:
            yield "it is open to the whole internet: name a group or a range of addresses"


RULES = (
    Rule(
        "no-public-addresses",
        "Tasks have no public addresses.",
        frozenset({"aws:ecs/service:Service"}),
        _no_public_address,
    ),
    Rule("no-open-ingress", "No group is open to everybody.", frozenset({INGRESS, GROUP}), _no_open_ingress),
)
