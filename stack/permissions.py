"""Every IAM statement that the program can grant, each defined once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from stack.worker_interface import SEGMENTS_PREFIX

# Actions that the program may allow on every resource, and why a narrower resource is impossible.
# A test compares this table with the recorded policies.
WILDCARD_ACTIONS = {
    "ecr:GetAuthorizationToken": "the action has no resource type: a login covers the whole registry",
    "ssmmessages:CreateControlChannel": "ECS Exec: the action has no resource type",
    "ssmmessages:CreateDataChannel": "ECS Exec: the action has no resource type",
    "ssmmessages:OpenControlChannel": "ECS Exec: the action has no resource type",
    "ssmmessages:OpenDataChannel": "ECS Exec: the action has no resource type",
}

PULL_ACTIONS = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


Condition = Mapping[str, Mapping[str, pulumi.Input[str] | Sequence[str]]]
Document = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Actions that are allowed on resources, under a condition."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    condition: Condition | None = None


def identity_policy(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The JSON of an identity policy that allows the statements and nothing else."""
    return _policy(*[_allow(statement) for statement in statements])


def _allow(statement: Statement) -> Document:
    allowed: Document = {
        "Effect": "Allow",
        "Action": sorted(statement.actions),
        "Resource": list(statement.resources),
    }
    return allowed if statement.condition is None else {**allowed, "Condition": statement.condition}


def _policy(*statements: Document) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _require_tls(actions: str, *resources: pulumi.Input[str]) -> Document:
    return {
        "Sid": "RequireTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": list(resources) if len(resources) > 1 else resources[0],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def consume_queue(queue_arn: pulumi.Input[str]) -> list[Statement]:
    """Receive, extend and delete messages, and read the queue's depth."""
    return [
        Statement(
            actions=[
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
            ],
            resources=[queue_arn],
        )
    ]


def send_messages(queue_arn: pulumi.Input[str]) -> list[Statement]:
    """Send messages to a queue."""
    return [Statement(actions=["sqs:SendMessage"], resources=[queue_arn])]


# An object is created only where none exists, or in place of the one that the worker has seen. The worker
# sends these conditions, and S3 insists on them. Parts of an upload carry none.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
CONDITIONAL_WRITES: Sequence[Condition] = (
    {"Null": {"s3:if-none-match": "false"}},
    {"Null": {"s3:if-match": "false"}},
    {"Bool": {"s3:ObjectCreationOperation": "false"}},
)


def write_media(bucket_arns: Sequence[pulumi.Input[str]]) -> list[Statement]:
    """Read the objects of buckets, and write them conditionally."""
    objects = [pulumi.Output.concat(bucket, "/*") for bucket in bucket_arns]
    return [
        Statement(actions=["s3:GetObject"], resources=objects),
        *[
            Statement(actions=["s3:PutObject"], resources=objects, condition=condition)
            for condition in CONDITIONAL_WRITES
        ],
        # Without ListBucket S3 answers a request for a missing object with 403 instead of 404, and the worker
        # could not tell "does not exist" from "not allowed".
        Statement(actions=["s3:ListBucket"], resources=bucket_arns),
    ]


def delete_segments(bucket_arn: pulumi.Input[str]) -> list[Statement]:
    """Delete the segments of jobs that have ended; `write_media` allows all else that segments need."""
    objects = pulumi.Output.concat(bucket_arn, f"/{SEGMENTS_PREFIX}*")
    return [Statement(actions=["s3:DeleteObject"], resources=[objects])]


def read_texts(bucket_arns: Sequence[pulumi.Input[str]]) -> list[Statement]:
    """Read the texts that jobs refer to, in the version that their first attempt saw."""
    objects = [pulumi.Output.concat(bucket, "/*") for bucket in bucket_arns]
    return [
        Statement(actions=["s3:GetObject", "s3:GetObjectVersion"], resources=objects),
        # As for media: a missing object is told from a forbidden one.
        Statement(actions=["s3:ListBucket"], resources=bucket_arns),
    ]


def write_task_rows(table_arn: pulumi.Input[str]) -> list[Statement]:
    """Read and write single rows of a table; transactions are authorised by the same actions."""
    return [
        Statement(
            actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resources=[table_arn]
        )
    ]


def publish_events(
    *, bus_arn: pulumi.Input[str] | None, topic_arn: pulumi.Input[str] | None
) -> list[Statement]:
    """Publish events to a bus and to a topic, if they are given."""
    targets = {"events:PutEvents": bus_arn, "sns:Publish": topic_arn}
    return [
        Statement(actions=[action], resources=[arn]) for action, arn in targets.items() if arn is not None
    ]


def protect_tasks(tasks_arn: pulumi.Input[str]) -> list[Statement]:
    """Set scale-in protection of the tasks of a cluster."""
    return [Statement(actions=["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"], resources=[tasks_arn])]


def open_exec_channels() -> list[Statement]:
    """Open the channels of ECS Exec."""
    return [
        Statement(
            actions=[
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            resources=["*"],
        )
    ]


def pull_images(repository_arn: pulumi.Input[str]) -> list[Statement]:
    """Log in to the registry and pull the images of a repository."""
    return [
        Statement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        Statement(actions=PULL_ACTIONS, resources=[repository_arn]),
    ]


def read_secrets(arns: Sequence[str], key_arns: Sequence[str], *, region: str) -> list[Statement]:
    """Read secrets of Secrets Manager and parameters of SSM, and decrypt them with customer managed keys."""
    # A reference may name a JSON key, a version stage and a version behind the secret's ARN of seven parts:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html
    secrets = sorted({":".join(arn.split(":")[:7]) for arn in arns if ":secretsmanager:" in arn})
    parameters = sorted({arn for arn in arns if ":ssm:" in arn})
    statements = []
    if secrets:
        statements.append(Statement(actions=["secretsmanager:GetSecretValue"], resources=secrets))
    if parameters:
        statements.append(Statement(actions=["ssm:GetParameters"], resources=parameters))
    if key_arns:
        condition = _through(region, "secretsmanager", "ssm")
        statements.append(Statement(actions=["kms:Decrypt"], resources=key_arns, condition=condition))
    return statements


def write_logs(log_group_arn: pulumi.Input[str]) -> list[Statement]:
    """Create log streams in a log group and write to them."""
    return [Statement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log_group_arn])]


