"""The contract of events in task rows, of the table in DynamoDB and of the in-memory one."""

import pytest

from app.aws.claims import Claim, Ended, Unpublished
from app.aws.rows import COMPLETED, FAILED
from app.aws.session import AwsClients
from app.aws.tasks import Tasks
from app.events import OUTBOX, JobEvent, job_event
from app.job import Destination, Job, RowKey, S3Address
from app.local.emulator import REGION
from app.local.platform import Platform
from tests.app.worker.in_memory import InMemoryTasks
from tests.ministack import EMULATORS

AUDIO, SUBTITLES = RowKey("story-1", "a1"), RowKey("story-1", "b2")
DESTINATION = Destination(S3Address("story-video-data", "a.wav"), S3Address("story-video-data", "b.srt"))
STORY = Job("Once.", "af_heart", 1.0, True, DESTINATION, AUDIO, SUBTITLES)

AnyTasks = Tasks | InMemoryTasks


@pytest.fixture(params=[*EMULATORS, "in memory"])
def tasks(request: pytest.FixtureRequest) -> AnyTasks:
    """A table with the rows of STORY."""
    made: AnyTasks = InMemoryTasks()
    if request.param != "in memory":
        platform: Platform = request.getfixturevalue("platform")
        made = Tasks(dynamodb=AwsClients(region=REGION).client("dynamodb"), table=platform.table, owner="x")
    made.create(AUDIO, SUBTITLES, source_prompt="Once")
    return made


def claimed(tasks: AnyTasks) -> Claim:
    """Claim the job, which must be free."""
    claim = tasks.claim(STORY, lease_secs=60, message_id="m")
    assert isinstance(claim, Claim)
    return claim


def event(status: str, ended_by: str) -> JobEvent:
    """Return an event of STORY."""
    return job_event(AUDIO, SUBTITLES, status=status, ended_by=ended_by, service="story-tts", message_id="m")


def test_a_completed_row_is_answered_with_its_event_until_it_is_cleared(tasks: AnyTasks) -> None:
    """The event is stored with the commit; a claim is answered with it, later with the status of the job."""
    claim = claimed(tasks)
    own = event(COMPLETED, claim.owner)
    tasks.commit(claim, audio=own.attributes, subtitles={})

    assert tasks.claim(STORY, lease_secs=60, message_id="m") == Unpublished(COMPLETED, own)
    tasks.clear_event(AUDIO, event(COMPLETED, "another claim"))
    assert tasks.claim(STORY, lease_secs=60, message_id="m") == Unpublished(COMPLETED, own)
    tasks.clear_event(AUDIO, own)
    assert tasks.claim(STORY, lease_secs=60, message_id="m") == Ended(COMPLETED)


def test_a_failed_job_is_claimed_after_its_event_is_cleared(tasks: AnyTasks) -> None:
    """A new claim would replace the event by the next one."""
    claim = claimed(tasks)
    own = event(FAILED, claim.owner)
    tasks.fail(claim, code="REFUSED_TEXT", message="nothing to speak", event=own)

    assert tasks.claim(STORY, lease_secs=60, message_id="m") == Unpublished(FAILED, own)
    tasks.clear_event(AUDIO, own)
    assert claimed(tasks).epoch == 2


def test_a_refused_job_holds_one_event_for_its_message(tasks: AnyTasks) -> None:
    """A repeated refusal returns the event until it is published, and none afterwards."""
    own = event(FAILED, "m")
    rows = [AUDIO, SUBTITLES]
    for _ in range(2):
        assert tasks.refuse(rows, code="UNKNOWN_VOICE", message="none", event=own) == own
    tasks.clear_event(AUDIO, own)

    assert tasks.refuse(rows, code="UNKNOWN_VOICE", message="none", event=own) is None
    assert OUTBOX not in (tasks.read(AUDIO) or {})
    other = event(FAILED, "another message")
    assert tasks.refuse(rows, code="UNKNOWN_VOICE", message="none", event=other) == other
    assert [(tasks.read(key) or {})["status"] for key in rows] == [FAILED, FAILED]


def test_a_refusal_waits_for_the_event_of_an_earlier_ending(tasks: AnyTasks) -> None:
    """That event is returned to be published first, and nothing is marked."""
    claim = claimed(tasks)
    earlier = event(FAILED, claim.owner)
    tasks.fail(claim, code="REFUSED_TEXT", message="nothing to speak", event=earlier)

    own = event(FAILED, "m")
    assert tasks.refuse([AUDIO, SUBTITLES], code="UNKNOWN_VOICE", message="none", event=own) == earlier
    assert (tasks.read(AUDIO) or {})["error_code"] == "REFUSED_TEXT"


@pytest.mark.parametrize("ending", ["held", "completed", "missing"])
def test_a_refusal_that_marks_nothing_has_no_event(tasks: AnyTasks, ending: str) -> None:
    """A job that a worker holds or completed, or without a row, does not fail for another message."""
    rows = [RowKey("nobody", "a"), RowKey("nobody", "b")] if ending == "missing" else [AUDIO, SUBTITLES]
    if ending != "missing":
        claim = claimed(tasks)
        if ending == "completed":
            tasks.commit(claim, audio={}, subtitles={})

    assert tasks.refuse(rows, code="UNKNOWN_VOICE", message="none", event=event(FAILED, "m")) is None
    assert OUTBOX not in (tasks.read(rows[0]) or {})
