"""
Claims of jobs, in their task rows in DynamoDB: who holds a job, and until when.

A claim increments the row's epoch and stores an owner id of its own. Every later write of the holder is
conditional on both, so a worker that was paused until another one took its job over can write nothing. The
owner id matters when a producer writes the rows anew, and the epoch starts over:

    worker A   claim(epoch 1) ─ renew ─ renew ─ (paused ........................) commit(epoch 1) refused
    lease      ├──────────────────────────────┤ expired
    worker B                                    claim(epoch 2) ─ renew ─ commit(epoch 2) applied
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.aws.rows import (
    CANCELLED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    NEW,
    PENDING,
    ConditionFailedError,
    Row,
    TaskRows,
    epoch_seconds,
)
from app.errors import (
    FailedBeforeError,
    JobCancelledError,
    LeaseLostError,
    OutputTakenError,
    StoryTtsError,
    TaskRowError,
    TaskRowMissingError,
)
from app.events import OUTBOX, JobEvent
from app.job import DIRECT_TASK_ID, Job, RowKey, timestamp

# The named conditions of the writes; `status` is a reserved word of DynamoDB, hence `#status`.
EXISTS = "attribute_exists(id)"
STARTABLE = "#status IN (:pending, :failed)"
FAILED_FOR_OTHERS = "(#status <> :failed OR NOT contains(failed_message_ids, :message))"
"""The job did not fail before for this message, which stays on the queue where there are no dead letters."""
LEASE_EXPIRED = (
    "(#status = :in_progress AND (attribute_not_exists(lease_expires_at) OR lease_expires_at < :now))"
)
PUBLISHED = f"attribute_not_exists({OUTBOX})"
"""The row holds no event of an earlier ending, which a new one would replace."""
OURS = "#status = :in_progress AND lease_epoch = :epoch AND lease_owner = :owner"
OLDER_CLAIM = "(attribute_not_exists(lease_epoch) OR lease_epoch < :epoch)"
UNCHANGED = "lease_epoch = :seen_epoch AND lease_owner = :seen_owner"
UNENDED = "#status IN (:pending, :failed, :in_progress)"


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker holds until its lease expires; `epoch` and `owner` prove it."""

    audio_row: RowKey
    subtitles_row: RowKey | None
    epoch: int
    owner: str
    """Unique for each claim."""
    message_ids: tuple[str, ...] = ()
    """The messages for which the job failed before and that stay on the queue, then the one received now."""
    causes: tuple[str, ...] = ()
    """The error codes of the attempts that failed before, for reasons of the job's own."""
    crashes: int = 0
    """Claims before this one, since the last orderly release, whose workers never ended them."""


