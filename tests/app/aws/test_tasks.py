"""
The contract of task rows: a claim has one holder, a commit happens once, a lost lease writes nothing.

It holds for the table in DynamoDB and for the in-memory one that the worker's rules are tested with.
"""

import threading
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.aws.claims import Claim, Ended, Held
from app.aws.objects import ObjectVersion
from app.aws.rows import Row
from app.aws.session import AwsClients
from app.aws.tasks import Tasks
from app.errors import (
    FailedBeforeError,
    JobCancelledError,
    LeaseLostError,
    OutputTakenError,
    TaskRowError,
    TaskRowMissingError,
)
from app.job import Destination, Job, RowKey, S3Address
from app.local.emulator import REGION
from app.local.platform import Platform
from tests.app.worker.in_memory import InMemoryTasks
from tests.ministack import EMULATORS

AUDIO, SUBTITLES = RowKey("story-1", "a1"), RowKey("story-1", "b2")
DESTINATION = Destination(S3Address("story-video-data", "a.wav"), S3Address("story-video-data", "b.srt"))
STORY = Job("Once.", "af_heart", 1.0, True, DESTINATION, AUDIO, SUBTITLES)
DIRECT = replace(STORY, audio_row=RowKey("s3://story-video-data/a.wav", "direct"), subtitles_row=None)


AnyTasks = Tasks | InMemoryTasks


@pytest.fixture(params=[*EMULATORS, "in memory"])
def tasks(request: pytest.FixtureRequest) -> AnyTasks:
    """An empty table."""
    if request.param == "in memory":
        return InMemoryTasks()
    platform: Platform = request.getfixturevalue("platform")
    return Tasks(dynamodb=AwsClients(region=REGION).client("dynamodb"), table=platform.table, owner="here")


@pytest.fixture
def produced(tasks: AnyTasks) -> AnyTasks:
    """A table with the rows of STORY, as the producer creates them."""
    tasks.create(AUDIO, SUBTITLES, source_prompt="Once")
    return tasks


def row(tasks: AnyTasks, key: RowKey) -> Row:
    """Return a row that must exist."""
    found = tasks.read(key)
    assert found is not None
    return found


def claimed(tasks: AnyTasks, job: Job = STORY, *, lease_secs: float = 60) -> Claim:
    """Claim a job that must be free."""
    claim = tasks.claim(job, lease_secs=lease_secs, message_id="m")
    assert isinstance(claim, Claim)
    return claim


def test_a_claim_marks_both_rows_and_starts_an_epoch(produced: AnyTasks) -> None:
    """A claimed job shows IN_PROGRESS on both rows, with a lease and the first epoch on the audio's."""
    assert claimed(produced).epoch == 1

    audio, subtitles = row(produced, AUDIO), row(produced, SUBTITLES)
    assert (audio["status"], subtitles["status"]) == ("IN_PROGRESS", "IN_PROGRESS")
    assert audio["lease_epoch"] == 1
    assert audio["lease_owner"].startswith("here/")
    assert audio["sparse_gsi_hash_key"] == "story-1"


def test_a_held_job_is_not_claimed_again(produced: AnyTasks) -> None:
    """While a lease lives, nobody else gets the job, and is told how long to wait."""
    claimed(produced)

    second = produced.claim(STORY, lease_secs=60, message_id="m")

    assert isinstance(second, Held)
    assert 55 < second.secs <= 60
    assert second.message_id == "m"


def test_an_expired_lease_is_taken_over_with_the_next_epoch(produced: AnyTasks) -> None:
    """The job of a holder that died is free when its lease has ended."""
    claimed(produced, lease_secs=-1)

    assert claimed(produced).epoch == 2


def test_one_of_many_claims_wins(produced: AnyTasks) -> None:
    """However many claim at once, one gets the job."""
    results: list[object] = []
    barrier = threading.Barrier(8)

    def claim() -> None:
        barrier.wait()
        results.append(produced.claim(STORY, lease_secs=60, message_id="m"))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(type(result).__name__ for result in results) == ["Claim", *["Held"] * 7]


def test_a_released_job_is_free_at_once(produced: AnyTasks) -> None:
    """What a stopping worker gives back can be claimed without waiting for its lease."""
    produced.release(claimed(produced))

    assert claimed(produced).epoch == 2


