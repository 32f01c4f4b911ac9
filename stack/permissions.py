"""Every IAM statement that the program can grant, each defined once."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

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


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Actions that are allowed on resources."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]


def identity_policy(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The JSON of an identity policy that allows the statements and nothing else."""
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": sorted(item.actions), "Resource": list(item.resources)}
                for item in statements
            ],
        }
    )


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


def write_media(bucket_arns: Sequence[pulumi.Input[str]]) -> list[Statement]:
    """Read and write the objects of buckets."""
    return [
        Statement(
            actions=["s3:GetObject", "s3:PutObject"],
            resources=[pulumi.Output.concat(bucket, "/*") for bucket in bucket_arns],
        ),
        # Without ListBucket S3 answers a request for a missing object with 403 instead of 404, and the worker
        # could not tell "does not exist" from "not allowed".
        Statement(actions=["s3:ListBucket"], resources=bucket_arns),
    ]


def write_task_rows(table_arn: pulumi.Input[str]) -> list[Statement]:
    """Read and write single rows of a table; transactions are authorised by the same actions."""
    return [
        Statement(
            actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resources=[table_arn]
        )
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


def repository_policy(role_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a repository policy that lets one role pull."""
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TaskExecutionRolePulls",
                    "Effect": "Allow",
                    "Principal": {"AWS": role_arn},
                    "Action": list(PULL_ACTIONS),
                }
            ],
        }
    )


def topic_queue_policy(*, queue_arn: pulumi.Input[str], topic_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a queue policy that lets one SNS topic send to the queue."""
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "JobsTopicSends",
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
                }
            ],
        }
    )


def service_trust_policy(*, service: str, account_id: str) -> dict[str, object]:
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
