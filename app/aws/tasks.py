"""The task rows that a worker writes: progress, and how a job ended; claims.py is about who holds it."""

import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from app.aws.claims import (
    EXISTS,
    LEASE_EXPIRED,
    OURS,
    PUBLISHED,
    STARTABLE,
    Claim,
    TaskClaims,
    cancelled,
    ours,
    refusal,
)
from app.aws.objects import ObjectVersion
from app.aws.rows import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    PENDING,
    TRANSACTION_CANCELLED,
    ConditionFailedError,
    Row,
    epoch_seconds,
    marshal,
    marshal_key,
    unmarshal,
)
from app.aws.session import code_of, translated
from app.errors import UnavailableError
from app.events import EVENT_ID, OUTBOX, JobEvent
from app.job import RowKey, S3Address, timestamp

MAX_ERROR_MESSAGE = 500
"""Characters of an error message that a row stores."""


class Tasks(TaskClaims):
    """The task rows of a worker. Every method raises InfrastructureError if DynamoDB is unavailable."""

    def renew(self, claim: Claim, *, lease_secs: float, progress: float, has_advanced: bool = False) -> None:
        """
        Extend the lease to `lease_secs` from now and store `progress`, 0 to 1.

        With `has_advanced` the count of crashes starts over: the next attempt goes on after a stored segment.
        Raises LeaseLostError, and JobCancelledError if either row is CANCELLED.
        """
        update = "SET lease_expires_at = :expires, progress = :progress, date_updated = :date"
        values: Row = {
            ":expires": epoch_seconds(time.time() + lease_secs),
            ":progress": Decimal(f"{progress:.4f}"),
            ":date": timestamp(),
        }
        if has_advanced:
            update += ", crashes = :one"
            values[":one"] = 1
        self._update_ours(claim, update, values)
        if claim.subtitles_row and (self.read(claim.subtitles_row) or {}).get("status") == CANCELLED:
            raise cancelled()

    def pin_text(self, claim: Claim, address: S3Address, found: ObjectVersion | None) -> ObjectVersion | None:
        """
        Store `found` as the version of the text at `address`, unless one is stored; return what is stored.

        A version of another text is replaced. Raises LeaseLostError, JobCancelledError.
        """
        stored = (self.read(claim.audio_row) or {}).get("text_version")
        if stored and stored["url"] == address.uri:
            return ObjectVersion(str(stored["etag"]), int(stored["size"]), str(stored["version_id"]))
        if found is not None:
            pin = {
                "url": address.uri,
                "etag": found.etag,
                "size": found.size,
                "version_id": found.version_id,
            }
            self._update_ours(claim, "SET text_version = :pin", {":pin": pin})
        return found

    def commit(self, claim: Claim, *, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        """
        Mark both rows COMPLETED with the given attributes, in one transaction.

        A repeated call after a lost reply succeeds. Raises LeaseLostError if the job is not ours any more,
        JobCancelledError if the producer cancelled either row.
        """
        update = (
            "SET {assignments} REMOVE sparse_gsi_hash_key, lease_owner, lease_expires_at, lease_message_id,"
            " crashes, error_code, error_message"
        )
        attributes = {
            "status": COMPLETED,
            "date_updated": timestamp(),
            "progress": 1,
            "ended_by": claim.owner,
        }
        self._end(claim, update, dict(audio) | attributes, dict(subtitles) | attributes, COMPLETED)

    def is_committed(self, claim: Claim) -> bool:
        """Return whether the audio row shows the commit of this claim."""
        return _is_ended_by(claim, self.read(claim.audio_row), COMPLETED)

    def fail(
        self,
        claim: Claim,
        *,
        code: str,
        message: str,
        message_stays: bool = False,
        event: JobEvent | None = None,
    ) -> None:
        """
        Mark both rows FAILED with the reason; a redriven job has all its attempts again.

        If its message stays on the queue, the job is not claimed again for that message. The audio row holds
        `event` until `clear_event`. Raises LeaseLostError and JobCancelledError, as `commit`.
        """
        update = (
            "SET {assignments} REMOVE lease_owner, lease_expires_at, lease_message_id, crashes, attempts,"
            " text_version"
        )
        attributes = {
            "status": FAILED,
            "date_updated": timestamp(),
            "ended_by": claim.owner,
            "error_code": code,
            "error_message": message[:MAX_ERROR_MESSAGE],
        }
        stays = {"failed_message_ids": list(claim.message_ids)} if message_stays else {}
        outbox = event.attributes if event else {}
        self._end(claim, update, attributes | stays | outbox, attributes, FAILED)

    def refuse(
        self, rows: Iterable[RowKey], *, code: str, message: str, event: JobEvent | None = None
    ) -> JobEvent | None:
        """
        Mark the `rows` of a job that was never claimed FAILED, unless a worker holds or ended it.

        The audio row comes first, because it holds the lease for both. A missing row is skipped: it may be
        the very reason for the refusal. Returns the event that the audio row then holds: `event`, None if it
        was published before, or that of an earlier ending; in this case no row is marked.
        """
        keys = list(rows)
        waiting: JobEvent | None = None
        outbox: Mapping[str, str] = {}
        if event is not None and keys:
            waiting, outbox = self._outbox_of_refusal(keys[0], event)
            if waiting is not None and waiting.id != event.id:
                return waiting
        for key in keys:
            try:
                self._refuse(key, code, message, outbox)
            except ConditionFailedError as failed:
                # An update whose reply is lost is repeated by the SDK, and meets the event that it wrote.
                is_repeated = bool(outbox) and (failed.row or {}).get(EVENT_ID) == outbox[EVENT_ID]
                if key == keys[0] and not is_repeated:
                    waiting = None
                if failed.row is not None and not is_repeated:
                    break
            outbox = {}
        return waiting

    def _outbox_of_refusal(self, audio: RowKey, event: JobEvent) -> tuple[JobEvent | None, dict[str, str]]:
        """Return the event that waits, or will wait, in the row, and what the refusal must add for it."""
        row = self.read(audio) or {}
        if OUTBOX in row:
            return JobEvent.parse(str(row[OUTBOX])), {}
        if row.get(EVENT_ID) == event.id:
            return None, {}
        return event, event.attributes

    def _refuse(self, key: RowKey, code: str, message: str, outbox: Mapping[str, str]) -> None:
        added = "".join(f", {name} = :{name}" for name in outbox)
        condition = f"{EXISTS} AND ({STARTABLE} OR {LEASE_EXPIRED})"
        if outbox:
            # A request of a dead worker that arrives late must not bring a published event back.
            condition += (
                f" AND {PUBLISHED} AND (attribute_not_exists({EVENT_ID}) OR {EVENT_ID} <> :{EVENT_ID})"
            )
        self._update(
            key,
            "SET #status = :failed, date_updated = :date, error_code = :code,"
            f" error_message = :message{added} REMOVE crashes, attempts, text_version",
            condition,
            {
                ":pending": PENDING,
                ":failed": FAILED,
                ":in_progress": IN_PROGRESS,
                ":now": epoch_seconds(time.time()),
                ":code": code,
                ":message": message[:MAX_ERROR_MESSAGE],
                ":date": timestamp(),
            }
            | {f":{name}": value for name, value in outbox.items()},
        )

    def clear_event(self, audio: RowKey, event: JobEvent) -> None:
        """Forget an event that is published, unless the row holds another one."""
        try:
            self._update(audio, f"REMOVE {OUTBOX}", f"{EVENT_ID} = :event_id", {":event_id": event.id})
        except ConditionFailedError:
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
                    raise refusal(row) from error

    def _ending(self, claim: Claim, key: RowKey, update: str, attributes: Row) -> dict[str, Any]:
        names = {f"#{name}": name for name in attributes} | {"#status": "status"}
        values = {f":{name}": value for name, value in attributes.items()}
        assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
        return {
            "TableName": self._table,
            "Key": marshal_key(key),
            "UpdateExpression": update.format(assignments=assignments),
            "ConditionExpression": OURS,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": marshal(values | ours(claim)),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


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
