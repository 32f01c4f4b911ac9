"""
Task rows in DynamoDB: who holds a job, its progress, and how it ended.

A claim increments the row's epoch and stores an owner id of its own. Every later write of the holder is
conditional on both, so a worker that was paused until another one took its job over can write nothing. The
owner id matters when a producer writes the rows anew, and the epoch starts over:

    worker A   claim(epoch 1) ─ renew ─ renew ─ (paused ........................) commit(epoch 1) refused
    lease      ├──────────────────────────────┤ expired
    worker B                                    claim(epoch 2) ─ renew ─ commit(epoch 2) applied
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from app.aws.rows import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    NEW,
    PENDING,
    TRANSACTION_CANCELLED,
    Row,
    TaskRows,
    epoch_seconds,
    marshal,
    marshal_key,
    timestamp,
    unmarshal,
)
from app.aws.session import code_of, translated
from app.errors import LeaseLostError, TaskRowError, TaskRowMissingError, UnavailableError
from app.job import Job, RowKey

MAX_ERROR_MESSAGE = 500
"""Characters of an error message that a row stores."""

# The named conditions of the writes; `status` is a reserved word of DynamoDB, hence `#status`.
_EXISTS = "attribute_exists(id)"
_STARTABLE = "#status IN (:pending, :failed)"
_LEASE_EXPIRED = (
    "(#status = :in_progress AND (attribute_not_exists(lease_expires_at) OR lease_expires_at < :now))"
)
_OURS = "#status = :in_progress AND lease_epoch = :epoch AND lease_owner = :owner"
_OLDER_CLAIM = "(attribute_not_exists(lease_epoch) OR lease_epoch < :epoch)"
_UNCHANGED = "lease_epoch = :seen_epoch AND lease_owner = :seen_owner"
_UNENDED = "#status IN (:pending, :failed, :in_progress)"

_CONDITION_FAILED = "ConditionalCheckFailedException"


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker holds until its lease expires; `epoch` and `owner` prove it."""

    audio_row: RowKey
    subtitles_row: RowKey | None
    epoch: int
    owner: str
    """Unique for each claim."""


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker holds the job; its lease expires in `secs` seconds unless it is renewed."""

    secs: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The job needs no work: `status` is COMPLETED, or CANCELLED by the producer."""

    status: str


class _ConditionFailedError(Exception):
    """The condition of a write did not hold; `row` is the item it met, None where there was none."""

    def __init__(self, row: Row | None) -> None:
        super().__init__()
        self.row = row


