"""
Task rows in DynamoDB: who holds a job, how far it is, how it ended.

A claim raises the row's epoch. Whatever the holder writes later names its epoch as a condition, so that a
worker that was paused, and whose lease another has taken over, writes nothing:

    worker A   claim(epoch 1) ─ renew ─ renew ─ (paused ........................) commit(epoch 1) refused
    lease      ├──────────────────────────────┤ expired
    worker B                                    claim(epoch 2) ─ renew ─ commit(epoch 2) done
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from app.aws.session import code_of, translated
from app.errors import LeaseLostError, TaskRowError, TaskRowMissingError, UnavailableError
from app.job import Job, RowKey

PENDING, IN_PROGRESS, COMPLETED, FAILED, CANCELLED = (
    "PENDING",
    "IN_PROGRESS",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
)
MAX_ERROR_MESSAGE = 500
"""Characters; a row is no log."""

# The conditions of the writes, each by its name; `#status` is a reserved word of DynamoDB.
_EXISTS = "attribute_exists(id)"
_NEW = "attribute_not_exists(id)"
_STARTABLE = "#status IN (:pending, :failed)"
_LEASE_EXPIRED = (
    "(#status = :in_progress AND (attribute_not_exists(lease_expires_at) OR lease_expires_at < :now))"
)
_OURS = "#status = :in_progress AND lease_epoch = :epoch"
_NO_NEWER_CLAIM = "(attribute_not_exists(lease_epoch) OR lease_epoch <= :epoch)"
_UNENDED = "#status IN (:pending, :failed, :in_progress)"

_CONDITION_FAILED = "ConditionalCheckFailedException"
_TRANSACTION_CANCELLED = "TransactionCanceledException"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours until its lease ends; `epoch` is the proof."""

    audio_row: RowKey
    subtitles_row: RowKey | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody alive has the job; its lease ends in `secs`, if it is not renewed."""

    secs: float


@dataclass(frozen=True, slots=True)
class Ended:
    """There is nothing to do: `status` is COMPLETED, or CANCELLED by the producer."""

    status: str


class Tasks:
    """The table of task rows."""

    def __init__(self, *, dynamodb: Any, table: str, owner: str) -> None:
        """`owner` is what a lease's row says of its holder."""
        self._dynamodb = dynamodb
        self._table = table
        self._owner = owner

    def claim(self, job: Job, *, lease_secs: float) -> Claim | Held | Ended:
        """
        Take the job, if it is free, with an epoch of its own.

        Raises TaskRowMissingError where the producer's rows are not there (yet), TaskRowError where a row is
        in a state that the contract does not know.
        """
        taken = self._take(job, lease_secs)
        if not isinstance(taken, Claim) or taken.subtitles_row is None:
            return taken
        try:
            ended = self._mark_subtitles(taken, taken.subtitles_row)
        except (TaskRowError, TaskRowMissingError):
            self.release(taken)
            raise
        return ended or taken

    def _take(self, job: Job, lease_secs: float) -> Claim | Held | Ended:
        """Update the audio row on the conditions of a claim; where they fail, say what stood in the way."""
        now = time.time()
        # Unique, so that a claim whose reply was lost is known as ours when it is tried again.
        owner = f"{self._owner}/{uuid4().hex[:12]}"
        free = f"({_STARTABLE} OR {_LEASE_EXPIRED})"
        condition = f"({_NEW} OR {free})" if job.is_direct else f"{_EXISTS} AND {free}"
        values: Row = {
            ":pending": PENDING,
            ":failed": FAILED,
            ":in_progress": IN_PROGRESS,
            ":now": _seconds(now),
            ":expires": _seconds(now + lease_secs),
            ":owner": owner,
            ":zero": 0,
            ":one": 1,
            ":date": timestamp(),
        }
        update = (
            "SET #status = :in_progress, date_updated = :date, progress = :zero, lease_owner = :owner,"
            " lease_expires_at = :expires, lease_epoch = if_not_exists(lease_epoch, :zero) + :one"
        )
        if job.is_direct:
            update += (
                ", #type = if_not_exists(#type, :tts), date_created = if_not_exists(date_created, :date),"
                " sparse_gsi_hash_key = :id"
            )
            values |= {":tts": "TTS", ":id": job.audio_row.id}
        update += " REMOVE error_code, error_message"
        with translated("dynamodb"):
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(job.audio_row),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#status": "status"}
                    | ({"#type": "type"} if job.is_direct else {}),
                    ExpressionAttributeValues=_marshalled(values),
                    ReturnValues="ALL_NEW",
                )
            except ClientError as error:
                if code_of(error) != _CONDITION_FAILED:
                    raise
                return self._why_not_claimed(job, owner, now)
        return self._claimed(job, _row(answer["Attributes"]))

    @staticmethod
    def _claimed(job: Job, row: Row) -> Claim:
        return Claim(job.audio_row, job.subtitles_row, int(row["lease_epoch"]))

    def _why_not_claimed(self, job: Job, owner: str, now: float) -> Claim | Held | Ended:
        key = job.audio_row
        row = self.read(key)
        if row is None:
            raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)")
        if row.get("lease_owner") == owner:
            return self._claimed(job, row)
        status = row.get("status")
        if status in {COMPLETED, CANCELLED}:
            return Ended(str(status))
        if status in {PENDING, FAILED, IN_PROGRESS}:
            # Free again since our update was refused: the message comes back at once.
            return Held(max(0.0, float(row.get("lease_expires_at", now)) - now))
        raise TaskRowError(f"row {key.task_id} of {key.id} has the unknown status {str(status)[:32]!r}")

    def _mark_subtitles(self, claim: Claim, key: RowKey) -> Ended | None:
        """Show on the subtitles' row, too, that work is under way; this is where its absence shows."""
        try:
            self._update(
                key,
                "SET #status = :in_progress, date_updated = :date, lease_epoch = :epoch"
                " REMOVE error_code, error_message",
                f"{_EXISTS} AND {_UNENDED} AND {_NO_NEWER_CLAIM}",
                {
                    ":pending": PENDING,
                    ":failed": FAILED,
                    ":in_progress": IN_PROGRESS,
                    ":epoch": claim.epoch,
                    ":date": timestamp(),
                },
            )
        except LeaseLostError:
            row = self.read(key)
            if row is None:
                raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)") from None
            if row.get("status") == CANCELLED:
                return Ended(CANCELLED)
            if row.get("lease_epoch", 0) <= claim.epoch:
                status = str(row.get("status"))[:32]
                raise TaskRowError(f"row {key.task_id} of {key.id} is {status}, its audio is not") from None
            raise
        return None

    def renew(self, claim: Claim, *, lease_secs: float, progress: float) -> None:
        """Keep the job for `lease_secs` from now and show `progress`, 0 to 1. Raises LeaseLostError."""
        self._update(
            claim.audio_row,
            "SET lease_expires_at = :expires, progress = :progress, date_updated = :date",
            _OURS,
            {
                ":in_progress": IN_PROGRESS,
                ":epoch": claim.epoch,
                ":expires": _seconds(time.time() + lease_secs),
                ":progress": Decimal(f"{progress:.4f}"),
                ":date": timestamp(),
            },
        )

    def release(self, claim: Claim) -> None:
        """Let the lease end now, so that another may claim the job; nothing to do where it is not ours."""
        try:
            self._update(
                claim.audio_row,
                "SET lease_expires_at = :zero, date_updated = :date REMOVE lease_owner",
                _OURS,
                {":in_progress": IN_PROGRESS, ":epoch": claim.epoch, ":zero": 0, ":date": timestamp()},
            )
        except LeaseLostError:
            return

    def commit(self, claim: Claim, *, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        """
        Complete both rows in one transaction, adding the given attributes, or neither.

        A reply that was lost does no harm: the rows tell what happened. Raises LeaseLostError where the job
        is not ours any more.
        """
        ending = (
            "SET {assignments} REMOVE sparse_gsi_hash_key, lease_owner, lease_expires_at, error_code,"
            " error_message"
        )
        attributes = {"status": COMPLETED, "date_updated": timestamp(), "progress": 1}
        self._end(claim, ending, dict(audio) | attributes, dict(subtitles) | attributes, COMPLETED)

    def fail(self, claim: Claim, *, code: str, message: str) -> None:
        """Mark both rows FAILED with the reason. Raises LeaseLostError where the job is not ours any more."""
        ending = "SET {assignments} REMOVE lease_owner, lease_expires_at"
        attributes = {
            "status": FAILED,
            "date_updated": timestamp(),
            "error_code": code,
            "error_message": message[:MAX_ERROR_MESSAGE],
        }
        self._end(claim, ending, attributes, attributes, FAILED)

    def refuse(self, rows: Iterable[RowKey], *, code: str, message: str) -> None:
        """
        Mark `rows` of a job FAILED that was never claimed, where they exist and nobody holds or ended it.

        The audio's row comes first, for it holds the lease of both. A row that is missing stands in nobody's
        way: it may be the very reason.
        """
        for key in rows:
            try:
                self._update(
                    key,
                    "SET #status = :failed, date_updated = :date, error_code = :code,"
                    " error_message = :message",
                    f"{_EXISTS} AND ({_STARTABLE} OR {_LEASE_EXPIRED})",
                    {
                        ":pending": PENDING,
                        ":failed": FAILED,
                        ":in_progress": IN_PROGRESS,
                        ":now": _seconds(time.time()),
                        ":code": code,
                        ":message": message[:MAX_ERROR_MESSAGE],
                        ":date": timestamp(),
                    },
                )
            except LeaseLostError:
                if self.read(key) is not None:
                    return

    def _end(self, claim: Claim, ending: str, audio: Row, subtitles: Row, status: str) -> None:
        rows = [(claim.audio_row, audio)]
        if claim.subtitles_row is not None:
            rows.append((claim.subtitles_row, subtitles))
        items = [self._ending(key, ending, attributes, claim.epoch) for key, attributes in rows]
        with translated("dynamodb"):
            try:
                self._dynamodb.transact_write_items(TransactItems=[{"Update": item} for item in items])
            except ClientError as error:
                if code_of(error) != _TRANSACTION_CANCELLED:
                    raise
                if not _condition_failed(error):
                    raise UnavailableError("dynamodb: the transaction met another one") from error
                # Refused, or already applied by an attempt whose reply was lost: the row knows which.
                if not self._ended_by_us(claim, status):
                    raise LeaseLostError("another worker has claimed or ended the job") from error

    def _ending(self, key: RowKey, ending: str, attributes: Row, epoch: int) -> dict[str, Any]:
        names = {f"#{name}": name for name in attributes} | {"#status": "status"}
        values = {f":{name}": value for name, value in attributes.items()}
        assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
        return {
            "TableName": self._table,
            "Key": _key(key),
            "UpdateExpression": ending.format(assignments=assignments),
            "ConditionExpression": _OURS,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": _marshalled(values | {":in_progress": IN_PROGRESS, ":epoch": epoch}),
        }

    def _ended_by_us(self, claim: Claim, status: str) -> bool:
        row = self.read(claim.audio_row)
        return row is not None and row.get("status") == status and row.get("lease_epoch") == claim.epoch

    def _update(self, key: RowKey, update: str, condition: str, values: Row) -> None:
        with translated("dynamodb"):
            try:
                self._dynamodb.update_item(
                    TableName=self._table,
                    Key=_key(key),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues=_marshalled(values),
                )
            except ClientError as error:
                if code_of(error) == _CONDITION_FAILED:
                    raise LeaseLostError("another worker has claimed or ended the job") from error
                raise

    def read(self, key: RowKey) -> Row | None:
        """Return the row as it is now, None where there is none."""
        with translated("dynamodb"):
            answer = self._dynamodb.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        return _row(answer["Item"]) if "Item" in answer else None

    def rows_of(self, row_id: str) -> list[Row]:
        """Return every row of a story (its parent_id), in the order of their task ids."""
        with translated("dynamodb"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                KeyConditionExpression="id = :id",
                ExpressionAttributeValues=_marshalled({":id": row_id}),
                ConsistentRead=True,
            )
            return [_row(item) for page in pages for item in page["Items"]]

    def create(self, audio: RowKey, subtitles: RowKey, *, source_prompt: str) -> None:
        """Create both rows as the producer does. Raises TaskRowError where one exists already."""
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
            {"Put": {"TableName": self._table, "Item": _marshalled(item), "ConditionExpression": _NEW}}
            for item in items
        ]
        with translated("dynamodb"):
            try:
                self._dynamodb.transact_write_items(TransactItems=puts)
            except ClientError as error:
                if code_of(error) != _TRANSACTION_CANCELLED:
                    raise
                raise TaskRowError(f"a row of {audio.id} with these task ids exists already") from error


def _condition_failed(error: ClientError) -> bool:
    """Return whether a condition cancelled the transaction, and not contention, which passes."""
    reasons: Any = error.response.get("CancellationReasons", [])
    return any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons)


def timestamp() -> str:
    """Return the time now as rows hold it: ISO 8601, UTC, milliseconds, Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(value: float) -> Decimal:
    return Decimal(f"{value:.3f}")


def _key(key: RowKey) -> dict[str, Any]:
    return _marshalled({"id": key.id, "task_id": key.task_id})


def _marshalled(values: Row) -> dict[str, Any]:
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in values.items()}


def _row(item: dict[str, Any]) -> Row:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}
