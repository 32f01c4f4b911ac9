"""The data sources of the double, answered by the embedded AWS."""

from tests.e2e.standin.base import INVOKES, Aws, Properties


def _caller(aws: Aws, _: Properties) -> Properties:
    identity = aws.client("sts").get_caller_identity()
    return {
        "id": identity["Account"],
        "accountId": identity["Account"],
        "arn": identity["Arn"],
        "userId": identity["UserId"],
    }


def _region(aws: Aws, _: Properties) -> Properties:
    return {
        "id": aws.region,
        "region": aws.region,
        "name": aws.region,
        "description": aws.region,
        "endpoint": "",
    }


def _partition(_: Aws, __: Properties) -> Properties:
    return {
        "id": "aws",
        "partition": "aws",
        "dnsSuffix": "amazonaws.com",
        "reverseDnsPrefix": "com.amazonaws",
    }


def _zones(aws: Aws, _: Properties) -> Properties:
    zones = aws.client("ec2").describe_availability_zones()["AvailabilityZones"]
    names = [zone["ZoneName"] for zone in zones if zone["State"] == "available"]
    return {"id": aws.region, "names": names, "zoneIds": [], "groupNames": [], "region": aws.region}


def _subnet(aws: Aws, args: Properties) -> Properties:
    (subnet,) = aws.client("ec2").describe_subnets(SubnetIds=[args["id"]])["Subnets"]
    return {"id": args["id"], "availabilityZone": subnet["AvailabilityZone"], "vpcId": subnet["VpcId"]}


def _vpc(aws: Aws, args: Properties) -> Properties:
    (vpc,) = aws.client("ec2").describe_vpcs(VpcIds=[args["id"]])["Vpcs"]
    return {"id": args["id"], "cidrBlock": vpc["CidrBlock"]}


def _route_tables(aws: Aws, args: Properties) -> Properties:
    found = aws.client("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [args["vpcId"]]}])
    return {"id": aws.region, "ids": sorted(table["RouteTableId"] for table in found["RouteTables"])}


def _prefix_list(aws: Aws, args: Properties) -> Properties:
    filters = [{"Name": "prefix-list-name", "Values": [args["name"]]}]
    (found,) = aws.client("ec2").describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
    return {"id": found["PrefixListId"], "name": found["PrefixListName"], "arn": found["PrefixListArn"]}


def _login(aws: Aws, _: Properties) -> Properties:
    data = aws.client("ecr").get_authorization_token()["authorizationData"][0]
    return {
        "id": aws.region,
        "proxyEndpoint": data["proxyEndpoint"],
        "authorizationToken": data["authorizationToken"],
        "userName": "AWS",
        "password": f"{aws.account}-auth-token",
        "expiresAt": data["expiresAt"].isoformat(),
    }


def _repository(aws: Aws, args: Properties) -> Properties:
    (found,) = aws.client("ecr").describe_repositories(repositoryNames=[args["name"]])["repositories"]
    return {
        "id": args["name"],
        "name": args["name"],
        "arn": found["repositoryArn"],
        "repositoryUrl": found["repositoryUri"],
        "registryId": found["registryId"],
    }


def _image(aws: Aws, args: Properties) -> Properties:
    chosen = {key: args[key] for key in ("imageTag", "imageDigest") if key in args}
    (found,) = aws.client("ecr").describe_images(repositoryName=args["repositoryName"], imageIds=[chosen])[
        "imageDetails"
    ]
    return {
        "id": found["imageDigest"],
        "imageDigest": found["imageDigest"],
        "imageTags": found.get("imageTags", []),
        "repositoryName": args["repositoryName"],
    }


def _table(aws: Aws, args: Properties) -> Properties:
    backups = aws.client("dynamodb").describe_continuous_backups(TableName=args["name"])[
        "ContinuousBackupsDescription"
    ]
    status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    return {"id": args["name"], "name": args["name"], "pointInTimeRecovery": {"enabled": status == "ENABLED"}}


INVOKES.update(
    {
        "aws:index/getCallerIdentity:getCallerIdentity": _caller,
        "aws:index/getRegion:getRegion": _region,
        "aws:index/getPartition:getPartition": _partition,
        "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
        "aws:ec2/getSubnet:getSubnet": _subnet,
        "aws:ec2/getVpc:getVpc": _vpc,
        "aws:ec2/getRouteTables:getRouteTables": _route_tables,
        "aws:ec2/getManagedPrefixList:getManagedPrefixList": _prefix_list,
        "aws:ecr/getAuthorizationToken:getAuthorizationToken": _login,
        "aws:ecr/getRepository:getRepository": _repository,
        "aws:ecr/getImage:getImage": _image,
        "aws:dynamodb/getTable:getTable": _table,
    }
)
