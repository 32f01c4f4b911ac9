"""The providers' data sources, answered by the embedded AWS."""

from collections.abc import Mapping

import jmespath  # type: ignore[import-untyped]

from tests.e2e.standin.aws import Aws, Properties, rename

_ZONE = "AvailabilityZones[?State=='available'].ZoneName"
_RECOVERY = "ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus"
_LOGIN = "authorizationData[0].{proxyEndpoint: proxyEndpoint, userName: 'AWS', password: 'auth-token'}"
_REPOSITORY = "repositories[0].{arn: repositoryArn, repositoryUrl: repositoryUri}"

DATA_SOURCES: Mapping[str, tuple[str, str, str, str]] = {
    "aws:index/getCallerIdentity": ("sts", "GetCallerIdentity", "", "{accountId: Account, arn: Arn}"),
    "aws:index/getAvailabilityZones": ("ec2", "DescribeAvailabilityZones", "", f"{{names: {_ZONE}}}"),
    "aws:ec2/getSubnet": (
        "ec2",
        "DescribeSubnets",
        "id=subnetIds",
        "Subnets[0].{availabilityZone: AvailabilityZone}",
    ),
    "aws:ec2/getVpc": ("ec2", "DescribeVpcs", "id=vpcIds", "Vpcs[0].{cidrBlock: CidrBlock}"),
    "aws:ec2/getVpcEndpointService": (
        "ec2",
        "DescribeVpcEndpointServices",
        "serviceName=serviceNames",
        "ServiceDetails[0].{availabilityZones: AvailabilityZones}",
    ),
    "aws:ec2/getRouteTables": (
        "ec2",
        "DescribeRouteTables",
        "vpcId=filters.vpc-id",
        "{ids: sort(RouteTables[].RouteTableId)}",
    ),
    "aws:ec2/getManagedPrefixList": (
        "ec2",
        "DescribeManagedPrefixLists",
        "name=filters.prefix-list-name",
        "PrefixLists[0].{id: PrefixListId}",
    ),
    "aws:ecr/getAuthorizationToken": ("ecr", "GetAuthorizationToken", "", _LOGIN),
    "aws:ecr/getRepository": ("ecr", "DescribeRepositories", "name=repositoryNames", _REPOSITORY),
    "aws:ecr/getImage": (
        "ecr",
        "DescribeImages",
        "",
        "imageDetails[0].{imageDigest: imageDigest, imageTags: imageTags}",
    ),
    "aws:dynamodb/getTable": (
        "dynamodb",
        "DescribeContinuousBackups",
        "name=tableName",
        f"{{pointInTimeRecovery: {{enabled: {_RECOVERY}=='ENABLED'}}}}",
    ),
}
"""Service, operation, argument=parameter where the names differ, JMESPath from the answer to the results."""


def look_up(aws: Aws, token: str, arguments: Properties) -> Properties:
    """Answer one data source."""
    results = {"id": aws.region, "region": aws.region, "partition": "aws", **arguments}
    if token in {"aws:index/getRegion:getRegion", "aws:index/getPartition:getPartition"}:
        return results
    service, operation, names, path = DATA_SOURCES[token.rpartition(":")[0]]
    argument, _, parameter = names.partition("=")
    values = {"imageIds": [arguments], **rename(arguments, [(argument, parameter)])}
    return {**results, **jmespath.search(path, aws.call(service, operation, values))}
