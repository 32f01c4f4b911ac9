"""An own platform: the resources and outputs that story-infra would provide."""

import json

import pytest

from stack.config import SettingsError
from stack.naming import Naming
from tests.stack.recording import ACCOUNT, REGION, STORY_INFRA, Recording, record

OWN = {"story_infra": {"source": "own"}}
SUBNET = "aws:ec2/subnet:Subnet"


def test_it_exports_what_story_infra_exports(own: Recording) -> None:
    """Another stack can use the outputs in place of story-infra's."""
    assert set(STORY_INFRA) <= set(own.outputs)
    assert own.outputs["task_queue_urls"] == {
        "TTS": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/story-tts-jobs"
    }
    assert own.outputs["private_subnet_ids"] == ["private-0-id", "private-1-id"]


@pytest.fixture(scope="module")
def alone() -> Recording:
    """The program with an own platform and without the service."""
    return record({"story_infra": {"source": "own"}, "features": {"service": False}})


def test_a_foundation_alone(alone: Recording) -> None:
    """Without the service only the platform is created."""
    assert set(alone.outputs) == set(STORY_INFRA)
    assert alone.names("aws:ecs/service:Service") == []
    assert alone.names("aws:ecr/repository:Repository") == []
    assert alone.names("aws:ecs/cluster:Cluster") == ["cluster"]


def test_a_foundation_alone_has_endpoints_for_the_services_to_come(alone: Recording) -> None:
    """A platform without the service has endpoints that accept traffic from the whole VPC."""
    assert len(alone.names("aws:ec2/vpcEndpoint:VpcEndpoint")) == 6
    interface = alone.one("aws:ec2/vpcEndpoint:VpcEndpoint", "endpoint-ecr-api")
    assert interface["securityGroupIds"] == ["endpoints-group-id"]
    rule = dict(alone.one("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"))
    del rule["tags"], rule["description"]
    assert rule == {
        "securityGroupId": "endpoints-group-id",
        "cidrIpv4": "10.42.0.0/16",
        "ipProtocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
    }


def test_a_foundation_behind_nat_needs_no_endpoints() -> None:
    """With NAT no endpoints are created."""
    settings = {
        "story_infra": {"source": "own"},
        "features": {"service": False},
        "network": {"endpoints": "nat"},
    }
    assert record(settings).names("aws:ec2/vpcEndpoint:VpcEndpoint") == []


def test_the_platforms_roles_can_run_a_worker(own: Recording) -> None:
    """The platform's roles allow the same actions as the roles of a service."""

    def actions(*grants: str) -> set[str]:
        policies = [own.one("aws:iam/rolePolicy:RolePolicy", name)["policy"] for name in grants]
        return {
            action
            for policy in policies
            for statement in json.loads(policy)["Statement"]
            for action in statement["Action"]
        }

    names = own.names("aws:iam/rolePolicy:RolePolicy")
    assert actions("platform-execution-start-tasks") == actions(
        *[n for n in names if n.startswith("execution-")]
    )
    assert actions("platform-task-use-platform") == actions(*[n for n in names if n.startswith("task-")])