def test_a_commit_completes_both_rows_and_ends_the_lease(produced: AnyTasks) -> None:
    """Both rows become COMPLETED together, leave the sparse index, and carry what the commit adds."""
    claim = claimed(produced)

    produced.commit(claim, audio={"media_url": "s3://b/a.wav"}, subtitles={"media_url": "s3://b/b.srt"})

    for key, url in ((AUDIO, "s3://b/a.wav"), (SUBTITLES, "s3://b/b.srt")):
        ended = row(produced, key)
        assert (ended["status"], ended["media_url"], ended["progress"]) == ("COMPLETED", url, 1)
        assert not {"sparse_gsi_hash_key", "lease_owner", "lease_expires_at"} & ended.keys()


def test_completed_is_never_left(produced: AnyTasks) -> None:
    """A completed job cannot be claimed, renewed, failed or refused."""
    claim = claimed(produced)
    produced.commit(claim, audio={"media_url": "s3://b/a.wav"}, subtitles={"media_url": "s3://b/b.srt"})
    before = [row(produced, AUDIO), row(produced, SUBTITLES)]

    assert produced.claim(STORY, lease_secs=60, message_id="m") == Ended("COMPLETED")
    with pytest.raises(LeaseLostError):
        produced.renew(claim, lease_secs=60, progress=0.5)
    with pytest.raises(LeaseLostError):
        produced.fail(claim, code="X", message="x")
    produced.refuse([AUDIO, SUBTITLES], code="X", message="x")
    produced.release(claim)
    assert [row(produced, AUDIO), row(produced, SUBTITLES)] == before


def test_a_commit_repeated_after_a_lost_reply_is_no_error(produced: AnyTasks) -> None:
    """Whoever committed and did not hear of it learns it from the rows."""
    claim = claimed(produced)
    produced.commit(claim, audio={"media_url": "s3://b/a.wav"}, subtitles={})

    produced.commit(claim, audio={"media_url": "s3://b/a.wav"}, subtitles={})

    assert row(produced, AUDIO)["media_url"] == "s3://b/a.wav"


def test_a_holder_that_lost_its_lease_writes_nothing(produced: AnyTasks) -> None:
    """A worker that was paused past its lease can neither renew nor commit nor fail the other's job."""
    stale = claimed(produced, lease_secs=-1)
    claimed(produced)
    before = [row(produced, AUDIO), row(produced, SUBTITLES)]

    with pytest.raises(LeaseLostError):
        produced.renew(stale, lease_secs=60, progress=0.5)
    with pytest.raises(LeaseLostError):
        produced.commit(stale, audio={}, subtitles={})
    with pytest.raises(LeaseLostError):
        produced.fail(stale, code="X", message="x")
    produced.release(stale)
    assert [row(produced, AUDIO), row(produced, SUBTITLES)] == before


def test_rows_that_the_producer_wrote_anew_belong_to_their_new_holder(produced: AnyTasks) -> None:
    """
    If a producer replaces both rows while a job runs, the old holder writes nothing to the new job.

    Both holders have the epoch 1: the owner's id tells them apart.
    """
    old = claimed(produced)
    replace_row(produced, AUDIO)
    replace_row(produced, SUBTITLES)
    new = claimed(produced)
    assert (old.epoch, new.epoch) == (1, 1)

    with pytest.raises(LeaseLostError):
        produced.renew(old, lease_secs=60, progress=0.5)
    with pytest.raises(LeaseLostError):
        produced.commit(old, audio={"media_url": "old"}, subtitles={})
    with pytest.raises(LeaseLostError):
        produced.fail(old, code="X", message="x")
    produced.release(old)
    produced.commit(new, audio={"media_url": "new"}, subtitles={})

    assert row(produced, AUDIO)["media_url"] == "new"
    with pytest.raises(LeaseLostError):
        produced.commit(old, audio={"media_url": "old"}, subtitles={})


@pytest.mark.parametrize("is_running", [True, False])
def test_an_audio_row_written_anew_is_claimed_with_its_old_subtitles(
    produced: AnyTasks, is_running: bool
) -> None:
    """If a producer replaces the audio row only, the job is free, whatever epoch its subtitles row has."""
    for _ in range(4):
        produced.release(claimed(produced))
    old = claimed(produced)
    if not is_running:
        produced.fail(old, code="X", message="x")
    replace_row(produced, AUDIO)

    new = claimed(produced)

    with pytest.raises(LeaseLostError):
        produced.commit(old, audio={}, subtitles={})
    produced.commit(new, audio={}, subtitles={})
    assert [row(produced, key)["status"] for key in (AUDIO, SUBTITLES)] == ["COMPLETED", "COMPLETED"]


