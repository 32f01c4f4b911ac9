"""The contract of task rows that are missing, cancelled, or written by somebody else, of both tables."""

import pytest

from app.aws.claims import Ended
from app.errors import (
    JobCancelledError,
    TaskRowError,
    TaskRowMissingError,
)
from tests.app.aws.task_rows import (
    AUDIO,
    STORY,
    SUBTITLES,
    AnyTasks,
    claimed,
    delete,
    row,
    set_status,
)


def test_missing_rows_are_not_created(tasks: AnyTasks) -> None:
    """A story job whose rows are not there is for another time: the producer may be late."""
    with pytest.raises(TaskRowMissingError):
        tasks.claim(STORY, lease_secs=60, message_id="m")

    assert tasks.rows_of("story-1") == []


def test_a_missing_subtitles_row_releases_the_audio_row(produced: AnyTasks) -> None:
    """Half a pair of rows is no job, and the half that is there is not kept from the next attempt."""
    delete(produced, SUBTITLES)

    with pytest.raises(TaskRowMissingError, match="b2"):
        produced.claim(STORY, lease_secs=60, message_id="m")

    assert row(produced, AUDIO)["lease_expires_at"] == 0


@pytest.mark.parametrize("task_id", ["a1", "b2"])
def test_a_cancelled_job_is_over(produced: AnyTasks, task_id: str) -> None:
    """A job that the producer cancelled on either row is not processed, and the other row follows."""
    set_status(produced, task_id, "CANCELLED")

    assert produced.claim(STORY, lease_secs=60, message_id="m") == Ended("CANCELLED")
    for key in (AUDIO, SUBTITLES):
        cancelled = row(produced, key)
        assert (cancelled["status"], cancelled["sparse_gsi_hash_key"]) == ("CANCELLED", "story-1")
        assert not {"lease_owner", "lease_expires_at"} & cancelled.keys()


@pytest.mark.parametrize("task_id", ["a1", "b2"])
def test_a_holder_learns_of_a_cancellation_with_its_next_renewal(produced: AnyTasks, task_id: str) -> None:
    """A renewal reports that either row is CANCELLED; `cancel` lets the other row follow."""
    claim = claimed(produced)
    set_status(produced, task_id, "CANCELLED")

    with pytest.raises(JobCancelledError):
        produced.renew(claim, lease_secs=60, progress=0.5)
    produced.cancel(claim)

    assert [row(produced, key)["status"] for key in (AUDIO, SUBTITLES)] == ["CANCELLED", "CANCELLED"]
    assert "lease_owner" not in row(produced, AUDIO)


@pytest.mark.parametrize("task_id", ["a1", "b2"])
def test_a_job_cancelled_while_it_is_held_is_not_completed(produced: AnyTasks, task_id: str) -> None:
    """If the producer cancels either row after the claim, the commit changes neither row."""
    claim = claimed(produced)
    set_status(produced, task_id, "CANCELLED")
    before = [row(produced, AUDIO), row(produced, SUBTITLES)]

    with pytest.raises(JobCancelledError):
        produced.commit(claim, audio={}, subtitles={})
    with pytest.raises(JobCancelledError):
        produced.fail(claim, code="X", message="x")

    assert [row(produced, AUDIO), row(produced, SUBTITLES)] == before


def test_an_unknown_status_is_an_error_of_the_rows(produced: AnyTasks) -> None:
    """A status that the contract does not know is refused, not overwritten."""
    set_status(produced, "a1", "ARCHIVED")

    with pytest.raises(TaskRowError, match="'ARCHIVED'"):
        produced.claim(STORY, lease_secs=60, message_id="m")


def test_subtitles_completed_alone_are_an_error_of_the_rows(produced: AnyTasks) -> None:
    """COMPLETED is never left, also where only the subtitles' row has it."""
    set_status(produced, "b2", "COMPLETED")

    with pytest.raises(TaskRowError, match="b2 of story-1 is COMPLETED"):
        produced.claim(STORY, lease_secs=60, message_id="m")
