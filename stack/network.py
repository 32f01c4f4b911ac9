"""Network access of the tasks: security groups, their rules, and VPC endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from stack.config import NetworkSettings, TracingSettings
from stack.naming import Naming

HTTPS_PORT = 443
DNS_PORT = 53

INTERFACES = ("ecr.api", "ecr.dkr", "logs", "sqs")
GATEWAYS = ("s3", "dynamodb")


@dataclass(frozen=True, kw_only=True)
class VpcNetwork:
    """The VPC that the tasks run in; route tables are needed only to create gateway endpoints."""

    id: pulumi.Input[str]
    cidr: pulumi.Input[str]
    private_subnet_ids: pulumi.Input[list[str]]
    route_table_ids: pulumi.Input[list[str]]


class Network(pulumi.ComponentResource):
    """The security groups of the tasks and of the VPC endpoints, and the rules between them."""

    def __init__(
        self,
        *,
        naming: Naming,
        region: str,
        vpc: VpcNetwork,
        ecs_tasks_group_id: pulumi.Input[str],
        app_port: int,
        endpoints: Literal["create", "existing", "nat"],
        settings: NetworkSettings,
        extra_services: Sequence[str],
        tracing: TracingSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Network", "network", None, opts)
        self._naming = naming
        self._region = region
        self._vpc_id = vpc.id
        self.app_group = self._group("app", "story-tts tasks: health checks in, AWS out")
        self.endpoints_group = self._group("endpoints", "VPC endpoints that story-tts tasks use")
        self.app_group_id = self.app_group.id

        self._allow_in("app-from-ecs-tasks", self.app_group, app_port, ecs_tasks_group_id, "health checks")
        self._allow_in(
            "endpoints-from-app", self.endpoints_group, HTTPS_PORT, self.app_group.id, "story-tts tasks"
        )
        self._allow_aws_out()
        self._allow_dns_out(vpc.cidr)
        if endpoints == "existing" or set(settings.existing_endpoints) - set(GATEWAYS):
            self._allow_https_out("vpc", vpc.cidr, "the endpoints that the VPC has")
        elif endpoints == "nat":
            self._allow_https_out("internet", "0.0.0.0/0", "AWS through a NAT gateway, which knows no groups")

        if tracing.cidr:
            self._allow_out("traces", tracing.cidr, tracing.port, "the collector of traces")

        self.endpoints: list[pulumi.Resource] = []
        if endpoints == "create":
            self.endpoints += Endpoints(
                naming=naming,
                region=region,
                vpc=vpc,
                group_id=self.endpoints_group.id,
                services=(
                    *interface_services(settings, extra_services=extra_services),
                    *gateway_services(settings),
                ),
                opts=pulumi.ResourceOptions(parent=self),
            ).all
        self.register_outputs({"app_group_id": self.app_group_id})

    def _group(self, suffix: str, description: str) -> aws.ec2.SecurityGroup:
        name = self._naming.prefixed(suffix)
        return aws.ec2.SecurityGroup(
            f"{suffix}-group",
            name=name,
            description=description,
            vpc_id=self._vpc_id,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _allow_in(
        self,
        name: str,
        group: aws.ec2.SecurityGroup,
        port: int,
        source: pulumi.Input[str],
        description: str,
    ) -> None:
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=group.id,
            referenced_security_group_id=source,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=description,
            tags=self._naming.tags(self._naming.prefixed(name)),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _allow_aws_out(self) -> None:
        name = "app-to-endpoints"
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=self.app_group.id,
            referenced_security_group_id=self.endpoints_group.id,
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            description="AWS services through VPC endpoints",
            tags=self._naming.tags(self._naming.prefixed(name)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        for service in GATEWAYS:
            prefixes = aws.ec2.get_managed_prefix_list_output(
                name=f"com.amazonaws.{self._region}.{service}", opts=pulumi.InvokeOptions(parent=self)
            )
            aws.vpc.SecurityGroupEgressRule(
                f"app-to-{service}",
                security_group_id=self.app_group.id,
                prefix_list_id=prefixes.id,
                ip_protocol="tcp",
                from_port=HTTPS_PORT,
                to_port=HTTPS_PORT,
                description=f"{service} through its gateway endpoint",
                tags=self._naming.tags(self._naming.prefixed(f"app-to-{service}")),
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _allow_dns_out(self, vpc_cidr: pulumi.Input[str]) -> None:
        for protocol in ("udp", "tcp"):
            name = f"app-to-dns-{protocol}"
            aws.vpc.SecurityGroupEgressRule(
                name,
                security_group_id=self.app_group.id,
                cidr_ipv4=vpc_cidr,
                ip_protocol=protocol,
                from_port=DNS_PORT,
                to_port=DNS_PORT,
                description="DNS resolver of the VPC",
                tags=self._naming.tags(self._naming.prefixed(name)),
                opts=pulumi.ResourceOptions(parent=self),
            )

    def _allow_https_out(self, target: str, cidr: pulumi.Input[str], description: str) -> None:
        self._allow_out(target, cidr, HTTPS_PORT, description)

    def _allow_out(self, target: str, cidr: pulumi.Input[str], port: int, description: str) -> None:
        name = f"app-to-{target}"
        aws.vpc.SecurityGroupEgressRule(
            name,
            security_group_id=self.app_group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=description,
            tags=self._naming.tags(self._naming.prefixed(name)),
            opts=pulumi.ResourceOptions(parent=self),
        )


class Endpoints(pulumi.ComponentResource):
    """VPC endpoints for AWS services that tasks call; interface endpoints share one security group."""

    def __init__(
        self,
        *,
        naming: Naming,
        region: str,
        vpc: VpcNetwork,
        group_id: pulumi.Input[str],
        services: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Endpoints", "endpoints", None, opts)
        self._naming = naming
        self._region = region
        self._vpc = vpc
        self.all: list[pulumi.Resource] = [
            self._gateway(service) if service in GATEWAYS else self._interface(service, group_id)
            for service in services
        ]
        self.register_outputs({})

    def _interface(self, service: str, group_id: pulumi.Input[str]) -> pulumi.Resource:
        name = f"endpoint-{service.replace('.', '-')}"
        return aws.ec2.VpcEndpoint(
            name,
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{self._region}.{service}",
            vpc_endpoint_type="Interface",
            subnet_ids=self._vpc.private_subnet_ids,
            security_group_ids=[group_id],
            private_dns_enabled=True,
            tags=self._naming.tags(self._naming.prefixed(name)),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _gateway(self, service: str) -> pulumi.Resource:
        name = f"endpoint-{service}"
        return aws.ec2.VpcEndpoint(
            name,
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{self._region}.{service}",
            vpc_endpoint_type="Gateway",
            route_table_ids=self._vpc.route_table_ids,
            tags=self._naming.tags(self._naming.prefixed(name)),
            opts=pulumi.ResourceOptions(parent=self),
        )


def interface_services(settings: NetworkSettings, *, extra_services: Sequence[str]) -> list[str]:
    """The services that tasks need an interface endpoint for, and that have none yet."""
    services = (*INTERFACES, *extra_services)
    return [service for service in services if service not in settings.existing_endpoints]


def gateway_services(settings: NetworkSettings) -> list[str]:
    """The services that tasks need a gateway endpoint for, and that have none yet."""
    return [service for service in GATEWAYS if service not in settings.existing_endpoints]


def existing_vpc(
    vpc_id: pulumi.Input[str],
    *,
    private_subnet_ids: pulumi.Input[list[str]],
    route_table_ids: Sequence[str],
    with_route_tables: bool,
) -> VpcNetwork:
    """The network of a VPC that another stack owns; its route tables are looked up unless some are chosen."""
    tables: pulumi.Input[list[str]] = []
    if with_route_tables:
        tables = list(route_table_ids) or aws.ec2.get_route_tables_output(vpc_id=vpc_id).ids
    return VpcNetwork(
        id=vpc_id,
        cidr=aws.ec2.get_vpc_output(id=vpc_id).cidr_block,
        private_subnet_ids=private_subnet_ids,
        route_table_ids=tables,
    )
