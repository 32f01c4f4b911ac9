"""Task rows in memory, with the rules of app.aws.tasks.Tasks."""

import threading
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from app.aws.claims import Answer, Claim, Ended, Held, Unpublished
from app.aws.objects import ObjectVersion
from app.aws.rows import CANCELLED, COMPLETED, FAILED, IN_PROGRESS, PENDING, Row
from app.errors import (
    FailedBeforeError,
    JobCancelledError,
    LeaseLostError,
    OutputTakenError,
    StoryTtsError,
    TaskRowError,
    TaskRowMissingError,
)
from app.events import EVENT_ID, OUTBOX, JobEvent
from app.job import Job, RowKey, S3Address
from tests.app.worker.faults import Faults, faulty


class InMemoryTasks:
    """Task rows in a dictionary, with the rules of app.aws.tasks.Tasks."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.rows: dict[RowKey, Row] = {}
        self.subtitles: dict[str, RowKey] = {}
        """The audio row of the direct job that each address of subtitles belongs to."""
        self._faults = faults or Faults()
        self._owners = (f"here/{number}" for number in count(1))
        self._lock = threading.Lock()

    def create(self, audio: RowKey, subtitles: RowKey, *, source_prompt: str) -> None:
        """Create both rows as the producer does."""
        if {audio, subtitles} & self.rows.keys():
            raise TaskRowError(f"a row of {audio.id} with these task ids exists already")
        for key in (audio, subtitles):
            self.rows[key] = _new_row(key) | {"source_prompt": source_prompt}

    def read(self, key: RowKey) -> Row | None:
        """Return a copy of the row."""
        return dict(self.rows[key]) if key in self.rows else None

    def rows_of(self, row_id: str) -> list[Row]:
        """Return the rows of a story."""
        return [dict(row) for key, row in sorted(self.rows.items(), key=str) if key.id == row_id]

    @faulty
    def claim(self, job: Job, *, lease_secs: float, message_id: str) -> Answer:
        """Claim the job if it is free."""
        with self._lock:
            uri = job.destination.subtitles.uri
            if job.is_direct:
                self._refuse_taken_audio(job)
            if job.is_direct and self.subtitles.setdefault(uri, job.audio_row) != job.audio_row:
                raise OutputTakenError(f"subs_out: {uri} belongs to another job")
            return self._claim(job, lease_secs, message_id)

    def _claim(self, job: Job, lease_secs: float, message_id: str) -> Answer:
        if job.is_direct and job.audio_row not in self.rows:
            self.rows[job.audio_row] = _new_row(job.audio_row) | {"type": "TTS"}
        row = self._existing(job.audio_row)
        if OUTBOX in row:
            return Unpublished(row["status"], JobEvent.parse(row[OUTBOX]))
        if row["status"] == CANCELLED:
            self._cancel(job.audio_row, job.subtitles_row)
        if row["status"] in {COMPLETED, CANCELLED}:
            return Ended(row["status"])
        if row["status"] not in {PENDING, FAILED, IN_PROGRESS}:
            raise TaskRowError(
                f"row {job.audio_row.task_id} of {job.audio_row.id} has the unknown status {row['status']!r}"
            )
        if row["status"] == FAILED and message_id in row.get("failed_message_ids", ()):
            raise FailedBeforeError(row["error_message"], code=row["error_code"])
        if _is_live(row):
            return Held(row["lease_expires_at"] - time.time(), row.get("lease_message_id"))
        claim = Claim(
            job.audio_row,
            job.subtitles_row,
            epoch=row.get("lease_epoch", 0) + 1,
            owner=next(self._owners),
            message_ids=(*row.get("failed_message_ids", ()), message_id),
            causes=tuple(row["attempt_causes"]) if row.get("attempts") else (),
            crashes=row.get("crashes", 0),
        )
        row |= {
            "status": IN_PROGRESS,
            "progress": 0,
            "lease_epoch": claim.epoch,
            "lease_owner": claim.owner,
            "lease_message_id": message_id,
            "crashes": claim.crashes + 1,
            "lease_expires_at": time.time() + lease_secs,
        }
        if job.is_direct:
            row["request_sha256"] = job.request_sha256
        _drop(row, "error_code", "error_message")
        return self._claim_subtitles(claim)

    def _refuse_taken_audio(self, job: Job) -> None:
        row = self.rows.get(job.audio_row, {})
        is_same = row.get("request_sha256") in {None, job.request_sha256}
        if job.audio_row.id in self.subtitles or (row.get("status") == COMPLETED and not is_same):
            raise OutputTakenError(f"audio_out: {job.audio_row.id} holds another job's media")

    def _claim_subtitles(self, claim: Claim) -> Claim | Ended:
        if claim.subtitles_row is None:
            return claim
        try:
            row = self._existing(claim.subtitles_row)
            if row["status"] == COMPLETED:
                key = claim.subtitles_row
                raise TaskRowError(f"row {key.task_id} of {key.id} is COMPLETED, its audio is not")
        except StoryTtsError:
            self._release(claim)
            raise
        if row["status"] == CANCELLED:
            self.cancel(claim)
            return Ended(CANCELLED)
        row |= {"status": IN_PROGRESS, "lease_epoch": claim.epoch, "lease_owner": claim.owner}
        _drop(row, "error_code", "error_message")
        return claim

    @faulty
    def renew(self, claim: Claim, *, lease_secs: float, progress: float, has_advanced: bool = False) -> None:
        """Extend the lease."""
        self._hold(claim)
        self.rows[claim.audio_row] |= {
            "lease_expires_at": time.time() + lease_secs,
            "progress": Decimal(f"{progress:.4f}"),
        }
        if has_advanced:
            self.rows[claim.audio_row]["crashes"] = 1
        if any(row["status"] == CANCELLED for row in self._rows(claim)):
            raise _cancelled()

    @faulty
    def release(self, claim: Claim, *, cause: str | None = None) -> None:
        """End the lease, and count the attempt if it has a cause."""
        self._release(claim, cause)

    def _release(self, claim: Claim, cause: str | None = None) -> None:
        if self._is_held(claim):
            row = self.rows[claim.audio_row]
            row["lease_expires_at"] = 0
            _drop(row, "lease_owner", "lease_message_id", "crashes")
            if cause:
                causes = [*claim.causes, cause]
                row |= {"attempts": len(causes), "attempt_causes": causes}

    @faulty
    def cancel(self, claim: Claim) -> None:
        """Cancel both rows."""
        self._cancel(claim.audio_row, claim.subtitles_row)

    def _cancel(self, *keys: RowKey | None) -> None:
        for key in keys:
            if key in self.rows and self.rows[key]["status"] != COMPLETED:
                self.rows[key]["status"] = CANCELLED
                _drop(self.rows[key], "lease_owner", "lease_expires_at")

    @faulty
    def pin_text(self, claim: Claim, address: S3Address, found: ObjectVersion | None) -> ObjectVersion | None:
        """Store the version of the text, unless one is stored."""
        self._hold(claim)
        row = self.rows[claim.audio_row]
        stored = row.get("text_version")
        if stored and stored["url"] == address.uri:
            return ObjectVersion(stored["etag"], stored["size"], stored["version_id"])
        if found is not None:
            row["text_version"] = {
                "url": address.uri,
                "etag": found.etag,
                "size": found.size,
                "version_id": found.version_id,
            }
        return found

    @faulty
    def commit(self, claim: Claim, *, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        """Complete both rows."""
        if not self._is_ended(claim, COMPLETED):
            self._hold(claim, both=True)
            self._end(claim, {"status": COMPLETED, "progress": 1, "ended_by": claim.owner}, audio, subtitles)
            for row in self._rows(claim):
                _drop(row, "sparse_gsi_hash_key", "error_code", "error_message")

    def is_committed(self, claim: Claim) -> bool:
        """Return whether this claim completed the job."""
        return self._is_ended(claim, COMPLETED)

    @faulty
    def fail(
        self,
        claim: Claim,
        *,
        code: str,
        message: str,
        message_stays: bool = False,
        event: JobEvent | None = None,
    ) -> None:
        """Mark both rows FAILED."""
        if not self._is_ended(claim, FAILED):
            self._hold(claim, both=True)
            reason = {"error_code": code, "error_message": message[:500]}
            stays = {"failed_message_ids": claim.message_ids} if message_stays else {}
            outbox = event.attributes if event else {}
            self._end(claim, {"status": FAILED, "ended_by": claim.owner} | reason, stays | outbox, {})
            for row in self._rows(claim):
                _drop(row, "attempts", "text_version")

    @faulty
    def refuse(
        self, rows: Iterable[RowKey], *, code: str, message: str, event: JobEvent | None = None
    ) -> JobEvent | None:
        """Mark rows FAILED that were never claimed."""
        keys = list(rows)
        audio = self.rows.get(keys[0], {}) if keys else {}
        waiting = None
        if event and OUTBOX in audio:
            waiting = JobEvent.parse(audio[OUTBOX])
            if waiting.id != event.id:
                return waiting
        elif event and audio and audio.get(EVENT_ID) != event.id:
            waiting = event
        reason = {"status": FAILED, "error_code": code, "error_message": message[:500]}
        for row in [self.rows[key] for key in keys if key in self.rows]:
            if row["status"] not in {PENDING, FAILED, IN_PROGRESS} or _is_live(row):
                return None if row is audio else waiting
            row.update(reason, **(waiting.attributes if row is audio and waiting else {}))
            _drop(row, "crashes", "attempts", "text_version")
        return waiting

    @faulty
    def clear_event(self, audio: RowKey, event: JobEvent) -> None:
        """Forget the event."""
        if self.rows.get(audio, {}).get(EVENT_ID) == event.id:
            _drop(self.rows[audio], OUTBOX)

    def _end(self, claim: Claim, both: Row, audio: Mapping[str, Any], subtitles: Mapping[str, Any]) -> None:
        for row, own in zip(self._rows(claim), (audio, subtitles), strict=False):
            row.update(own, **both)
            _drop(row, "lease_owner", "lease_expires_at", "lease_message_id", "crashes")

    def _existing(self, key: RowKey) -> Row:
        if key not in self.rows:
            raise TaskRowMissingError(f"row {key.task_id} of {key.id} does not exist (yet)")
        return self.rows[key]

    def _rows(self, claim: Claim) -> list[Row]:
        keys = [key for key in (claim.audio_row, claim.subtitles_row) if key]
        return [self.rows[key] for key in keys if key in self.rows]

    def _is_held(self, claim: Claim) -> bool:
        return _is_of(claim, self.rows.get(claim.audio_row, {}))

    def _is_ended(self, claim: Claim, status: str) -> bool:
        row = self.rows[claim.audio_row]
        return (row["status"], row.get("ended_by")) == (status, claim.owner)

    def _hold(self, claim: Claim, *, both: bool = False) -> None:
        rows = self._rows(claim) if both else self._rows(claim)[:1]
        if any(row["status"] == CANCELLED for row in rows):
            raise _cancelled()
        if not all(_is_of(claim, row) for row in rows):
            raise LeaseLostError("another worker has claimed or ended the job")


def _new_row(key: RowKey) -> Row:
    return {"id": key.id, "task_id": key.task_id, "status": PENDING, "sparse_gsi_hash_key": key.id}


def _cancelled() -> JobCancelledError:
    return JobCancelledError("the producer cancelled the job")


def _is_of(claim: Claim, row: Row) -> bool:
    holder = (row.get("status"), row.get("lease_epoch"), row.get("lease_owner"))
    return holder == (IN_PROGRESS, claim.epoch, claim.owner)


def _is_live(row: Row) -> bool:
    return bool(row["status"] == IN_PROGRESS and row.get("lease_expires_at", 0) >= time.time())


def _drop(row: Row, *names: str) -> None:
    for name in names:
        row.pop(name, None)
