"""Security group rules and VPC endpoints."""

from typing import Any

import pytest

from tests.stack.recording import REGION, Recording, record

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
GROUP = "aws:ec2/securityGroup:SecurityGroup"


def rules(run: Recording, kind: str) -> dict[str, dict[str, Any]]:
    """Rule -> its inputs without tags and description."""
    return {
        item.name: {key: value for key, value in item.inputs.items() if key not in ("tags", "description")}
        for item in run.all(kind)
    }


DNS = {"securityGroupId": "app-group-id", "cidrIpv4": "10.0.0.0/16", "fromPort": 53, "toPort": 53}
HTTPS = {"securityGroupId": "app-group-id", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443}
TO_AWS = {
    "app-to-endpoints": {**HTTPS, "referencedSecurityGroupId": "endpoints-group-id"},
    "app-to-s3": {**HTTPS, "prefixListId": "pl-s3"},
    "app-to-dynamodb": {**HTTPS, "prefixListId": "pl-dynamodb"},
    "app-to-dns-udp": {**DNS, "ipProtocol": "udp"},
    "app-to-dns-tcp": {**DNS, "ipProtocol": "tcp"},
}


def test_only_the_platforms_tasks_come_in(plain: Recording) -> None:
    """Inbound: health checks from the platform's tasks, and HTTPS from the app to the endpoints."""
    assert rules(plain, INGRESS) == {
        "app-from-ecs-tasks": {
            "securityGroupId": "app-group-id",
            "referencedSecurityGroupId": "sg-platform",
            "ipProtocol": "tcp",
            "fromPort": 8000,
            "toPort": 8000,
        },
        "endpoints-from-app": {
            "securityGroupId": "endpoints-group-id",
            "referencedSecurityGroupId": "app-group-id",
            "ipProtocol": "tcp",
            "fromPort": 443,
            "toPort": 443,
        },
    }


@pytest.mark.parametrize(
    ("endpoints", "beside"),
    [
        ("create", {}),
        ("existing", {"app-to-vpc": {**HTTPS, "cidrIpv4": "10.0.0.0/16"}}),
        ("nat", {"app-to-internet": {**HTTPS, "cidrIpv4": "0.0.0.0/0"}}),
    ],
)
def test_tasks_reach_aws_and_no_one_else(endpoints: str, beside: dict[str, Any]) -> None:
    """Outbound traffic is limited to endpoints, prefix lists and DNS; only `nat` allows HTTPS to anywhere."""
    assert rules(record({"network": {"endpoints": endpoints}}), EGRESS) == {**TO_AWS, **beside}


def test_the_groups_carry_no_rules_of_their_own(plain: Recording) -> None:
    """The groups have no inline rules, which would conflict with the rule resources."""
    assert sorted(plain.names(GROUP)) == ["app-group", "endpoints-group"]
    for item in plain.all(GROUP):
        assert {key: item.inputs[key] for key in item.inputs if key in ("vpcId", "ingress", "egress")} == {
            "vpcId": "vpc-0a"
        }


def test_the_port_of_the_rule_is_the_apps() -> None:
    """The rule follows app_port."""
    rule = rules(record({"app_port": 9000}), INGRESS)["app-from-ecs-tasks"]
    assert (rule["fromPort"], rule["toPort"]) == (9000, 9000)


@pytest.mark.parametrize("exec_enabled", [False, True])
def test_endpoints_by_setting(exec_enabled: bool) -> None:
    """The created endpoints: interfaces in all subnets and gateways in all route tables."""
    run = record({"network": {"endpoints": "create"}, "features": {"exec": exec_enabled}})
    services = ["ecr.api", "ecr.dkr", "logs", "sqs"] + (["ssmmessages"] if exec_enabled else [])
    interfaces = {
        f"endpoint-{service.replace('.', '-')}": {
            "vpcId": "vpc-0a",
            "serviceName": f"com.amazonaws.{REGION}.{service}",
            "vpcEndpointType": "Interface",
            "subnetIds": ["subnet-0a", "subnet-0b"],
            "securityGroupIds": ["endpoints-group-id"],
            "privateDnsEnabled": True,
        }
        for service in services
    }
    gateways = {
        f"endpoint-{service}": {
            "vpcId": "vpc-0a",
            "serviceName": f"com.amazonaws.{REGION}.{service}",
            "vpcEndpointType": "Gateway",
            "routeTableIds": ["rtb-0a", "rtb-0b"],
        }
        for service in ("s3", "dynamodb")
    }
    assert rules(run, ENDPOINT) == {**interfaces, **gateways}


def test_no_endpoint_without_the_setting(plain: Recording) -> None:
    """No endpoint is created unless it is configured."""
    assert plain.names(ENDPOINT) == []


def test_route_tables_by_setting() -> None:
    """Configured route tables replace those of the VPC."""
    run = record({"network": {"endpoints": "create", "route_table_ids": ["rtb-0123"]}})
    assert run.one(ENDPOINT, "endpoint-s3")["routeTableIds"] == ["rtb-0123"]
    assert "aws:ec2/getRouteTables:getRouteTables" not in run.calls


def test_endpoints_that_exist_are_not_created() -> None:
    """The rest is created, and tasks reach the existing ones within the VPC."""
    run = record({"network": {"endpoints": "create", "existing_endpoints": ["s3", "ecr.api"]}})
    assert run.names(ENDPOINT) == ["endpoint-dynamodb", "endpoint-ecr-dkr", "endpoint-logs", "endpoint-sqs"]
    assert rules(run, EGRESS)["app-to-vpc"] == {**HTTPS, "cidrIpv4": "10.0.0.0/16"}


def test_existing_gateways_open_no_further_way_out() -> None:
    """Gateway endpoints are reached by their prefix lists alone."""
    run = record({"network": {"endpoints": "create", "existing_endpoints": ["s3", "dynamodb"]}})
    assert rules(run, EGRESS) == TO_AWS


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("http://collector.internal:4318", 4318),
        ("https://otlp.example.com/v1", 443),
        ("http://collector", 80),
    ],
)
def test_tasks_reach_the_collector_of_traces(endpoint: str, port: int) -> None:
    """With an address range, and at the endpoint's port only."""
    run = record({"tracing": {"endpoint": endpoint, "cidr": "10.0.0.0/16"}})
    rule = run.one("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "app-to-traces")
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.0.0.0/16", port, port)
    without = record({"tracing": {"endpoint": endpoint}})
    assert "app-to-traces" not in without.names("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
