"""The platform's resources as the worker uses them: each grants what it is asked for, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from stack.iam import Account, Role, Statement


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
        """Receive, hold and delete messages, and ask how many there are."""
        role.receive(
            "consume-jobs",
            [
                Statement(
                    actions=[
                        "sqs:ReceiveMessage",
                        "sqs:DeleteMessage",
                        "sqs:ChangeMessageVisibility",
                        "sqs:GetQueueAttributes",
                    ],
                    resources=[self.arn],
                )
            ],
        )


@dataclass(frozen=True, kw_only=True)
class MediaBuckets:
    """The output bucket, and the other buckets that direct jobs may write to."""

    name: pulumi.Input[str]
    others: Sequence[str]
    account: Account

    def grant_write_media(self, role: Role) -> None:
        """Read and write objects, and learn that one is absent."""
        buckets = [self.account.bucket_arn(name) for name in (self.name, *self.others)]
        role.receive(
            "write-media",
            [
                Statement(
                    actions=["s3:GetObject", "s3:PutObject"],
                    resources=[pulumi.Output.concat(bucket, "/*") for bucket in buckets],
                ),
                # Without it S3 answers a look at an absent object with 403 in place of 404, and a worker
                # could not tell "not there yet" from "not allowed".
                Statement(actions=["s3:ListBucket"], resources=buckets),
            ],
        )


@dataclass(frozen=True, kw_only=True)
class TaskTable:
    """The table of task rows."""

    name: pulumi.Input[str]
    account: Account

    def grant_record(self, role: Role) -> None:
        """Read and write single rows; a transaction is authorised by the same actions."""
        table = self.account.arn("dynamodb", pulumi.Output.concat("table/", self.name))
        role.receive(
            "record-tasks",
            [
                Statement(
                    actions=["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"], resources=[table]
                )
            ],
        )
