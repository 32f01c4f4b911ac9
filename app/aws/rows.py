"""Task rows in DynamoDB: their format, and what producers and readers do with them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from app.aws.session import code_of, translated
from app.errors import TaskRowError
from app.job import RowKey, timestamp

PENDING, IN_PROGRESS, COMPLETED, FAILED, CANCELLED = (
    "PENDING",
    "IN_PROGRESS",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
)
NEW = "attribute_not_exists(id)"
"""The condition that a row does not exist yet."""
TRANSACTION_CANCELLED = "TransactionCanceledException"

Row = dict[str, Any]
"""The attributes of a row by name."""


def marshal(values: Row) -> dict[str, Any]:
    """Return `values` as DynamoDB's typed attributes."""
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in values.items()}


def unmarshal(item: dict[str, Any]) -> Row:
    """Return a DynamoDB item as a row; numbers become Decimal."""
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def marshal_key(key: RowKey) -> dict[str, Any]:
    """Return the primary key of a row."""
    return marshal({"id": key.id, "task_id": key.task_id})


def epoch_seconds(value: float) -> Decimal:
    """Return Unix time in seconds as DynamoDB stores it, rounded to milliseconds."""
    return Decimal(f"{value:.3f}")


class ConditionFailedError(Exception):
    """The condition of a write did not hold; `row` is the item it met, None where there was none."""

    def __init__(self, row: Row | None) -> None:
        super().__init__()
        self.row = row


class TaskRows:
    """The table of task rows, read and created. Every method raises InfrastructureError if AWS is down."""

    def __init__(self, *, dynamodb: Any, table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def read(self, key: RowKey) -> Row | None:
        """Return the row as it is now (a consistent read), None if there is none."""
        with translated("dynamodb"):
            answer = self._dynamodb.get_item(TableName=self._table, Key=marshal_key(key), ConsistentRead=True)
        return unmarshal(answer["Item"]) if "Item" in answer else None

    def rows_of(self, row_id: str) -> list[Row]:
        """Return every row of a story (its parent_id), ordered by task id."""
        with translated("dynamodb"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="id = :id",
                ExpressionAttributeValues=marshal({":id": row_id}),
                ConsistentRead=True,
            )
            return [unmarshal(item) for page in pages for item in page["Items"]]

    def audio_rows(self) -> Iterator[Row]:
        """Yield the audio row of every story, in no order; this reads the whole table."""
        with translated("dynamodb"):
            pages = self._dynamodb.get_paginator("scan").paginate(
                TableName=self._table,
                # Rows without a status keep the subs_out of direct jobs.
                FilterExpression="attribute_exists(#status)"
                " AND (attribute_not_exists(#type) OR #type <> :subtitle)",
                ExpressionAttributeNames={"#type": "type", "#status": "status"},
                ExpressionAttributeValues=marshal({":subtitle": "SUBTITLE"}),
            )
            for page in pages:
                yield from map(unmarshal, page["Items"])

    def create(self, audio: RowKey, subtitles: RowKey, *, source_prompt: str) -> None:
        """Create both rows as the producer does. Raises TaskRowError if one exists already."""
        now = timestamp()
        items = [
            {
                "id": key.id,
                "task_id": key.task_id,
                "type": kind,
                "status": PENDING,
                "source_prompt": source_prompt,
                "date_created": now,
                "date_updated": now,
                "sparse_gsi_hash_key": key.id,
            }
            for key, kind in ((audio, "TTS"), (subtitles, "SUBTITLE"))
        ]
        puts = [
            {"Put": {"TableName": self._table, "Item": marshal(item), "ConditionExpression": NEW}}
            for item in items
        ]
        with translated("dynamodb"):
            try:
                self._dynamodb.transact_write_items(TransactItems=puts)
            except ClientError as error:
                if code_of(error) != TRANSACTION_CANCELLED:
                    raise
                raise TaskRowError(f"a row of {audio.id} with these task ids exists already") from error

    def _update(
        self,
        key: RowKey,
        update: str,
        condition: str,
        values: Row,
        names: Mapping[str, str] | None = None,
    ) -> Row:
        """Update one row and return it as it is afterwards. Raises ConditionFailedError."""
        names = dict(names or {}) | ({"#status": "status"} if "#status" in update + condition else {})
        with translated("dynamodb"):
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=marshal_key(key),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=marshal(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **({"ExpressionAttributeNames": names} if names else {}),
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise
                item: dict[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]
                raise ConditionFailedError(unmarshal(item) if item else None) from error
        return unmarshal(answer["Attributes"])
