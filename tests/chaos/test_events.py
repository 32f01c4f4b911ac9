"""The verdict on events: it sees what is missing, made up, too early or wrong."""

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from app.events import JobEvent, job_event
from tests.chaos.calls import Boundary, Call, call_of
from tests.chaos.events import event_faults
from tests.chaos.journal import Entry, Journal
from tests.chaos.stories import UNSPEAKABLE, Story

DONE, FAILED = Story(1, bodies={"m1": "{}"}), Story(2, {"text": UNSPEAKABLE}, bodies={"m2": "{}"})


def event(story: Story, *, status: str, code: str | None = None) -> JobEvent:
    """Return the event of a story."""
    audio, subtitles = story.rows("")
    (message,) = story.bodies
    return job_event(
        audio,
        subtitles,
        status=status,
        ended_by="w0",
        service="story-tts",
        message_id=message,
        error_code=code,
    )


COMPLETED_EVENT = event(DONE, status="COMPLETED")
FAILED_EVENT = event(FAILED, status="FAILED", code="REFUSED_TEXT")


def entry(boundary: Boundary, story: Story, event_id: str | None, *, at: float) -> Entry:
    """Return a request that took effect."""
    call = Call("", boundary, story.id, event_id=event_id)
    return Entry("w0", call, None, passed=at, answered=at, status=200)


def journal() -> Journal:
    """Return the requests of two jobs, one completed and one failed."""
    return Journal(
        [
            entry(Boundary.COMMIT, DONE, COMPLETED_EVENT.id, at=1),
            entry(Boundary.PUBLISH, DONE, COMPLETED_EVENT.id, at=2),
            entry(Boundary.FAIL, FAILED, FAILED_EVENT.id, at=1),
            entry(Boundary.PUBLISH, FAILED, FAILED_EVENT.id, at=2),
        ]
    )


def faults(events: list[JobEvent], made: Journal | None = None) -> list[str]:
    """Return what is wrong."""
    return [what for _, what in event_faults([DONE, FAILED], made or journal(), events)]


def test_endings_with_their_events_are_right() -> None:
    """Also if an event was delivered twice."""
    assert faults([COMPLETED_EVENT, FAILED_EVENT, COMPLETED_EVENT]) == []


@pytest.mark.parametrize(
    ("events", "says"),
    [
        ([COMPLETED_EVENT], "fail by w0 has no event"),
        ([FAILED_EVENT], "commit by w0 has no event"),
        ([COMPLETED_EVENT, FAILED_EVENT, event(DONE, status="FAILED")], "no write ended the job so"),
        (
            [COMPLETED_EVENT.model_copy(update={"id": FAILED_EVENT.id}), COMPLETED_EVENT],
            "about another ending",
        ),
        (
            [COMPLETED_EVENT.model_copy(update={"message_id": "x"}), FAILED_EVENT],
            "which nobody sent",
        ),
        (
            [COMPLETED_EVENT, FAILED_EVENT.model_copy(update={"error_code": "POISONED"})],
            "says POISONED, not REFUSED_TEXT",
        ),
    ],
)
def test_wrong_events_are_seen(events: list[JobEvent], says: str) -> None:
    """An ending without an event, an event without an ending, and wrong content."""
    assert says in faults(events)[0]


def test_an_event_before_its_commit_is_seen() -> None:
    """So is a commit that stores none."""
    made = journal()
    made.entries[1].passed = 0.5
    assert faults([COMPLETED_EVENT, FAILED_EVENT], made) == [
        "the event was published before its ending was written"
    ]
    made = journal()
    made.entries[0].call = replace(made.entries[0].call, event_id=None)
    assert "was committed without an event" in faults([FAILED_EVENT], made)


def test_rows_that_are_written_anew_take_their_event_along() -> None:
    """The producer has replaced what the worker wrote."""
    rewritten = Story(1, bodies={"m1": "{}"}, written_anew_at=1.5)
    assert list(event_faults([rewritten, FAILED], journal(), [FAILED_EVENT])) == []


def test_a_publication_is_known_by_its_story_and_event() -> None:
    """SNS is called with a form, whose message is the event."""
    message = json.dumps({"parent_id": "s3://b/chaos-1/a.wav", "id": "e"})
    body = urlencode({"Action": "Publish", "Message": message}).encode()
    call = call_of("POST", "/", {}, body, lease_secs=3)
    assert (call.boundary, call.story, call.event_id) == (Boundary.PUBLISH, "chaos-1", "e")