def test_a_failed_job_keeps_its_place_in_the_index_and_can_be_tried_again(produced: AnyTasks) -> None:
    """FAILED rows say why, are still unfinished business, and can be claimed after a redrive."""
    produced.fail(claimed(produced), code="REFUSED_TEXT", message="x" * 900)

    for key in (AUDIO, SUBTITLES):
        failed = row(produced, key)
        assert (failed["status"], failed["error_code"]) == ("FAILED", "REFUSED_TEXT")
        assert len(failed["error_message"]) == 500
        assert failed["sparse_gsi_hash_key"] == "story-1"
    assert claimed(produced).epoch == 2
    assert "error_code" not in row(produced, AUDIO)
    assert "error_code" not in row(produced, SUBTITLES)
    assert "crashes" not in row(produced, SUBTITLES)


def test_attempts_are_counted_with_their_causes(produced: AnyTasks) -> None:
    """Each claim knows how many attempts have failed before; a release without a cause is no attempt."""
    causes = []
    for cause in ("ENGINE_DIED", None, "DISK_FULL", None):
        claim = claimed(produced)
        causes.append(claim.causes)
        produced.release(claim, cause=cause)

    assert causes == [(), ("ENGINE_DIED",), ("ENGINE_DIED",), ("ENGINE_DIED", "DISK_FULL")]
    assert row(produced, AUDIO)["attempt_causes"] == ["ENGINE_DIED", "DISK_FULL"]


def test_a_failed_job_starts_over_with_its_attempts(produced: AnyTasks) -> None:
    """A job that is redriven after it failed has all its attempts again."""
    produced.release(claimed(produced), cause="ENGINE_DIED")
    produced.fail(claimed(produced), code="ENGINE_DIED", message="x")

    claim = claimed(produced)
    produced.release(claim, cause="DISK_FULL")

    assert claim.causes == ()
    assert row(produced, AUDIO)["attempt_causes"] == ["DISK_FULL"]


def test_claims_that_never_ended_are_counted(produced: AnyTasks) -> None:
    """A claim knows how many claims before it ended without a release: their workers crashed."""
    crashes = [claimed(produced, lease_secs=-1).crashes for _ in range(3)]
    claim = claimed(produced)
    produced.release(claim)

    assert [*crashes, claim.crashes, claimed(produced).crashes] == [0, 1, 2, 3, 0]


def test_a_claim_that_stored_a_segment_starts_the_count_over(produced: AnyTasks) -> None:
    """Workers that die one after another, but get further each time, do not poison the job."""
    for _ in range(3):
        claim = claimed(produced)
        produced.renew(claim, lease_secs=-1, progress=0.1, has_advanced=True)
    assert claimed(produced).crashes == 1


def test_renewal_shows_progress_and_prolongs_the_lease(produced: AnyTasks) -> None:
    """A renewal is what the one who waits can see."""
    claim = claimed(produced, lease_secs=5)
    before = row(produced, AUDIO)["lease_expires_at"]

    produced.renew(claim, lease_secs=60, progress=1 / 3)

    renewed = row(produced, AUDIO)
    assert renewed["progress"] == Decimal("0.3333")
    assert renewed["lease_expires_at"] > before + 50


def test_the_first_version_of_a_text_is_pinned(produced: AnyTasks) -> None:
    """Later attempts get what the first one saw; a failed job forgets it."""
    claim = claimed(produced)
    address, first = S3Address("bucket", "a.txt"), ObjectVersion('"1"', 5, "v1")
    assert produced.pin_text(claim, address, first) == first
    assert produced.pin_text(claim, address, ObjectVersion('"2"', 6, "v2")) == first
    assert produced.pin_text(claim, address, None) == first
    assert row(produced, AUDIO)["text_version"]["url"] == address.uri

    produced.fail(claim, code="X", message="x")

    assert "text_version" not in row(produced, AUDIO)
    with pytest.raises(LeaseLostError):
        produced.pin_text(claim, address, first)


def test_a_refused_job_forgets_the_version_of_its_text(produced: AnyTasks) -> None:
    """As it forgets its attempts: sent again, it narrates the text that is there then."""
    claim = claimed(produced)
    produced.pin_text(claim, S3Address("bucket", "a.txt"), ObjectVersion('"1"', 5, "v1"))
    produced.release(claim)

    produced.refuse((AUDIO, SUBTITLES), code="UNKNOWN_VOICE", message="x")

    assert row(produced, AUDIO)["status"] == "FAILED"
    assert "text_version" not in row(produced, AUDIO)


