"""The platform's resources as the worker uses them: each grants what it is asked for, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from stack.iam import Account, Role, Statement


def consume(queue_arn: pulumi.Input[str]) -> list[Statement]:
    """Receive, hold and delete messages of a queue, and ask how many there are."""
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


def write_media(bucket_arns: Sequence[pulumi.Input[str]]) -> list[Statement]:
    """Read and write objects of buckets, and learn that one is absent."""
    return [
        Statement(
            actions=["s3:GetObject", "s3:PutObject"],
            resources=[pulumi.Output.concat(bucket, "/*") for bucket in bucket_arns],
        ),
        # Without it S3 answers a look at an absent object with 403 in place of 404, and a worker
        # could not tell "not there yet" from "not allowed".
        Statement(actions=["s3:ListBucket"], resources=bucket_arns),
    ]


def record(table_arn: pulumi.Input[str]) -> list[Statement]:
    """Read and write single rows of a table; a transaction is authorised by the same actions."""
    return [
        Statement(
            actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resources=[table_arn]
        )
    ]


@dataclass(frozen=True, kw_only=True)
class JobQueue:
    """The queue that jobs arrive on."""

    url: pulumi.Input[str]
    arn: pulumi.Input[str]

    @property
    def name(self) -> pulumi.Output[str]:
        """The queue's name, the last part of its ARN."""
        return pulumi.Output.from_input(self.arn).apply(lambda arn: arn.rsplit(":", 1)[-1])

    def grant_consume(self, role: Role) -> None:
        """Let a role consume the queue."""
        role.receive("consume-jobs", consume(self.arn))


@dataclass(frozen=True, kw_only=True)
class MediaBuckets:
    """The output bucket, and the other buckets that direct jobs may write to."""

    name: pulumi.Input[str]
    others: Sequence[str]
    account: Account

    def grant_write_media(self, role: Role) -> None:
        """Let a role read and write media in all of them."""
        buckets = [self.account.bucket_arn(name) for name in (self.name, *self.others)]
        role.receive("write-media", write_media(buckets))


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """The table of task rows."""

    name: pulumi.Input[str]
    account: Account

    def grant_record(self, role: Role) -> None:
        """Let a role read and write rows."""
        table = self.account.arn("dynamodb", pulumi.Output.concat("table/", self.name))
        role.receive("record-tasks", record(table))
