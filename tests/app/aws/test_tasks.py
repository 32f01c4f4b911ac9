"""
The contract of task rows: a claim has one holder, a commit happens once, a lost lease writes nothing.

It holds for the table in DynamoDB and for the in-memory one that the worker's rules are tested with.
"""

import threading
from decimal import Decimal

import pytest

from app.aws.claims import Claim, Ended, Held
from app.aws.objects import ObjectVersion
from app.errors import (
    FailedBeforeError,
    LeaseLostError,
    TaskRowError,
)
from app.job import RowKey, S3Address
from tests.app.aws.task_rows import (
    AUDIO,
    STORY,
    SUBTITLES,
    AnyTasks,
    claimed,
    replace_row,
    row,
)


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
