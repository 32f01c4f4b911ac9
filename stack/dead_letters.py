"""The queue of jobs that cannot succeed, kept for people to look at and send back."""

import pulumi
import pulumi_aws as aws

from stack.iam import Role, Statement
from stack.naming import Naming

SUFFIX = "-dead-letter"
RETENTION_SECONDS = 14 * 24 * 3600
# The worker ends a job itself at its fifth receive; this catches a message that kills every worker first.
RECEIVES_BEFORE_REDRIVE = 8


class DeadLetters(pulumi.ComponentResource):
    """An encrypted queue that keeps letters for 14 days, as long as SQS can."""

    def __init__(self, *, naming: Naming, protect: bool, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("story-tts:stack:DeadLetters", "dead-letters", None, opts)
        name = f"{naming.app}{SUFFIX}"
        self.queue = aws.sqs.Queue(
            "dead-letters",
            name=name,
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            tags=naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=protect),
        )
        self.url = self.queue.url
        self.arn = self.queue.arn
        self.name = self.queue.name
        self.register_outputs({"url": self.url})

    def grant_send(self, role: Role) -> None:
        """Add letters."""
        role.receive(
            "send-dead-letters", [Statement(actions=["sqs:SendMessage"], resources=[self.queue.arn])]
        )

    def catch(self, source_url: pulumi.Input[str]) -> None:
        """Take what another queue of this stack could not get rid of."""
        aws.sqs.RedrivePolicy(
            "dead-letters-redrive",
            queue_url=source_url,
            redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": self.queue.arn, "maxReceiveCount": RECEIVES_BEFORE_REDRIVE}
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
