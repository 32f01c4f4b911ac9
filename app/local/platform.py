"""The resources that story-infra provides in the cloud, created in the emulator."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import boto3

from app.aws.queue import MAX_MESSAGE_BYTES
from app.local.emulator import CREDENTIALS, REGION

QUEUE, DEAD_LETTERS, TOPIC = "story-sqs-queue-tts", "story-tts-dead-letter", "story-topic"
TABLE, BUCKET = "story-video-tasks", "story-video-data"


def emulators_session() -> boto3.session.Session:
    """Return a session with the emulator's credentials; share it: a new one reads large JSON files."""
    return boto3.session.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )


@dataclass(frozen=True, slots=True)
class Platform:
    """The addresses of one set of resources. For one thread: creating clients is not thread-safe."""

    endpoint_url: str
    queue_url: str
    dead_letter_queue_url: str
    topic_arn: str
    table: str
    bucket: str
    session: boto3.session.Session = field(default_factory=emulators_session, repr=False, compare=False)

    def environment(self) -> dict[str, str]:
        """Return the environment variables by which a worker or any client finds these resources."""
        return CREDENTIALS | {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "QUEUE_URL": self.queue_url,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue_url,
            "SNS_TOPIC_ARN": self.topic_arn,
            "DYNAMODB_TABLE": self.table,
            "OUTPUT_BUCKET": self.bucket,
        }

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator, to inspect what a worker wrote."""
        return self.session.client(service, endpoint_url=self.endpoint_url)  # type: ignore[call-overload]


def create_platform(
    endpoint_url: str, *, suffix: str = "", session: boto3.session.Session | None = None
) -> Platform:
    """
    Create the resources, with names that end in `suffix`, and return their addresses.

    Without a `session` the platform has one of its own.
    """
    bare = Platform(
        endpoint_url, "", "", "", TABLE + suffix, BUCKET + suffix, session=session or emulators_session()
    )
    sqs, sns = bare.client("sqs"), bare.client("sns")
    size = {"MaximumMessageSize": str(MAX_MESSAGE_BYTES)}
    queue_url = sqs.create_queue(QueueName=QUEUE + suffix, Attributes=size)["QueueUrl"]
    dead_letter_queue_url = sqs.create_queue(QueueName=DEAD_LETTERS + suffix, Attributes=size)["QueueUrl"]
    topic_arn = sns.create_topic(Name=TOPIC + suffix, Attributes=size)["TopicArn"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=queue_arn,
        # As in the cloud: the topic carries the jobs of other services too.
        Attributes={"FilterPolicy": json.dumps({"TASK_TYPE": ["TTS"]})},
    )
    _create_table(bare.client("dynamodb"), bare.table)
    bare.client("s3").create_bucket(Bucket=bare.bucket)
    return replace(
        bare, queue_url=queue_url, dead_letter_queue_url=dead_letter_queue_url, topic_arn=topic_arn
    )


def _create_table(dynamodb: Any, name: str) -> None:
    """Create the table as story-infra does: two string keys, and a sparse index of unfinished tasks."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "id", "KeyType": "HASH"},
            {"AttributeName": "task_id", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("id", "task_id", "sparse_gsi_hash_key")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "sparse_gsi",
                "KeySchema": [{"AttributeName": "sparse_gsi_hash_key", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