@dataclass(frozen=True, slots=True)
class Held:
    """Another worker holds the job; its lease expires in `secs` seconds unless it is renewed."""

    secs: float
    message_id: str | None = None
    """The message that its holder received."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The job needs no work: `status` is COMPLETED, or CANCELLED by the producer."""

    status: str


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The row, which has this status, holds an event that must be published before the job is claimed."""

    status: str
    event: JobEvent


Answer = Claim | Held | Ended | Unpublished
"""What a worker that asks for a job is told."""


class TaskClaims(TaskRows):
    """The task rows, as far as jobs are claimed, released and cancelled."""

    def __init__(self, *, dynamodb: Any, table: str, owner: str) -> None:
        """`owner` names this worker in the rows it holds."""
        super().__init__(dynamodb=dynamodb, table=table)
        self._owner = owner

    def claim(self, job: Job, *, lease_secs: float, message_id: str) -> Answer:
        """
        Claim the job of a received message if it is free, under a new epoch, for `lease_secs` seconds.

        Raises TaskRowMissingError if a row of the producer does not exist (yet), TaskRowError if a row has a
        status that the contract does not define, OutputTakenError if a direct job with the same audio_out and
        another request is COMPLETED, or if an output belongs to a direct job with another audio_out,
        FailedBeforeError if the job failed for this message.
        """
        if job.is_direct:
            # A job that is refused anyway should keep no address from others.
            _refuse_taken_audio(job, self.read(job.audio_row))
            self._reserve_subtitles(job)
        result = self._claim_audio(job, lease_secs, message_id)
        if result == Ended(CANCELLED):
            self.cancel_rows(job.subtitles_row)
        if not isinstance(result, Claim) or result.subtitles_row is None:
            return result
        try:
            self._mark_subtitles(result, result.subtitles_row)
        except JobCancelledError:
            self.cancel_rows(result.audio_row)
            return Ended(CANCELLED)
        except (TaskRowError, TaskRowMissingError):
            self.release(result)
            raise
        return result

    def _reserve_subtitles(self, job: Job) -> None:
        """Keep the subtitles' address of a direct job from others, in a row. Raises OutputTakenError."""
        uri = job.destination.subtitles.uri
        try:
            self._update(
                RowKey(uri, DIRECT_TASK_ID),
                "SET audio_out = :audio",
                f"{NEW} OR audio_out = :audio",
                {":audio": job.audio_row.id},
            )
        except ConditionFailedError:
            raise OutputTakenError(f"subs_out: {uri} belongs to another job; name another output") from None

    def _claim_audio(self, job: Job, lease_secs: float, message_id: str) -> Answer:
        """Claim the audio row, or explain from the row why the condition failed."""
        now = time.time()
        # Unique for each claim: if a reply is lost, the SDK's retry finds the row held by this very owner.
        owner = f"{self._owner}/{uuid4().hex[:12]}"
        free = f"(({STARTABLE} AND {FAILED_FOR_OTHERS}) OR {LEASE_EXPIRED}) AND {PUBLISHED}"
        condition = f"({NEW} OR ({free}))" if job.is_direct else f"{EXISTS} AND {free}"
        values: Row = {
            ":pending": PENDING,
            ":failed": FAILED,
            ":in_progress": IN_PROGRESS,
            ":now": epoch_seconds(now),
            ":expires": epoch_seconds(now + lease_secs),
            ":owner": owner,
            ":message": message_id,
            ":zero": 0,
            ":one": 1,
            ":date": timestamp(),
        }
        update = (
            "SET #status = :in_progress, date_updated = :date, progress = :zero, lease_owner = :owner,"
            " lease_expires_at = :expires, lease_epoch = if_not_exists(lease_epoch, :zero) + :one,"
            " lease_message_id = :message, crashes = if_not_exists(crashes, :zero) + :one"
        )
        names = {}
        if job.is_direct:
            update += (
                ", #type = if_not_exists(#type, :tts), date_created = if_not_exists(date_created, :date),"
                " sparse_gsi_hash_key = :id, request_sha256 = :request"
            )
            values |= {":tts": "TTS", ":id": job.audio_row.id, ":request": job.request_sha256}
            names = {"#type": "type"}
        update += " REMOVE error_code, error_message"
        try:
            row = self._update(job.audio_row, update, condition, values, names)
        except ConditionFailedError as failed:
            return self._why_not_claimed(job, failed.row, owner, now)
        return self._claimed(job, row)

    @staticmethod
    def _claimed(job: Job, row: Row) -> Claim:
        return Claim(
            job.audio_row,
            job.subtitles_row,
            epoch=int(row["lease_epoch"]),
            owner=str(row["lease_owner"]),
            message_ids=(*row.get("failed_message_ids", ()), str(row["lease_message_id"])),
            causes=_causes(row),
            crashes=int(row["crashes"]) - 1,
        )

    def _why_not_claimed(self, job: Job, row: Row | None, owner: str, now: float) -> Answer:
        key = job.audio_row
        if row is None:
            raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)")
        if row.get("lease_owner") == owner:
            return self._claimed(job, row)
        if job.is_direct:
            _refuse_taken_audio(job, row)
        status = row.get("status")
        if OUTBOX in row:
            return Unpublished(str(status), JobEvent.parse(str(row[OUTBOX])))
        if status in {COMPLETED, CANCELLED}:
            return Ended(str(status))
        if status == FAILED:
            raise FailedBeforeError(str(row.get("error_message")), code=str(row.get("error_code")))
        if status == IN_PROGRESS:
            secs = max(0.0, float(row.get("lease_expires_at", now)) - now)
            return Held(secs, row.get("lease_message_id"))
        raise TaskRowError(f"row {key.task_id} of {key.id} has the unknown status {str(status)[:32]!r}")

    def _mark_subtitles(self, claim: Claim, key: RowKey) -> None:
        """Mark the subtitles row as ours too. Raises JobCancelledError, and what `claim` raises."""
        try:
            self._take_subtitles(claim, key, OLDER_CLAIM, {})
        except ConditionFailedError as failed:
            row = failed.row
            if row is not None and row.get("lease_owner") == claim.owner:
                return
            if not self._is_ours(claim):
                raise _lost() from None
            if row is None:
                raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)") from None
            if row.get("status") == CANCELLED:
                raise cancelled() from None
            if row.get("status") not in {PENDING, FAILED, IN_PROGRESS}:
                status = str(row.get("status"))[:32]
                raise TaskRowError(f"row {key.task_id} of {key.id} is {status}, its audio is not") from None
            self._take_stale_subtitles(claim, key, row)

    def _take_stale_subtitles(self, claim: Claim, key: RowKey, row: Row) -> None:
        """Take a subtitles row whose epoch is left from before the producer wrote the audio row anew."""
        seen = {":seen_epoch": row.get("lease_epoch"), ":seen_owner": row.get("lease_owner")}
        condition = UNCHANGED if seen[":seen_owner"] else "lease_epoch = :seen_epoch"
        try:
            self._take_subtitles(claim, key, condition, {n: v for n, v in seen.items() if n in condition})
        except ConditionFailedError:
            raise _lost() from None

    def _take_subtitles(self, claim: Claim, key: RowKey, condition: str, values: Row) -> None:
        self._update(
            key,
            "SET #status = :in_progress, date_updated = :date, lease_epoch = :epoch, lease_owner = :owner"
            " REMOVE error_code, error_message",
            f"{EXISTS} AND {UNENDED} AND {condition}",
            {":pending": PENDING, ":failed": FAILED, ":date": timestamp()} | ours(claim) | values,
        )

    def _is_ours(self, claim: Claim) -> bool:
        row = self.read(claim.audio_row)
        return row is not None and row.get("lease_owner") == claim.owner

    def release(self, claim: Claim, *, cause: str | None = None) -> None:
        """
        End the lease now, so that another worker can claim the job; do nothing if it is lost already.

        `cause` is the code of an error of the job's own: the attempt counts, and the row keeps the code.
        """
        update = "SET lease_expires_at = :zero, date_updated = :date"
        values: Row = {":zero": 0, ":date": timestamp()}
        if cause is not None:
            # The codes left from before the attempts started over are dropped.
            causes = "list_append(attempt_causes, :causes)" if claim.causes else ":causes"
            update += f", attempts = :attempts, attempt_causes = {causes}"
            values |= {":attempts": len(claim.causes) + 1, ":causes": [cause]}
        try:
            self._update_ours(claim, f"{update} REMOVE lease_owner, lease_message_id, crashes", values)
        except (LeaseLostError, JobCancelledError):
            return

    def cancel(self, claim: Claim) -> None:
        """Mark both rows CANCELLED after the producer has cancelled one, unless they have ended."""
        self.cancel_rows(claim.audio_row, claim.subtitles_row)

    def cancel_rows(self, *keys: RowKey | None) -> None:
        """Mark rows CANCELLED that exist and have not ended."""
        for key in filter(None, keys):
            try:
                self._update(
                    key,
                    "SET #status = :cancelled, date_updated = :date REMOVE lease_owner, lease_expires_at,"
                    " lease_message_id, crashes",
                    f"{EXISTS} AND (#status = :cancelled OR {UNENDED})",
                    {
                        ":pending": PENDING,
                        ":failed": FAILED,
                        ":in_progress": IN_PROGRESS,
                        ":cancelled": CANCELLED,
                        ":date": timestamp(),
                    },
                )
            except ConditionFailedError:
                continue

    def _update_ours(self, claim: Claim, update: str, values: Row) -> None:
        """Update the audio row while the claim holds it. Raises LeaseLostError, JobCancelledError."""
        try:
            self._update(claim.audio_row, update, OURS, values | ours(claim))
        except ConditionFailedError as failed:
            raise refusal(failed.row) from None


