"""SQS queues (jobs, dead letters) and the SNS topic that jobs are published to."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from app.aws.session import code_of, translated
from app.errors import CredentialsError, InfrastructureError, InvalidMessageError, LeaseLostError

MAX_VISIBILITY_SECS = 12 * 3600
"""SQS limits the visibility timeout to 12 hours from the receive, including all extensions."""
MAX_MESSAGE_BYTES = 1024 * 1024
"""The largest message that a queue or a topic can be set to take."""
TOPIC_DEFAULT_BYTES = 256 * 1024
"""What a topic takes that does not return MaximumMessageSize."""
ENVELOPE_BYTES = 2048
"""What SNS puts around a message, with room to spare: ids, ARN, signature, URLs, about 1,100 bytes."""
_TASK_TYPE = {"TASK_TYPE": {"DataType": "String", "StringValue": "TTS"}}
_TASK_TYPE_BYTES = len("TASK_TYPE" + "String" + "TTS")

_HANDLE_LOST = frozenset({"ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight"})
_HANDLE_LOST_PREFIX = "AWS.SimpleQueueService.MessageNotInflight"
_TOO_LARGE = frozenset({"InvalidParameterValue", "BatchRequestTooLong", "MessageTooLong"})


class MessageTooLargeError(InfrastructureError):
    """The message is larger than the queue takes."""

    code = "MESSAGE_TOO_LARGE"


@dataclass(frozen=True, slots=True)
class Message:
    """A received message."""

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    sent_at: float
    """Unix time in seconds."""
    received_at: float = field(default_factory=time.monotonic)
    """Monotonic time of this process in seconds."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    """Its message group: SQS delivers the groups in fair turns."""

    @property
    def queue_wait_secs(self) -> float:
        """Seconds since it was sent, by this machine's clock."""
        return max(0.0, time.time() - self.sent_at)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, as estimated by SQS."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """The number of messages in any state."""
        return self.visible + self.in_flight + self.delayed


class Queue:
    """One SQS queue. Every method raises InfrastructureError if SQS is unavailable."""

    def __init__(self, *, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self.url = url
        self._max_bytes: int | None = None

    def receive(self, *, wait_secs: int, visibility_secs: float) -> Message | None:
        """Return the next message, hidden for `visibility_secs`; None if none arrives within `wait_secs`."""
        messages = self.receive_many(1, wait_secs=wait_secs, visibility_secs=visibility_secs)
        return messages[0] if messages else None

    def receive_many(self, count: int, *, wait_secs: int, visibility_secs: float) -> list[Message]:
        """Return up to `count` messages (at most 10), hidden from others for `visibility_secs`."""
        with translated("sqs"):
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait_secs,
                VisibilityTimeout=max(1, round(visibility_secs)),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", "MessageGroupId"],
                MessageAttributeNames=["All"],
            )
        return [_message(entry) for entry in answer.get("Messages", [])]

    def extend(self, message: Message, secs: float) -> None:
        """Hide `message` for another `secs` from now. Raises LeaseLostError if the receipt has expired."""
        with translated("sqs"):
            try:
                self._sqs.change_message_visibility(
                    QueueUrl=self.url,
                    ReceiptHandle=message.receipt_handle,
                    VisibilityTimeout=min(max(0, round(secs)), MAX_VISIBILITY_SECS),
                )
            except ClientError as error:
                if code_of(error) in _HANDLE_LOST or code_of(error).startswith(_HANDLE_LOST_PREFIX):
                    raise LeaseLostError("the receipt of the message has expired") from error
                raise

    def give_back(self, message: Message, *, delay_secs: float = 0) -> None:
        """Return `message` to the queue, visible after `delay_secs`; an expired receipt is ignored."""
        try:
            self.extend(message, delay_secs)
        except LeaseLostError:
            return

    def delete(self, message: Message) -> None:
        """Delete `message`; do nothing if it is deleted already."""
        with translated("sqs"):
            try:
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt_handle)
            except ClientError as error:
                if code_of(error) not in _HANDLE_LOST:
                    raise

    def send(
        self, body: str, *, attributes: Mapping[str, str] | None = None, group: str | None = None
    ) -> None:
        """
        Send `body` with string attributes; messages of different groups are delivered fairly.

        Raises MessageTooLargeError if both together are larger than the queue takes.
        """
        sent = {name: value for name, value in (attributes or {}).items() if value}
        size = len(body.encode()) + sum(len(f"{name}String{value}".encode()) for name, value in sent.items())
        if size > MAX_MESSAGE_BYTES:
            raise MessageTooLargeError(f"sqs: {size:,} bytes are more than a message may have")
        with translated("sqs"):
            try:
                self._sqs.send_message(
                    QueueUrl=self.url,
                    MessageBody=body,
                    **_group(group),
                    MessageAttributes={
                        name: {"DataType": "String", "StringValue": value} for name, value in sent.items()
                    },
                )
            except ClientError as error:
                # The queue's own limit may be lower, and its attributes are not for every sender to read.
                if code_of(error) in _TOO_LARGE:
                    raise MessageTooLargeError(f"sqs: the queue refuses {size:,} bytes") from error
                raise

    def check(self, body: str) -> None:
        """Raise InvalidMessageError where `body` is larger than the queue takes."""
        self.check_size(len(body.encode()))

    def check_size(self, size: int) -> None:
        """Raise InvalidMessageError where a body of `size` bytes is larger than the queue takes."""
        if self._max_bytes is None:
            self._max_bytes = self._read_max_bytes()
        if size > self._max_bytes:
            raise _too_large(size, "queue", self._max_bytes)

    def _read_max_bytes(self) -> int:
        name = "MaximumMessageSize"
        try:
            with translated("sqs"):
                answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        except CredentialsError:
            # A producer may be allowed to send and nothing else.
            return MAX_MESSAGE_BYTES
        return int(answer.get("Attributes", {}).get(name, MAX_MESSAGE_BYTES))

    def depth(self) -> Depth:
        """Return how many messages the queue holds."""
        names = ["", "NotVisible", "Delayed"]
        with translated("sqs"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self.url, AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names]
            )
        counts = [int(answer["Attributes"].get(f"ApproximateNumberOfMessages{name}", 0)) for name in names]
        return Depth(*counts)

    def peek_all(self, *, visibility_secs: float) -> Iterator[Message]:
        """Yield each visible message once; it stays hidden from others for `visibility_secs`."""
        seen: set[str] = set()
        while batch := self.receive_many(10, wait_secs=1, visibility_secs=visibility_secs):
            new = [message for message in batch if message.id not in seen]
            if not new:
                return
            seen.update(message.id for message in new)
            yield from new


class Topic:
    """The SNS topic that producers publish jobs to."""

    def __init__(self, *, sns: Any, arn: str, queue: Queue | None = None) -> None:
        """`queue` is where the topic passes jobs on to, whose limit `check` asks too."""
        self._sns = sns
        self._arn = arn
        self._queue = queue
        self._max_bytes: int | None = None

    def check(self, body: str) -> None:
        """Raise InvalidMessageError where `body` is larger than the topic takes, or the queue behind it."""
        if self._max_bytes is None:
            self._max_bytes = self._read_max_bytes()
        size = len(body.encode()) + _TASK_TYPE_BYTES
        if size > self._max_bytes:
            raise _too_large(size, "topic", self._max_bytes)
        if self._queue is not None:
            # The envelope is JSON, in which the body is a string; a body that does not fit gets lost there.
            self._queue.check_size(len(json.dumps(body, ensure_ascii=False).encode()) + ENVELOPE_BYTES)

    def _read_max_bytes(self) -> int:
        try:
            with translated("sns"):
                answer = self._sns.get_topic_attributes(TopicArn=self._arn)
        except CredentialsError:
            return MAX_MESSAGE_BYTES
        return int(answer["Attributes"].get("MaximumMessageSize", TOPIC_DEFAULT_BYTES))

    def send(self, body: str, *, group: str | None = None) -> None:
        """Publish one job; the topic passes its group on to the queue. Raises InfrastructureError."""
        with translated("sns"):
            self._sns.publish(TopicArn=self._arn, Message=body, MessageAttributes=_TASK_TYPE, **_group(group))


def _group(group: str | None) -> dict[str, str]:
    return {} if group is None else {"MessageGroupId": group}


def _too_large(size: int, place: str, limit: int) -> InvalidMessageError:
    return InvalidMessageError(
        f"the job takes {size:,} bytes in the {place}, and the {place} takes {limit:,}: split the story"
    )


def _message(entry: dict[str, Any]) -> Message:
    attributes = entry.get("Attributes", {})
    return Message(
        id=entry["MessageId"],
        body=entry["Body"],
        receipt_handle=entry["ReceiptHandle"],
        receive_count=int(attributes.get("ApproximateReceiveCount", 1)),
        sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
        attributes={
            name: value["StringValue"]
            for name, value in entry.get("MessageAttributes", {}).items()
            if "StringValue" in value
        },
        group=attributes.get("MessageGroupId"),
    )