def test_another_text_has_its_own_version(produced: AnyTasks) -> None:
    """A producer that sends the job again with another text_url gets that text."""
    claim = claimed(produced)
    wrong, right = S3Address("bucket", "wrong.txt"), S3Address("bucket", "right.txt")
    produced.pin_text(claim, wrong, ObjectVersion('"1"', 5, "v1"))

    assert produced.pin_text(claim, right, None) is None
    found = ObjectVersion('"2"', 6, "v2")
    assert produced.pin_text(claim, right, found) == found
    assert row(produced, AUDIO)["text_version"]["url"] == right.uri


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
    tasks = Tasks(dynamodb=AwsClients(region=REGION).client("dynamodb"), table=platform.table, owner="here")
    claimed(tasks, DIRECT)

    assert [each["id"] for each in tasks.audio_rows()] == [DIRECT.audio_row.id]


def test_a_failed_direct_job_can_be_sent_again_with_another_text(tasks: AnyTasks) -> None:
    """Only a job that COMPLETED keeps its output."""
    tasks.fail(claimed(tasks, DIRECT), code="REFUSED_TEXT", message="nothing to speak")
    corrected = replace(DIRECT, text="Twice.")

    tasks.commit(claimed(tasks, corrected), audio={}, subtitles={})

    assert tasks.claim(corrected, lease_secs=60, message_id="m") == Ended("COMPLETED")


def test_a_failed_job_whose_message_stays_is_claimed_by_another_message_only(produced: AnyTasks) -> None:
    """The message for which it failed finds the reason; any other one may try again, once."""
    produced.fail(claimed(produced), code="REFUSED_TEXT", message="nothing to speak", message_stays=True)

    with pytest.raises(FailedBeforeError, match="nothing to speak") as raised:
        produced.claim(STORY, lease_secs=60, message_id="m")
    assert raised.value.code == "REFUSED_TEXT"

    again = produced.claim(STORY, lease_secs=60, message_id="n")
    assert isinstance(again, Claim)
    produced.fail(again, code="REFUSED_TEXT", message="nothing to speak", message_stays=True)
    for message_id in "mn":
        with pytest.raises(FailedBeforeError):
            produced.claim(STORY, lease_secs=60, message_id=message_id)


def test_a_refused_job_fails_its_free_rows_alone(produced: AnyTasks) -> None:
    """A body that cannot be a job marks its rows FAILED, but never those that somebody works on."""
    produced.refuse([AUDIO, RowKey("story-1", "absent")], code="UNKNOWN_VOICE", message="no such voice")
    assert row(produced, AUDIO)["status"] == "FAILED"
    assert len(produced.rows_of("story-1")) == 2

    claim = claimed(produced)
    produced.refuse([AUDIO, SUBTITLES], code="UNKNOWN_VOICE", message="no such voice")
    assert row(produced, AUDIO)["status"] == "IN_PROGRESS"
    produced.commit(claim, audio={}, subtitles={})


def test_rows_are_created_once(produced: AnyTasks) -> None:
    """Submitting under task ids that exist is refused, and touches nothing."""
    with pytest.raises(TaskRowError, match="exists already"):
        produced.create(AUDIO, RowKey("story-1", "c3"), source_prompt="Once")

    assert len(produced.rows_of("story-1")) == 2


def set_status(tasks: AnyTasks, task_id: str, status: str) -> None:
    """Write a status as another service would."""
    if isinstance(tasks, InMemoryTasks):
        tasks.rows[RowKey("story-1", task_id)]["status"] = status
        return
    tasks._dynamodb.update_item(
        TableName=tasks._table,
        Key={"id": {"S": "story-1"}, "task_id": {"S": task_id}},
        UpdateExpression="SET #status = :status",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":status": {"S": status}},
    )


def replace_row(tasks: AnyTasks, key: RowKey) -> None:
    """Write a row anew, as a producer does with PutItem."""
    item = {"id": key.id, "task_id": key.task_id, "status": "PENDING", "sparse_gsi_hash_key": key.id}
    if isinstance(tasks, InMemoryTasks):
        tasks.rows[key] = dict(item)
        return
    tasks._dynamodb.put_item(TableName=tasks._table, Item={name: {"S": item[name]} for name in item})


def delete(tasks: AnyTasks, key: RowKey) -> None:
    """Delete a row, or never have it."""
    if isinstance(tasks, InMemoryTasks):
        del tasks.rows[key]
        return
    tasks._dynamodb.delete_item(
        TableName=tasks._table, Key={"id": {"S": key.id}, "task_id": {"S": key.task_id}}
    )
