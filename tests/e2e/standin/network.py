"""VPC, security groups, endpoints and service discovery of the double."""

from typing import Any

from typing_extensions import override

from tests.e2e.standin.base import Properties, Resource, pairs, resource


def _tagged(kind: str, inputs: Properties) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": pairs(inputs["tags"])}] if inputs.get("tags") else []


class Tagged(Resource):
    """A resource of EC2 of which only the tags change in place."""

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("ec2").create_tags(Resources=[id_], Tags=pairs(inputs.get("tags")))
        return {key: value for key, value in state.items() if key not in inputs}


@resource
class Vpc(Tagged):
    """A VPC."""

    token = "aws:ec2/vpc:Vpc"
    replaces = frozenset({"cidrBlock"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        ec2 = self.aws.client("ec2")
        vpc = ec2.create_vpc(CidrBlock=inputs["cidrBlock"], TagSpecifications=_tagged("vpc", inputs))["Vpc"]
        for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
            value = inputs[attribute[0].lower() + attribute[1:]]
            ec2.modify_vpc_attribute(VpcId=vpc["VpcId"], **{attribute: {"Value": value}})
        return vpc["VpcId"], {"arn": f"arn:aws:ec2:{self.aws.region}:{self.aws.account}:vpc/{vpc['VpcId']}"}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_vpc(VpcId=id_)


@resource
class Subnet(Tagged):
    """A subnet."""

    token = "aws:ec2/subnet:Subnet"
    replaces = frozenset({"vpcId", "cidrBlock", "availabilityZone"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        subnet = self.aws.client("ec2").create_subnet(
            VpcId=inputs["vpcId"],
            CidrBlock=inputs["cidrBlock"],
            AvailabilityZone=inputs["availabilityZone"],
            TagSpecifications=_tagged("subnet", inputs),
        )["Subnet"]
        return subnet["SubnetId"], {"arn": subnet["SubnetArn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_subnet(SubnetId=id_)


@resource
class RouteTable(Tagged):
    """A route table."""

    token = "aws:ec2/routeTable:RouteTable"
    replaces = frozenset({"vpcId"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        table = self.aws.client("ec2").create_route_table(
            VpcId=inputs["vpcId"], TagSpecifications=_tagged("route-table", inputs)
        )["RouteTable"]
        return table["RouteTableId"], {}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_route_table(RouteTableId=id_)


@resource
class RouteTableAssociation(Resource):
    """A subnet's route table."""

    token = "aws:ec2/routeTableAssociation:RouteTableAssociation"
    replaces = frozenset({"subnetId", "routeTableId"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("ec2").associate_route_table(
            SubnetId=inputs["subnetId"], RouteTableId=inputs["routeTableId"]
        )
        return made["AssociationId"], {}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").disassociate_route_table(AssociationId=id_)


@resource
class InternetGateway(Tagged):
    """The VPC's way to the internet."""

    token = "aws:ec2/internetGateway:InternetGateway"
    replaces = frozenset({"vpcId"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        ec2 = self.aws.client("ec2")
        made = ec2.create_internet_gateway(TagSpecifications=_tagged("internet-gateway", inputs))[
            "InternetGateway"
        ]
        ec2.attach_internet_gateway(InternetGatewayId=made["InternetGatewayId"], VpcId=inputs["vpcId"])
        return made["InternetGatewayId"], {}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        ec2 = self.aws.client("ec2")
        ec2.detach_internet_gateway(InternetGatewayId=id_, VpcId=state["vpcId"])
        ec2.delete_internet_gateway(InternetGatewayId=id_)


@resource
class Eip(Tagged):
    """A public address."""

    token = "aws:ec2/eip:Eip"
    replaces = frozenset({"domain"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("ec2").allocate_address(Domain=inputs["domain"])
        return made["AllocationId"], {"allocationId": made["AllocationId"], "publicIp": made["PublicIp"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").release_address(AllocationId=id_)


@resource
class NatGateway(Tagged):
    """The private subnets' way out."""

    token = "aws:ec2/natGateway:NatGateway"
    replaces = frozenset({"subnetId", "allocationId"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("ec2").create_nat_gateway(
            SubnetId=inputs["subnetId"], AllocationId=inputs["allocationId"]
        )["NatGateway"]
        return made["NatGatewayId"], {}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_nat_gateway(NatGatewayId=id_)


@resource
class Route(Resource):
    """A route to a gateway."""

    token = "aws:ec2/route:Route"
    replaces = frozenset({"routeTableId", "destinationCidrBlock", "gatewayId", "natGatewayId"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        gateways = {"gatewayId": "GatewayId", "natGatewayId": "NatGatewayId"}
        taken = {name: inputs[key] for key, name in gateways.items() if key in inputs}
        self.aws.client("ec2").create_route(
            RouteTableId=inputs["routeTableId"], DestinationCidrBlock=inputs["destinationCidrBlock"], **taken
        )
        return f"{inputs['routeTableId']}-{inputs['destinationCidrBlock']}", {}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_route(
            RouteTableId=state["routeTableId"], DestinationCidrBlock=state["destinationCidrBlock"]
        )


@resource
class SecurityGroup(Tagged):
    """A security group; AWS opens it to everywhere at first, and the real provider closes that again."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    replaces = frozenset({"name", "description", "vpcId"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        ec2 = self.aws.client("ec2")
        group = ec2.create_security_group(
            GroupName=inputs["name"],
            Description=inputs["description"],
            VpcId=inputs["vpcId"],
            TagSpecifications=_tagged("security-group", inputs),
        )["GroupId"]
        (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        ec2.revoke_security_group_egress(GroupId=group, IpPermissions=found["IpPermissionsEgress"])
        return group, {"arn": f"arn:aws:ec2:{self.aws.region}:{self.aws.account}:security-group/{group}"}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_security_group(GroupId=id_)


class Rule(Resource):
    """One rule of a group."""

    replaces = frozenset({"securityGroupId"})
    way: str

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        ec2 = self.aws.client("ec2")
        authorize = getattr(ec2, f"authorize_security_group_{self.way}")
        permission: Properties = {
            "IpProtocol": inputs["ipProtocol"],
            "FromPort": inputs["fromPort"],
            "ToPort": inputs["toPort"],
        }
        described = {"Description": inputs["description"]}
        if "cidrIpv4" in inputs:
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **described}]
        if "prefixListId" in inputs:
            permission["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **described}]
        if "referencedSecurityGroupId" in inputs:
            permission["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **described}]
        authorize(GroupId=inputs["securityGroupId"], IpPermissions=[permission])
        return (
            f"{inputs['securityGroupId']}-{self.way}-{_target(inputs)}-{inputs['ipProtocol']}-{inputs['fromPort']}",
            {"permission": permission},
        )

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.delete(id_, state)
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        ec2 = self.aws.client("ec2")
        revoke = getattr(ec2, f"revoke_security_group_{self.way}")
        revoke(GroupId=state["securityGroupId"], IpPermissions=[state["permission"]])


def _target(inputs: Properties) -> str:
    return str(
        inputs.get("cidrIpv4") or inputs.get("prefixListId") or inputs.get("referencedSecurityGroupId")
    )


@resource
class IngressRule(Rule):
    """A way in."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    way = "ingress"


@resource
class EgressRule(Rule):
    """A way out."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    way = "egress"


@resource
class VpcEndpoint(Tagged):
    """An endpoint of an AWS service in the VPC."""

    token = "aws:ec2/vpcEndpoint:VpcEndpoint"
    replaces = frozenset({"vpcId", "serviceName", "vpcEndpointType"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        names = {
            "routeTableIds": "RouteTableIds",
            "subnetIds": "SubnetIds",
            "securityGroupIds": "SecurityGroupIds",
            "privateDnsEnabled": "PrivateDnsEnabled",
        }
        made = self.aws.client("ec2").create_vpc_endpoint(
            VpcId=inputs["vpcId"],
            ServiceName=inputs["serviceName"],
            VpcEndpointType=inputs["vpcEndpointType"],
            **{name: inputs[key] for key, name in names.items() if key in inputs},
        )["VpcEndpoint"]
        return made["VpcEndpointId"], {"state": made["State"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[id_])


@resource
class PrivateDnsNamespace(Resource):
    """A Cloud Map namespace."""

    token = "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace"
    replaces = frozenset({"name", "vpc"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        discovery = self.aws.client("servicediscovery")
        operation = discovery.create_private_dns_namespace(
            Name=inputs["name"], Vpc=inputs["vpc"], Tags=pairs(inputs.get("tags"))
        )["OperationId"]
        made = discovery.get_operation(OperationId=operation)["Operation"]["Targets"]["NAMESPACE"]
        found = discovery.get_namespace(Id=made)["Namespace"]
        return made, {"arn": found["Arn"], "hostedZone": found["Properties"]["DnsProperties"]["HostedZoneId"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("servicediscovery").delete_namespace(Id=id_)


@resource
class DiscoveryService(Resource):
    """A Cloud Map service."""

    token = "aws:servicediscovery/service:Service"
    replaces = frozenset({"name", "healthCheckCustomConfig"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        dns = inputs["dnsConfig"]
        made = self.aws.client("servicediscovery").create_service(
            Name=inputs["name"],
            DnsConfig={
                "NamespaceId": dns["namespaceId"],
                "RoutingPolicy": dns["routingPolicy"],
                "DnsRecords": [
                    {"Type": record["type"], "TTL": record["ttl"]} for record in dns["dnsRecords"]
                ],
            },
            HealthCheckCustomConfig={},
            Tags=pairs(inputs.get("tags")),
        )["Service"]
        return made["Id"], {"arn": made["Arn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("servicediscovery").delete_service(Id=id_)
