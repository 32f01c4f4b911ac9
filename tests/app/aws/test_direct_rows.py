"""The contract of the rows of direct jobs, of both tables: the row is the claim's, an output has one job."""

from dataclasses import replace
from typing import Any

import pytest

from app.aws.claims import Ended
from app.aws.tasks import Tasks
from app.errors import (
    OutputTakenError,
)
from app.job import Destination, RowKey, S3Address
from app.local.platform import Platform
from tests.app.aws.task_rows import (
    DESTINATION,
    DIRECT,
    AnyTasks,
    claimed,
    row,
)


def test_a_direct_job_makes_its_own_row(tasks: AnyTasks) -> None:
    """A direct job has no producer: its claim makes the row, and its commit ends it."""
    claim = claimed(tasks, DIRECT)
    assert row(tasks, DIRECT.audio_row)["sparse_gsi_hash_key"] == DIRECT.audio_row.id

    tasks.commit(claim, audio={"media_url": "s3://story-video-data/a.wav"}, subtitles={})

    ended = row(tasks, DIRECT.audio_row)
    assert (ended["status"], ended["type"]) == ("COMPLETED", "TTS")
    assert "sparse_gsi_hash_key" not in ended
    assert tasks.claim(DIRECT, lease_secs=60, message_id="m") == Ended("COMPLETED")


@pytest.mark.parametrize("change", [{"text": "Twice."}, {"voice": "bm_george"}, {"speed": 1.5}])
def test_a_direct_job_does_not_take_the_output_of_another(tasks: AnyTasks, change: dict[str, Any]) -> None:
    """A second job with the same audio_out is refused aloud if it asks for other media."""
    tasks.commit(claimed(tasks, DIRECT), audio={"media_url": "s3://story-video-data/a.wav"}, subtitles={})
    before = row(tasks, DIRECT.audio_row)

    with pytest.raises(OutputTakenError, match=r"s3://story-video-data/a\.wav"):
        tasks.claim(replace(DIRECT, **change), lease_secs=60, message_id="m")

    assert row(tasks, DIRECT.audio_row) == before


def test_a_direct_job_does_not_take_the_subtitles_of_another(tasks: AnyTasks) -> None:
    """Two direct jobs with one subs_out would overwrite each other's: the second is refused aloud."""
    first = claimed(tasks, DIRECT)
    other = replace(DIRECT, audio_row=RowKey("s3://story-video-data/other.wav", "direct"))

    with pytest.raises(OutputTakenError, match=r"subs_out: s3://story-video-data/b\.srt"):
        tasks.claim(other, lease_secs=60, message_id="m")

    assert tasks.read(other.audio_row) is None
    tasks.release(first)
    tasks.commit(claimed(tasks, DIRECT), audio={}, subtitles={})


def test_a_refused_direct_job_keeps_no_address_of_subtitles(tasks: AnyTasks) -> None:
    """Sent again with another audio_out, it may have the subs_out that it named at first."""
    tasks.commit(claimed(tasks, DIRECT), audio={}, subtitles={})
    audio, subtitles = (S3Address("story-video-data", name) for name in ("other.wav", "c.srt"))
    refused = replace(DIRECT, destination=replace(DESTINATION, subtitles=subtitles))
    with pytest.raises(OutputTakenError, match="audio_out"):
        tasks.claim(refused, lease_secs=60, message_id="m")

    corrected = replace(
        DIRECT, destination=Destination(audio, subtitles), audio_row=RowKey(audio.uri, "direct")
    )

    assert claimed(tasks, corrected).epoch == 1


def test_an_audio_out_that_is_the_subs_out_of_another_job_is_taken(tasks: AnyTasks) -> None:
    """The row that reserves the address is no task row, so its missing status is no reason to give."""
    claimed(tasks, DIRECT)
    address = DESTINATION.subtitles
    subtitles = S3Address("story-video-data", "c.srt")
    other = replace(
        DIRECT, destination=Destination(address, subtitles), audio_row=RowKey(address.uri, "direct")
    )

    with pytest.raises(OutputTakenError, match=r"audio_out: s3://story-video-data/b\.srt"):
        tasks.claim(other, lease_secs=60, message_id="m")


def test_reserved_addresses_are_no_stories(platform: Platform) -> None:
    """Reading all stories skips the rows that keep subs_out from other jobs."""
    tasks = Tasks(dynamodb=platform.client("dynamodb"), table=platform.table, owner="here")
    claimed(tasks, DIRECT)

    assert [each["id"] for each in tasks.audio_rows()] == [DIRECT.audio_row.id]


def test_a_failed_direct_job_can_be_sent_again_with_another_text(tasks: AnyTasks) -> None:
    """Only a job that COMPLETED keeps its output."""
    tasks.fail(claimed(tasks, DIRECT), code="REFUSED_TEXT", message="nothing to speak")
    corrected = replace(DIRECT, text="Twice.")

    tasks.commit(claimed(tasks, corrected), audio={}, subtitles={})

    assert tasks.claim(corrected, lease_secs=60, message_id="m") == Ended("COMPLETED")
