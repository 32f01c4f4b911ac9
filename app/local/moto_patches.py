"""Corrections of moto, so that it behaves as AWS does under concurrency and does not grow with every job."""

import copy
import threading
from typing import Any

_MEBIBYTE = 1024 * 1024


def patch_moto() -> None:
    """Apply every correction; once per process, before moto serves anything."""
    # Only the emulator's own process needs moto, and it listens before it spends a second on these imports.
    from moto.core.common_models import BaseModel  # noqa: PLC0415
    from moto.dynamodb.models import DynamoDBBackend  # noqa: PLC0415
    from moto.dynamodb.models.table import Table  # noqa: PLC0415
    from moto.dynamodb.responses import DynamoHandler  # noqa: PLC0415
    from moto.s3.responses import S3Response  # noqa: PLC0415
    from moto.sns import models as sns  # noqa: PLC0415
    from moto.sns.responses import SNSResponse  # noqa: PLC0415

    _forget_instances(BaseModel)
    _copy_rows_on_write(DynamoDBBackend, Table)
    _serialize(DynamoHandler, "call_action")
    _serialize(S3Response, "put_object")
    _bound_topics(sns, SNSResponse)


def _serialize(handler: type, name: str) -> None:
    """Run one call of a method at a time: AWS checks a condition and writes in one step, moto does not."""
    method, lock = getattr(handler, name), threading.Lock()

    def serialized(self: Any) -> Any:
        with lock:
            return method(self)

    setattr(handler, name, serialized)


def _bound_topics(models: Any, responses: type) -> None:
    """
    Let a topic take messages up to its attribute MaximumMessageSize, and keep none of them.

    moto stores the attribute but compares a constant, and in characters; and it keeps every message for tests
    to look at.
    """
    publish, attributes_of = models.SNSBackend.publish, responses.get_topic_attributes  # type: ignore[attr-defined]
    default = models.MAXIMUM_MESSAGE_LENGTH

    def publish_sized(self: Any, message: str, arn: str | None, *args: Any, **kwargs: Any) -> Any:
        limit = int(getattr(self.topics.get(arn), "maximum_message_size", default))
        if len(message.encode()) > limit:
            raise models.InvalidParameterValue("Invalid parameter: Message too long")
        message_id = publish(self, message, arn, *args, **kwargs)
        if topic := self.topics.get(arn):
            topic.sent_notifications.clear()
        return message_id

    def attributes_with_size(self: Any) -> Any:
        answer = attributes_of(self)
        topic = self.backend.get_topic(self._get_param("TopicArn"))
        if size := getattr(topic, "maximum_message_size", None):
            answer.result["Attributes"]["MaximumMessageSize"] = size
        return answer

    models.MAXIMUM_MESSAGE_LENGTH = _MEBIBYTE
    models.SNSBackend.publish = publish_sized
    responses.get_topic_attributes = attributes_with_size  # type: ignore[attr-defined]


def _forget_instances(model: type) -> None:
    """
    Let models be freed with their last reference.

    For its dashboard moto lists every model ever made, and each transaction copies its whole table: a
    thousand jobs would take gigabytes.
    """

    def new(cls: type, *_: Any, **__: Any) -> Any:
        return object.__new__(cls)

    model.__new__ = new  # type: ignore[method-assign,assignment]


def _copy_rows_on_write(backend: type, table: type) -> None:
    """
    Let a transaction copy the rows that it changes instead of its whole table.

    moto copies the table to restore it when the transaction fails, so that each commit costs more than the
    one before. A shallow copy is enough when an update changes a copy of its row.
    """
    update = backend.update_item  # type: ignore[attr-defined]

    def update_copy(self: Any, table_name: str, key: Any, *args: Any, **kwargs: Any) -> Any:
        row = self.get_item(table_name, key)
        if row is not None and row.range_key is not None:
            self.get_table(table_name).items[row.hash_key][row.range_key] = copy.deepcopy(row)
        elif row is not None:
            self.get_table(table_name).items[row.hash_key] = copy.deepcopy(row)
        return update(self, table_name, key, *args, **kwargs)

    def shallow_copy(self: Any, _: Any) -> Any:
        twin = copy.copy(self)
        twin.items = type(self.items)(self.items.default_factory)
        twin.items.update({part: copy.copy(rows) for part, rows in self.items.items()})
        return twin

    backend.update_item = update_copy  # type: ignore[attr-defined]
    table.__deepcopy__ = shallow_copy  # type: ignore[attr-defined]