class Tasks(TaskRows):
    """The task rows, with the leases of a worker. Every method raises InfrastructureError, see TaskRows."""

    def __init__(self, *, dynamodb: Any, table: str, owner: str) -> None:
        """`owner` names this worker in the rows it holds."""
        super().__init__(dynamodb=dynamodb, table=table)
        self._owner = owner

    def claim(self, job: Job, *, lease_secs: float) -> Claim | Held | Ended:
        """
        Claim the job if it is free, under a new epoch, for `lease_secs` seconds.

        Raises TaskRowMissingError if a row of the producer does not exist (yet), TaskRowError if a row has a
        status that the contract does not define.
        """
        result = self._claim_audio(job, lease_secs)
        if not isinstance(result, Claim) or result.subtitles_row is None:
            return result
        try:
            ended = self._mark_subtitles(result, result.subtitles_row)
        except (TaskRowError, TaskRowMissingError):
            self.release(result)
            raise
        return ended or result

    def _claim_audio(self, job: Job, lease_secs: float) -> Claim | Held | Ended:
        """Claim the audio row, or explain from the row why the condition failed."""
        now = time.time()
        # Unique for each claim: if a reply is lost, the SDK's retry finds the row held by this very owner.
        owner = f"{self._owner}/{uuid4().hex[:12]}"
        free = f"({_STARTABLE} OR {_LEASE_EXPIRED})"
        condition = f"({NEW} OR {free})" if job.is_direct else f"{_EXISTS} AND {free}"
        values: Row = {
            ":pending": PENDING,
            ":failed": FAILED,
            ":in_progress": IN_PROGRESS,
            ":now": epoch_seconds(now),
            ":expires": epoch_seconds(now + lease_secs),
            ":owner": owner,
            ":zero": 0,
            ":one": 1,
            ":date": timestamp(),
        }
        update = (
            "SET #status = :in_progress, date_updated = :date, progress = :zero, lease_owner = :owner,"
            " lease_expires_at = :expires, lease_epoch = if_not_exists(lease_epoch, :zero) + :one"
        )
        names = {}
        if job.is_direct:
            update += (
                ", #type = if_not_exists(#type, :tts), date_created = if_not_exists(date_created, :date),"
                " sparse_gsi_hash_key = :id"
            )
            values |= {":tts": "TTS", ":id": job.audio_row.id}
            names = {"#type": "type"}
        update += " REMOVE error_code, error_message"
        try:
            row = self._update(job.audio_row, update, condition, values, names)
        except _ConditionFailedError as failed:
            return self._why_not_claimed(job, failed.row, owner, now)
        return self._claimed(job, row)

    @staticmethod
    def _claimed(job: Job, row: Row) -> Claim:
        return Claim(job.audio_row, job.subtitles_row, int(row["lease_epoch"]), str(row["lease_owner"]))

    def _why_not_claimed(self, job: Job, row: Row | None, owner: str, now: float) -> Claim | Held | Ended:
        key = job.audio_row
        if row is None:
            raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)")
        if row.get("lease_owner") == owner:
            return self._claimed(job, row)
        status = row.get("status")
        if status in {COMPLETED, CANCELLED}:
            return Ended(str(status))
        if status == IN_PROGRESS:
            return Held(max(0.0, float(row.get("lease_expires_at", now)) - now))
        raise TaskRowError(f"row {key.task_id} of {key.id} has the unknown status {str(status)[:32]!r}")

    def _mark_subtitles(self, claim: Claim, key: RowKey) -> Ended | None:
        """Mark the subtitles row as ours too; return Ended if the producer cancelled it."""
        try:
            self._take_subtitles(claim, key, _OLDER_CLAIM, {})
        except _ConditionFailedError as failed:
            row = failed.row
            if row is not None and row.get("lease_owner") == claim.owner:
                return None
            if not self._is_ours(claim):
                raise _lost() from None
            if row is None:
                raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)") from None
            if row.get("status") == CANCELLED:
                return Ended(CANCELLED)
            if row.get("status") not in {PENDING, FAILED, IN_PROGRESS}:
                status = str(row.get("status"))[:32]
                raise TaskRowError(f"row {key.task_id} of {key.id} is {status}, its audio is not") from None
            self._take_stale_subtitles(claim, key, row)
        return None

    def _take_stale_subtitles(self, claim: Claim, key: RowKey, row: Row) -> None:
        """Take a subtitles row whose epoch is left from before the producer wrote the audio row anew."""
        seen = {":seen_epoch": row.get("lease_epoch"), ":seen_owner": row.get("lease_owner")}
        condition = _UNCHANGED if seen[":seen_owner"] else "lease_epoch = :seen_epoch"
        try:
            self._take_subtitles(claim, key, condition, {n: v for n, v in seen.items() if n in condition})
        except _ConditionFailedError:
            raise _lost() from None

    def _take_subtitles(self, claim: Claim, key: RowKey, condition: str, values: Row) -> None:
        self._update(
            key,
            "SET #status = :in_progress, date_updated = :date, lease_epoch = :epoch, lease_owner = :owner"
            " REMOVE error_code, error_message",
            f"{_EXISTS} AND {_UNENDED} AND {condition}",
            {":pending": PENDING, ":failed": FAILED, ":date": timestamp()} | _ours(claim) | values,
        )

    def _is_ours(self, claim: Claim) -> bool:
        row = self.read(claim.audio_row)
        return row is not None and row.get("lease_owner") == claim.owner

    def renew(self, claim: Claim, *, lease_secs: float, progress: float) -> None:
        """Extend the lease to `lease_secs` from now and store `progress`, 0 to 1. Raises LeaseLostError."""
        self._update_ours(
            claim,
            "SET lease_expires_at = :expires, progress = :progress, date_updated = :date",
            {
                ":expires": epoch_seconds(time.time() + lease_secs),
                ":progress": Decimal(f"{progress:.4f}"),
                ":date": timestamp(),
            },
        )

    def release(self, claim: Claim) -> None:
        """End the lease now, so that another worker can claim the job; do nothing if it is lost already."""
        try:
            self._update_ours(
                claim,
                "SET lease_expires_at = :zero, date_updated = :date REMOVE lease_owner",
                {":zero": 0, ":date": timestamp()},
            )
        except LeaseLostError:
            return

    def commit(self, claim: Claim, *, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        """
        Mark both rows COMPLETED with the given attributes, in one transaction.

        A repeated call after a lost reply succeeds. Raises LeaseLostError if the job is not ours any more.
        """
        update = (
            "SET {assignments} REMOVE sparse_gsi_hash_key, lease_owner, lease_expires_at, error_code,"
            " error_message"
        )
        attributes = {
            "status": COMPLETED,
            "date_updated": timestamp(),
            "progress": 1,
            "ended_by": claim.owner,
        }
        self._end(claim, update, dict(audio) | attributes, dict(subtitles) | attributes, COMPLETED)

    def fail(self, claim: Claim, *, code: str, message: str) -> None:
        """Mark both rows FAILED with the reason. Raises LeaseLostError if the job is not ours any more."""
        update = "SET {assignments} REMOVE lease_owner, lease_expires_at"
        attributes = {
            "status": FAILED,
            "date_updated": timestamp(),
            "ended_by": claim.owner,
            "error_code": code,
            "error_message": message[:MAX_ERROR_MESSAGE],
        }
        self._end(claim, update, attributes, attributes, FAILED)

    def refuse(self, rows: Iterable[RowKey], *, code: str, message: str) -> None:
        """
        Mark the `rows` of a job that was never claimed FAILED, unless a worker holds or ended it.

        The audio row comes first, because it holds the lease for both. A missing row is skipped: it may be
        the very reason for the refusal.
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
                        ":now": epoch_seconds(time.time()),
                        ":code": code,
                        ":message": message[:MAX_ERROR_MESSAGE],
                        ":date": timestamp(),
                    },
                )
            except _ConditionFailedError as failed:
                if failed.row is not None:
                    return

    def _end(self, claim: Claim, update: str, audio: Row, subtitles: Row, status: str) -> None:
        rows = [(claim.audio_row, audio)]
        if claim.subtitles_row is not None:
            rows.append((claim.subtitles_row, subtitles))
        items = [self._ending(claim, key, update, attributes) for key, attributes in rows]
        with translated("dynamodb"):
            try:
                self._dynamodb.transact_write_items(TransactItems=[{"Update": item} for item in items])
            except ClientError as error:
                if code_of(error) != TRANSACTION_CANCELLED:
                    raise
                row = _row_that_failed(error)
                # Either the job was lost, or an earlier call was applied and only its reply was lost.
                if not _is_ended_by(claim, row, status):
                    raise _lost() from error

    def _ending(self, claim: Claim, key: RowKey, update: str, attributes: Row) -> dict[str, Any]:
        names = {f"#{name}": name for name in attributes} | {"#status": "status"}
        values = {f":{name}": value for name, value in attributes.items()}
        assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
        return {
            "TableName": self._table,
            "Key": marshal_key(key),
            "UpdateExpression": update.format(assignments=assignments),
            "ConditionExpression": _OURS,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": marshal(values | _ours(claim)),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _update_ours(self, claim: Claim, update: str, values: Row) -> None:
        """Update the audio row while the claim holds it. Raises LeaseLostError."""
        try:
            self._update(claim.audio_row, update, _OURS, values | _ours(claim))
        except _ConditionFailedError:
            raise _lost() from None

    def _update(
        self,
        key: RowKey,
        update: str,
        condition: str,
        values: Row,
        names: Mapping[str, str] | None = None,
    ) -> Row:
        """Update one row and return it as it is afterwards. Raises _ConditionFailedError."""
        with translated("dynamodb"):
            try:
                answer = self._dynamodb.update_item(
                    TableName=self._table,
                    Key=marshal_key(key),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#status": "status"} | dict(names or {}),
                    ExpressionAttributeValues=marshal(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if code_of(error) != _CONDITION_FAILED:
                    raise
                item: dict[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]
                raise _ConditionFailedError(unmarshal(item) if item else None) from error
        return unmarshal(answer["Attributes"])


def _ours(claim: Claim) -> Row:
    """Return the values that the condition `_OURS` names."""
    return {":in_progress": IN_PROGRESS, ":epoch": claim.epoch, ":owner": claim.owner}


def _lost() -> LeaseLostError:
    return LeaseLostError("another worker has claimed or ended the job")


def _row_that_failed(error: ClientError) -> Row | None:
    """
    Return the first row whose condition cancelled a transaction, None if that row does not exist.

    Raises UnavailableError if no condition failed: another transaction was in the way, which passes.
    """
    reasons: Any = error.response.get("CancellationReasons", [])
    for reason in reasons:
        if reason.get("Code") == "ConditionalCheckFailed":
            item = reason.get("Item")
            return unmarshal(item) if item else None
    raise UnavailableError("dynamodb: the transaction conflicted with another one") from error


def _is_ended_by(claim: Claim, row: Row | None, status: str) -> bool:
    return row is not None and row.get("status") == status and row.get("ended_by") == claim.owner