def replicate(*, source_arn: pulumi.Input[str], replica_arn: pulumi.Input[str]) -> list[Statement]:
    """Copy new object versions from one bucket to another."""
    return [
        Statement(actions=["s3:GetReplicationConfiguration", "s3:ListBucket"], resources=[source_arn]),
        Statement(
            actions=[
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionTagging",
            ],
            resources=[pulumi.Output.concat(source_arn, "/*")],
        ),
        Statement(
            actions=["s3:ReplicateObject", "s3:ReplicateTags"],
            resources=[pulumi.Output.concat(replica_arn, "/*")],
        ),
    ]


def use_keys(key_arns: Sequence[str], *, region: str) -> list[Statement]:
    """Use KMS keys through the services that hold jobs, rows and media, and in no other way."""
    if not key_arns:
        return []
    return [
        Statement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=key_arns,
            condition=_through(region, "dynamodb", "s3", "sqs"),
        )
    ]


def reencrypt(
    *, source_keys: Sequence[str], source_region: str, replica_key: str, replica_region: str
) -> list[Statement]:
    """Decrypt replicated objects in one region and encrypt them in another."""
    return [
        *(
            [
                Statement(
                    actions=["kms:Decrypt"], resources=source_keys, condition=_through(source_region, "s3")
                )
            ]
            if source_keys
            else []
        ),
        Statement(
            actions=["kms:Encrypt", "kms:GenerateDataKey"],
            resources=[replica_key],
            condition=_through(replica_region, "s3"),
        ),
    ]


def _through(region: str, *services: str) -> Condition:
    names = [f"{service}.{region}.amazonaws.com" for service in services]
    return {"StringEquals": {"kms:ViaService": names}}


def repository_policy(role_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a repository policy that lets one role pull."""
    return _policy(
        {
            "Sid": "TaskExecutionRolePulls",
            "Effect": "Allow",
            "Principal": {"AWS": role_arn},
            "Action": list(PULL_ACTIONS),
        }
    )


def bucket_policy(bucket_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a bucket policy that refuses requests without TLS."""
    return _policy(_require_tls("s3:*", bucket_arn, pulumi.Output.concat(bucket_arn, "/*")))


def queue_policy(
    queue_arn: pulumi.Input[str], *, topic_arn: pulumi.Input[str] | None = None
) -> pulumi.Output[str]:
    """The JSON of a queue policy that refuses requests without TLS, and lets one SNS topic send."""
    statements = [_require_tls("sqs:*", queue_arn)]
    if topic_arn is not None:
        sends: Document = {
            "Sid": "JobsTopicSends",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        statements.append(sends)
    return _policy(*statements)


def topic_policy(topic_arn: pulumi.Input[str], *, alarms_of: str | None = None) -> pulumi.Output[str]:
    """The JSON of a topic policy that refuses messages without TLS.

    It replaces SNS's default policy, under which alarms may publish; `alarms_of` is the account whose alarms
    still may.
    """
    refuses = _require_tls("sns:Publish", topic_arn)
    if alarms_of is None:
        return _policy(refuses)
    publishes: Document = {
        "Sid": "AlarmsPublish",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic_arn,
        "Condition": {"StringEquals": {"aws:SourceAccount": alarms_of}},
    }
    return _policy(refuses, publishes)


def service_trust_policy(*, service: str, account_id: str) -> Document:
    """A trust policy that lets an AWS service assume a role on behalf of this account only."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": "sts:AssumeRole",
                # Otherwise the service could assume the role for another account (confused deputy).
                "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
            }
        ],
    }