def _refuse_taken_audio(job: Job, row: Row | None) -> None:
    """Raise OutputTakenError if `row`, of the direct job's audio_out, is of another job's media."""
    if row is None:
        return
    if "status" not in row:
        raise OutputTakenError(
            f"audio_out: {job.audio_row.id} is another job's subs_out; name another output"
        )
    if row["status"] == COMPLETED and row.get("request_sha256", job.request_sha256) != job.request_sha256:
        raise OutputTakenError(
            f"audio_out: {job.audio_row.id} holds another job's audio; name another output"
        )


def _causes(row: Row) -> tuple[str, ...]:
    """Return the causes of the attempts that count; those of a job that failed and was redriven do not."""
    count = int(row.get("attempts", 0))
    return tuple(row.get("attempt_causes", ())[-count:]) if count else ()


def ours(claim: Claim) -> Row:
    """Return the values that the condition `OURS` names."""
    return {":in_progress": IN_PROGRESS, ":epoch": claim.epoch, ":owner": claim.owner}


def _lost() -> LeaseLostError:
    return LeaseLostError("another worker has claimed or ended the job")


def cancelled() -> JobCancelledError:
    """Return the error for a job that its producer cancelled."""
    return JobCancelledError("the producer cancelled the job")


def refusal(row: Row | None) -> StoryTtsError:
    """Return the error for a row that is not ours any more."""
    return cancelled() if row is not None and row.get("status") == CANCELLED else _lost()
