"""The contract of events in task rows, of the table in DynamoDB and of the in-memory one."""

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError

from app.aws.claims import Ended, Unpublished
from app.aws.rows import COMPLETED, FAILED
from app.aws.tasks import Tasks
from app.events import OUTBOX, JobEvent, job_event
from app.job import RowKey
from app.local.platform import Platform
from tests.app.aws.task_rows import AUDIO, STORY, SUBTITLES, AnyTasks, claimed, row


def event(status: str, ended_by: str) -> JobEvent:
    """Return an event of STORY."""
    return job_event(AUDIO, SUBTITLES, status=status, ended_by=ended_by, service="story-tts", message_id="m")


def test_a_completed_row_is_answered_with_its_event_until_it_is_cleared(produced: AnyTasks) -> None:
    """The event is stored with the commit; a claim is answered with it, later with the status of the job."""
    claim = claimed(produced)
    own = event(COMPLETED, claim.owner)
    produced.commit(claim, audio=own.attributes, subtitles={})

    assert produced.claim(STORY, lease_secs=60, message_id="m") == Unpublished(COMPLETED, own)
    produced.clear_event(AUDIO, event(COMPLETED, "another claim"))
    assert produced.claim(STORY, lease_secs=60, message_id="m") == Unpublished(COMPLETED, own)
    produced.clear_event(AUDIO, own)
    assert produced.claim(STORY, lease_secs=60, message_id="m") == Ended(COMPLETED)


def test_a_failed_job_is_claimed_after_its_event_is_cleared(produced: AnyTasks) -> None:
    """A new claim would replace the event by the next one."""
    claim = claimed(produced)
    own = event(FAILED, claim.owner)
    produced.fail(claim, code="REFUSED_TEXT", message="nothing to speak", event=own)

    assert produced.claim(STORY, lease_secs=60, message_id="m") == Unpublished(FAILED, own)
    produced.clear_event(AUDIO, own)
    assert claimed(produced).epoch == 2


def test_a_refused_job_holds_one_event_for_its_message(produced: AnyTasks) -> None:
    """A repeated refusal returns the event until it is published, and none afterwards."""
    own = event(FAILED, "m")
    rows = [AUDIO, SUBTITLES]
    for _ in range(2):
        assert produced.refuse(rows, code="UNKNOWN_VOICE", message="none", event=own) == own
    produced.clear_event(AUDIO, own)

    assert produced.refuse(rows, code="UNKNOWN_VOICE", message="none", event=own) is None
    assert OUTBOX not in (produced.read(AUDIO) or {})
    other = event(FAILED, "another message")
    assert produced.refuse(rows, code="UNKNOWN_VOICE", message="none", event=other) == other
    assert [(produced.read(key) or {})["status"] for key in rows] == [FAILED, FAILED]


def test_a_refusal_waits_for_the_event_of_an_earlier_ending(produced: AnyTasks) -> None:
    """That event is returned to be published first, and nothing is marked."""
    claim = claimed(produced)
    earlier = event(FAILED, claim.owner)
    produced.fail(claim, code="REFUSED_TEXT", message="nothing to speak", event=earlier)

    own = event(FAILED, "m")
    assert produced.refuse([AUDIO, SUBTITLES], code="UNKNOWN_VOICE", message="none", event=own) == earlier
    assert (produced.read(AUDIO) or {})["error_code"] == "REFUSED_TEXT"


@pytest.mark.parametrize("ending", ["held", "completed", "missing"])
def test_a_refusal_that_marks_nothing_has_no_event(produced: AnyTasks, ending: str) -> None:
    """A job that a worker holds or completed, or without a row, does not fail for another message."""
    rows = [RowKey("nobody", "a"), RowKey("nobody", "b")] if ending == "missing" else [AUDIO, SUBTITLES]
    if ending != "missing":
        claim = claimed(produced)
        if ending == "completed":
            produced.commit(claim, audio={}, subtitles={})

    assert produced.refuse(rows, code="UNKNOWN_VOICE", message="none", event=event(FAILED, "m")) is None
    assert OUTBOX not in (produced.read(rows[0]) or {})


class Repeating:
    """A client whose replies to updates are lost once, so that the SDK sends each update twice."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dynamodb, name)

    def update_item(self, **update: Any) -> Any:
        """Send an update twice."""
        self._dynamodb.update_item(**update)
        return self._dynamodb.update_item(**update)


def test_a_refusal_whose_reply_is_lost_marks_both_rows(platform: Platform) -> None:
    """The SDK's repetition meets the event that it has written itself: the refusal goes on with it."""
    tasks = Tasks(dynamodb=Repeating(platform.client("dynamodb")), table=platform.table, owner="here")
    tasks.create(AUDIO, SUBTITLES, source_prompt="Once")
    own = event(FAILED, "m")

    assert tasks.refuse([AUDIO, SUBTITLES], code="UNKNOWN_VOICE", message="none", event=own) == own
    assert [row(tasks, key)["status"] for key in (AUDIO, SUBTITLES)] == [FAILED, FAILED]


def test_a_late_refusal_does_not_bring_a_published_event_back(platform: Platform) -> None:
    """The same refusal by a worker that died, delivered after another one has published the event."""
    dynamodb = platform.client("dynamodb")
    tasks = Tasks(dynamodb=dynamodb, table=platform.table, owner="here")
    tasks.create(AUDIO, SUBTITLES, source_prompt="Once")
    own = event(FAILED, "m")
    with mock.patch.object(dynamodb, "update_item", wraps=dynamodb.update_item) as updates:
        tasks.refuse([AUDIO, SUBTITLES], code="UNKNOWN_VOICE", message="none", event=own)
    late = updates.call_args_list[0].kwargs
    tasks.clear_event(AUDIO, own)

    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb.update_item(**late)
    assert OUTBOX not in row(tasks, AUDIO)
