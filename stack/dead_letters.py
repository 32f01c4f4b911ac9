"""The dead-letter queue: jobs that failed for good, kept for inspection and redrive."""

import pulumi
import pulumi_aws as aws

from stack.naming import Naming
from stack.permissions import queue_policy
from stack.worker_interface import MAX_MESSAGE_BYTES

SUFFIX = "-dead-letter"
RETENTION_SECONDS = 14 * 24 * 3600
# SQS's maximum. Receives that are not attempts count too: of a job that another worker holds, or that returns
# because AWS does not answer. The worker fails a job itself, and writes the reason; SQS writes none.
RECEIVES_BEFORE_REDRIVE = 1000


class DeadLetters(pulumi.ComponentResource):
    """An encrypted queue that keeps messages for 14 days, the longest that SQS offers."""

    def __init__(
        self,
        *,
        naming: Naming,
        key_arn: str | None,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:DeadLetters", "dead-letters", None, opts)
        name = f"{naming.app}{SUFFIX}"
        self.queue = aws.sqs.Queue(
            "dead-letters",
            name=name,
            max_message_size=MAX_MESSAGE_BYTES,
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True if key_arn is None else None,
            kms_master_key_id=key_arn,
            tags=naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        aws.sqs.QueuePolicy(
            "dead-letters-policy",
            queue_url=self.queue.url,
            policy=queue_policy(self.queue.arn),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = self.queue.url
        self.arn = self.queue.arn
        self.name = self.queue.name
        self.register_outputs({"url": self.url})

    def redrive_from(self, source_url: pulumi.Input[str]) -> None:
        """Let SQS move messages here from a queue of this stack after too many receives."""
        aws.sqs.RedrivePolicy(
            "dead-letters-redrive",
            queue_url=source_url,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": self.queue.arn, "maxReceiveCount": RECEIVES_BEFORE_REDRIVE}
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
