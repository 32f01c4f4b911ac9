"""story-infra, laid into the embedded AWS by hand, with a genuine Terraform state in S3."""

from dataclasses import dataclass
from typing import Any

import boto3

from app.local.emulator import CREDENTIALS, REGION
from tests.stack.terraform_state import terraform_state

MISSING = object()
STATE_BUCKET = "story-service-terraform-state"


@dataclass(frozen=True)
class PlatformInAws:
    """What story-infra exports, and how to reach it."""

    cloud: str
    outputs: dict[str, Any]

    def client(self, service: str) -> Any:
        """A client to the embedded AWS."""
        return client(self.cloud, service)

    @property
    def settings(self) -> dict[str, Any]:
        """The setting that finds the state: only the emulator's address differs from the default."""
        return {"source": "s3", "endpoint_url": self.cloud}

    def beside(self, name: str, *, zones: str = "ab", **changes: Any) -> dict[str, Any]:
        """Settings that find another state: a network of its own, and outputs changed as given, or MISSING.

        The emulator takes one private namespace a VPC, whatever its name.
        """
        outputs = {**self.outputs, **_network(self.cloud, zones), **changes}
        outputs = {key: value for key, value in outputs.items() if value is not MISSING}
        key = f"{name}.tfstate"
        self.client("s3").put_object(Bucket=STATE_BUCKET, Key=key, Body=terraform_state(outputs))
        return {**self.settings, "key": key}


def client(cloud: str, service: str) -> Any:
    """A client to an embedded AWS."""
    return boto3.client(  # type: ignore[call-overload]  # the name is known at run time only
        service,
        endpoint_url=cloud,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def lay_platform(cloud: str) -> PlatformInAws:
    """Create everything that story-infra creates, and write its state."""
    outputs = {
        **_network(cloud, "ab"),
        **_messages(cloud),
        "ecs_cluster_name": "story-tts-cluster",
        "ecs_task_execution_role_arn": "arn:aws:iam::123456789012:role/story-execution",
        "ecs_task_role_arn": "arn:aws:iam::123456789012:role/story-task",
        "story_video_tasks_table_name": "story-video-tasks",
        "s3_bucket_name": "story-video-data",
    }
    client(cloud, "ecs").create_cluster(
        clusterName="story-tts-cluster", capacityProviders=["FARGATE", "FARGATE_SPOT"]
    )
    keys = {"id": "HASH", "task_id": "RANGE"}
    client(cloud, "dynamodb").create_table(
        TableName="story-video-tasks",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
    )
    s3 = client(cloud, "s3")
    for bucket in ("story-video-data", STATE_BUCKET):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=STATE_BUCKET, Key="terraform.tfstate", Body=terraform_state(outputs))
    return PlatformInAws(cloud=cloud, outputs=outputs)


def _network(cloud: str, zones: str) -> dict[str, Any]:
    ec2 = client(cloud, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for n, zone in enumerate(zones)
    ]
    group = ec2.create_security_group(GroupName="ecs-tasks-sg", Description="tasks", VpcId=vpc)["GroupId"]
    subnets = [answer["Subnet"]["SubnetId"] for answer in made]
    return {"vpc_id": vpc, "private_subnet_ids": subnets, "ecs_tasks_security_group_id": group}


def _messages(cloud: str) -> dict[str, Any]:
    sqs, sns = client(cloud, "sqs"), client(cloud, "sns")
    urls, arns = {}, {}
    for kind in ("TTS", "TEXT", "IMAGE"):
        urls[kind] = sqs.create_queue(QueueName=f"story-sqs-queue-{kind.lower()}")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=urls[kind], AttributeNames=["QueueArn"])
        arns[kind] = found["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="story-tasks")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arns["TTS"])
    return {"task_queue_urls": urls, "task_queue_arns": arns, "sns_topic_arn": topic}
