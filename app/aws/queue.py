"""The queue of jobs and its dead letters, on SQS."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from app.aws.session import code_of, translated
from app.errors import CredentialsError, InvalidMessageError, LeaseLostError

MAX_VISIBILITY_SECS = 12 * 3600
"""SQS ends a message's visibility so long after its receipt, however often it was extended."""
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


@dataclass(frozen=True, slots=True)
class Message:
    """One receipt of a message."""

    id: str
    body: str
    receipt_handle: str
    receive_count: int
    sent_at: float
    """Seconds since the epoch."""
    received_at: float = field(default_factory=time.monotonic)
    """On the monotonic clock of this process."""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def queue_wait_secs(self) -> float:
        """How long ago it was sent, by this machine's clock."""
        return max(0.0, time.time() - self.sent_at)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, as SQS estimates it."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


class Queue:
    """One SQS queue."""

    def __init__(self, *, sqs: Any, url: str) -> None:
        self._sqs = sqs
        self.url = url
        self._max_bytes: int | None = None

    def receive(self, *, wait_secs: int, visibility_secs: float) -> Message | None:
        """Return the next message, ours for `visibility_secs`; None where none came within `wait_secs`."""
        received = self.receive_many(1, wait_secs=wait_secs, visibility_secs=visibility_secs)
        return received[0] if received else None

    def receive_many(self, count: int, *, wait_secs: int, visibility_secs: float) -> list[Message]:
        """Return up to `count` messages, ten at most."""
        with translated("sqs"):
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=count,
                WaitTimeSeconds=wait_secs,
                VisibilityTimeout=max(1, round(visibility_secs)),
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
            )
        return [_message(entry) for entry in answer.get("Messages", [])]

    def extend(self, message: Message, secs: float) -> None:
        """Keep `message` invisible for `secs` from now. Raises LeaseLostError where it is no longer ours."""
        with translated("sqs"):
            try:
                self._sqs.change_message_visibility(
                    QueueUrl=self.url,
                    ReceiptHandle=message.receipt_handle,
                    VisibilityTimeout=min(max(0, round(secs)), MAX_VISIBILITY_SECS),
                )
            except ClientError as error:
                if code_of(error) in _HANDLE_LOST or code_of(error).startswith(_HANDLE_LOST_PREFIX):
                    raise LeaseLostError("the queue has given the message to someone else") from error
                raise

    def give_back(self, message: Message, *, delay_secs: float = 0) -> None:
        """Make `message` visible to others after `delay_secs`; nothing to do where it is no longer ours."""
        try:
            self.extend(message, delay_secs)
        except LeaseLostError:
            return

    def delete(self, message: Message) -> None:
        """Remove `message` for good; nothing to do where it is gone already."""
        with translated("sqs"):
            try:
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message.receipt_handle)
            except ClientError as error:
                if code_of(error) not in _HANDLE_LOST:
                    raise

    def send(self, body: str, *, attributes: Mapping[str, str] | None = None) -> None:
        """
        Send `body` with string attributes.

        SQS counts attributes into its limit of 1 MiB: where a body leaves them no room it goes without.
        """
        named = attributes or {}
        size = len(body.encode()) + sum(len(f"{name}String{value}".encode()) for name, value in named.items())
        if size > MAX_MESSAGE_BYTES:
            named = {}
        with translated("sqs"):
            self._sqs.send_message(
                QueueUrl=self.url,
                MessageBody=body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in named.items()
                    if value
                },
            )

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
        """Return the queue's estimated depth."""
        names = ["", "NotVisible", "Delayed"]
        with translated("sqs"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self.url, AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names]
            )
        numbers = [int(answer["Attributes"].get(f"ApproximateNumberOfMessages{name}", 0)) for name in names]
        return Depth(*numbers)

    def peek_all(self, *, visibility_secs: float) -> Iterator[Message]:
        """Yield each visible message once; it stays invisible to others for `visibility_secs`."""
        seen: set[str] = set()
        while batch := self.receive_many(10, wait_secs=1, visibility_secs=visibility_secs):
            fresh = [message for message in batch if message.id not in seen]
            if not fresh:
                return
            seen.update(message.id for message in fresh)
            yield from fresh


class Topic:
    """The SNS topic that a producer publishes jobs to."""

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

    def send(self, body: str) -> None:
        """Publish one job."""
        with translated("sns"):
            self._sns.publish(TopicArn=self._arn, Message=body, MessageAttributes=_TASK_TYPE)


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
    )
