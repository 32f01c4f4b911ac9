"""Finds a submitted story by its id alone."""

from collections.abc import Iterable

from app.aws.rows import COMPLETED, Row, TaskRows
from app.client.submission import JobStatus, Submission, state_of
from app.job import RowKey


def find_story(tasks: TaskRows, parent_id: str) -> JobStatus | None:
    """
    Return the status of the story `parent_id`, None if there is no such story.

    If the story was submitted several times, it is the narration that was completed last, else the one that
    changed last. Raises InfrastructureError.
    """
    rows = tasks.rows_of(parent_id)
    if not rows:
        return None
    audio = _latest(row for row in rows if row.get("type") != "SUBTITLE")
    subtitles = _latest(row for row in rows if row.get("type") == "SUBTITLE")
    keys = [RowKey(parent_id, str(row.get("task_id", ""))) for row in (audio, subtitles)]
    return JobStatus(
        Submission(parent_id, *keys), state_of(audio), float(audio.get("progress", 0)), audio, subtitles
    )


def _latest(rows: Iterable[Row]) -> Row:
    return max(
        rows,
        key=lambda row: (row.get("status") == COMPLETED, str(row.get("date_updated", ""))),
        default={},
    )
