"""The VPC of an own platform."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from stack.config import setting_error
from stack.naming import Naming
from stack.network import VpcNetwork

ZONES = 2


class Vpc(pulumi.ComponentResource):
    """A VPC with a private subnet in each zone; with `nat` also a public subnet and a NAT gateway."""

    def __init__(
        self,
        *,
        naming: Naming,
        cidr: str,
        zones: list[str],
        nat: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Vpc", "vpc", None, opts)
        self._naming = naming
        self._network = cidr.rsplit(".", 2)[0]
        self.vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=cidr,
            # Private DNS of endpoints and of Cloud Map needs both.
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=naming.tags(naming.prefixed("vpc")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = self.vpc.id
        self.cidr = self.vpc.cidr_block
        self._private_table = self._route_table("private")
        private = [self._subnet(f"private-{n}", n, zone) for n, zone in enumerate(zones)]
        for n, subnet in enumerate(private):
            self._associate(f"private-{n}", subnet, self._private_table)
        if nat:
            self._add_nat_gateway(zones[0], block=len(zones))
        self.private_subnet_ids = pulumi.Output.all(*[subnet.id for subnet in private]).apply(list)
        self.route_table_ids = pulumi.Output.all(self._private_table.id).apply(list)
        self.network = VpcNetwork(
            id=self.id,
            cidr=self.cidr,
            private_subnet_ids=self.private_subnet_ids,
            route_table_ids=self.route_table_ids,
        )
        self.tasks_group_id = self._tasks_group().id
        self.register_outputs({"id": self.id})

    def _route_table(self, suffix: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{suffix}-routes",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(self._naming.prefixed(f"{suffix}-routes")),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _subnet(self, suffix: str, block: int, zone: str) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            suffix,
            vpc_id=self.vpc.id,
            # 4096 addresses per subnet, sixteen subnets in a /16.
            cidr_block=f"{self._network}.{block * 16}.0/20",
            availability_zone=zone,
            map_public_ip_on_launch=False,
            tags=self._naming.tags(self._naming.prefixed(suffix)),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _associate(self, name: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{name}-routes",
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _add_nat_gateway(self, zone: str, *, block: int) -> None:
        gateway = aws.ec2.InternetGateway(
            "internet",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(self._naming.prefixed("internet")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        public = self._subnet("public-0", block, zone)
        public_table = self._route_table("public")
        self._associate("public-0", public, public_table)
        address = aws.ec2.Eip(
            "nat-address",
            domain="vpc",
            tags=self._naming.tags(self._naming.prefixed("nat")),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        nat = aws.ec2.NatGateway(
            "nat",
            subnet_id=public.id,
            allocation_id=address.allocation_id,
            tags=self._naming.tags(self._naming.prefixed("nat")),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        self._default_route("public-out", public_table, gateway_id=gateway.id)
        self._default_route("private-out", self._private_table, nat_gateway_id=nat.id)

    def _default_route(
        self,
        name: str,
        table: aws.ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        aws.ec2.Route(
            name,
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _tasks_group(self) -> aws.ec2.SecurityGroup:
        name = "ecs-tasks-sg" if self._naming.app == "story-tts" else self._naming.prefixed("ecs-tasks-sg")
        return aws.ec2.SecurityGroup(
            "ecs-tasks-group",
            name=name,
            description="tasks of the platform, as other services know them",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )


def choose_zones(*, region: str, services: Sequence[str]) -> list[str]:
    """The names of the first two availability zones that offer the interface endpoints of all services.

    Zones that need an opt-in are left out. Raises SettingsError if fewer than two zones remain.
    """
    found = aws.get_availability_zones(
        state="available",
        filters=[aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
    )
    zones = set(found.names)
    for service in services:
        offered = aws.ec2.get_vpc_endpoint_service(service_name=f"com.amazonaws.{region}.{service}")
        zones &= set(offered.availability_zones)
    if len(zones) < ZONES:
        text = f"{region} has no {ZONES} availability zones with endpoints of all of {', '.join(services)}"
        raise setting_error("network.endpoints", text, example="nat")
    return sorted(zones)[:ZONES]