def test_the_platforms_roles_reach_no_further(own: Recording) -> None:
    """The platform's roles cover the account's images and logs, and the platform's own resources."""

    def resources(grant: str) -> list[str]:
        policy = json.loads(own.one("aws:iam/rolePolicy:RolePolicy", grant)["policy"])
        return list(
            dict.fromkeys(name for statement in policy["Statement"] for name in statement["Resource"])
        )

    assert resources("platform-execution-start-tasks") == [
        "*",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/ecs/*",
    ]
    assert resources("platform-task-use-platform") == [
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:story-tts-jobs",
        f"arn:aws:sqs:{REGION}:{ACCOUNT}:*-dead-letter",
        f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:story-tts-tasks",
        f"arn:aws:s3:{REGION}:{ACCOUNT}:story-tts-media-{ACCOUNT}-{REGION}/*",
        f"arn:aws:s3:{REGION}:{ACCOUNT}:story-tts-media-{ACCOUNT}-{REGION}",
        f"arn:aws:s3:{REGION}:{ACCOUNT}:story-tts-media-{ACCOUNT}-{REGION}/segments/*",
        f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/story-tts-cluster/*",
    ]


def test_the_network_spans_two_zones(own: Recording) -> None:
    """Private subnets in two zones, with DNS enabled for endpoints and Cloud Map."""
    vpc = own.one("aws:ec2/vpc:Vpc")
    assert (vpc["cidrBlock"], vpc["enableDnsSupport"], vpc["enableDnsHostnames"]) == (
        "10.42.0.0/16",
        True,
        True,
    )
    assert [
        (item.inputs["cidrBlock"], item.inputs["availabilityZone"], item.inputs["mapPublicIpOnLaunch"])
        for item in sorted(own.all(SUBNET), key=lambda item: item.name)
    ] == [("10.42.0.0/20", "us-east-1a", False), ("10.42.16.0/20", "us-east-1b", False)]


def test_the_zones_offer_every_endpoint() -> None:
    """A zone without one of the endpoint services is passed over."""
    run = record(OWN, endpoint_zones={"sqs": ["us-east-1b", "us-east-1c"]})
    assert sorted(item.inputs["availabilityZone"] for item in run.all(SUBNET)) == ["us-east-1b", "us-east-1c"]


def test_a_region_without_two_such_zones_is_refused() -> None:
    """The error shows the setting that needs no endpoints."""
    with pytest.raises(
        SettingsError, match=r"network\.endpoints: us-east-1 has no 2 availability zones"
    ) as refused:
        record(OWN, endpoint_zones={"sqs": ["us-east-1b"]})
    assert "endpoints: nat" in str(refused.value)


def test_endpoints_by_default_and_nothing_public(own: Recording) -> None:
    """Without NAT the VPC has no route to the internet."""
    for kind in (
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/route:Route",
    ):
        assert own.names(kind) == []
    assert len(own.names("aws:ec2/vpcEndpoint:VpcEndpoint")) == 6
    assert own.one("aws:ec2/vpcEndpoint:VpcEndpoint", "endpoint-s3")["routeTableIds"] == ["private-routes-id"]


def test_nat_by_setting() -> None:
    """The private subnets reach the internet through one NAT gateway in a public subnet."""
    run = record(
        {"story_infra": {"source": "own", "vpc_cidr": "10.7.0.0/16"}, "network": {"endpoints": "nat"}}
    )
    assert run.names("aws:ec2/vpcEndpoint:VpcEndpoint") == []
    assert run.one("aws:ec2/natGateway:NatGateway")["subnetId"] == "public-0-id"
    assert run.one(SUBNET, "public-0")["cidrBlock"] == "10.7.32.0/20"
    private, public = (run.one("aws:ec2/route:Route", name) for name in ("private-out", "public-out"))
    assert (private["routeTableId"], private["natGatewayId"], private["destinationCidrBlock"]) == (
        "private-routes-id",
        "nat-id",
        "0.0.0.0/0",
    )
    assert (public["routeTableId"], public["gatewayId"]) == ("public-routes-id", "internet-id")


def test_the_cluster_offers_fargate_and_spot(own: Recording) -> None:
    """The cluster has both capacity providers."""
    assert own.one("aws:ecs/cluster:Cluster")["name"] == "story-tts-cluster"
    capacity = own.one("aws:ecs/clusterCapacityProviders:ClusterCapacityProviders")
    assert capacity["capacityProviders"] == ["FARGATE", "FARGATE_SPOT"]


def test_jobs_come_through_the_topic_only(own: Recording) -> None:
    """The queue accepts only speech jobs of its topic, is encrypted, and keeps messages for 14 days."""
    queue = own.one("aws:sqs/queue:Queue", "jobs")
    assert {
        key: queue[key]
        for key in (
            "visibilityTimeoutSeconds",
            "messageRetentionSeconds",
            "receiveWaitTimeSeconds",
            "sqsManagedSseEnabled",
        )
    } == {
        "visibilityTimeoutSeconds": 60,
        "messageRetentionSeconds": 1209600,
        "receiveWaitTimeSeconds": 20,
        "sqsManagedSseEnabled": True,
    }
    policy = own.one("aws:sqs/queuePolicy:QueuePolicy", "jobs-from-topic")["policy"]
    (statement,) = (item for item in json.loads(policy)["Statement"] if item["Effect"] == "Allow")
    assert statement == {
        "Sid": "JobsTopicSends",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": f"arn:aws:sqs:{REGION}:{ACCOUNT}:story-tts-jobs",
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:story-tts-jobs"}},
    }
    subscription = own.one("aws:sns/topicSubscription:TopicSubscription")
    assert json.loads(subscription["filterPolicy"]) == {"TASK_TYPE": ["TTS"]}


def test_the_table_is_the_contracts_and_can_be_restored(own: Recording) -> None:
    """The table has the expected keys and index, point-in-time recovery and deletion protection."""
    table = own.one("aws:dynamodb/table:Table")
    assert (table["hashKey"], table["rangeKey"], table["billingMode"]) == ("id", "task_id", "PAY_PER_REQUEST")
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["deletionProtectionEnabled"] is True
    assert table["globalSecondaryIndexes"] == [
        {
            "name": "sparse_gsi",
            "keySchemas": [{"attributeName": "sparse_gsi_hash_key", "keyType": "HASH"}],
            "projectionType": "ALL",
        }
    ]
    assert own.outputs["table_point_in_time_recovery"] is True


def test_media_are_private_and_kept(own: Recording) -> None:
    """The bucket blocks public access, keeps versions, and is protected like the table."""
    bucket = own.one("aws:s3/bucket:Bucket")
    assert (bucket["bucket"], bucket["forceDestroy"]) == (f"story-tts-media-{ACCOUNT}-{REGION}", False)
    block = own.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert [
        block[key]
        for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    ] == [True] * 4
    assert own.options["aws:s3/bucket:Bucket media"].protect is True
    assert own.options["aws:dynamodb/table:Table tasks"].protect is True


def test_a_bucket_whose_name_is_too_long_is_refused() -> None:
    """S3 allows 63 characters: the error shows an app_name that is short enough."""
    naming = Naming(app="a" * 32, environment="x", stack="x")
    with pytest.raises(SettingsError, match=r"story-tts:app_name: .* of 66 characters") as refused:
        naming.media_bucket(account_id=ACCOUNT, region="ap-southeast-2")
    assert f"story-tts:app_name: {'a' * 29}\n" in f"{refused.value}\n"
