"""
The events of a run, and whether they are those of its endings.

I10  every commit and every failure has its event, and there is no event without one
"""

from collections.abc import Iterable, Iterator, Sequence
from uuid import uuid4

from app.aws.rows import COMPLETED
from app.events import JobEvent
from app.local.platform import Platform
from tests.chaos.calls import Boundary
from tests.chaos.journal import Entry, Journal
from tests.chaos.stories import Story, story_named

ENDINGS = (Boundary.COMMIT, Boundary.FAIL, Boundary.REFUSE)


class EventQueue:
    """A topic for events with a queue that keeps them."""

    def __init__(self, platform: Platform) -> None:
        name = f"events-{uuid4().hex[:12]}"
        self._sqs = platform.client("sqs")
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        queue = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        sns = platform.client("sns")
        topic_arn = sns.create_topic(Name=name)["TopicArn"]
        sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        self.environment = {"EVENT_TOPIC_ARN": topic_arn}
        """By which workers find the topic."""

    def take_all(self) -> list[JobEvent]:
        """Return every event that was published, repetitions included, and forget them."""
        found = []
        while batch := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                found.append(JobEvent.parse(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return found


def event_faults(
    stories: Iterable[Story], journal: Journal, events: Sequence[JobEvent]
) -> Iterator[tuple[str, str]]:
    """Yield story and what is wrong with the events of a run whose workers have ended."""
    by_id = {story.id: story for story in stories}
    endings: dict[str, Entry] = {}
    for entry in (entry for boundary in ENDINGS for entry in journal.of(boundary) if entry.took_effect):
        if entry.call.event_id is not None:
            endings.setdefault(entry.call.event_id, entry)
        elif entry.call.boundary is Boundary.COMMIT:
            yield entry.story, "was committed without an event"
    published = {event.id: event for event in events}
    for event_id, entry in endings.items():
        story = by_id.get(entry.story)
        anew = story.written_anew_at if story and story.written_anew_at else 0.0
        # With rows that are written anew goes what they held.
        if event_id not in published and (entry.passed or 0) > anew:
            yield entry.story, f"{entry.call.boundary} by {entry.worker} has no event"
    for event_id, event in published.items():
        if event_id not in endings:
            yield story_named(event.parent_id), f"{event.status} was published, and no write ended the job so"
        else:
            yield from _wrong_content(event, endings[event_id], by_id)
    yield from _too_early(journal, endings)


def _wrong_content(event: JobEvent, ending: Entry, stories: dict[str, Story]) -> Iterator[tuple[str, str]]:
    name = story_named(event.parent_id)
    is_commit = ending.call.boundary is Boundary.COMMIT
    if name != ending.story or (event.status == COMPLETED) != is_commit:
        yield name, f"the event {event.status} is about another ending: {ending.call.boundary}"
    if name not in stories or event.message_id not in stories[name].bodies:
        yield name, f"the event names the message {event.message_id}, which nobody sent"
    elif not is_commit and event.error_code != stories[name].code:
        yield name, f"the event says {event.error_code}, not {stories[name].code}"


def _too_early(journal: Journal, endings: dict[str, Entry]) -> Iterator[tuple[str, str]]:
    for entry in journal.of(Boundary.PUBLISH):
        ending = endings.get(entry.call.event_id or "")
        if entry.took_effect and ending and (entry.passed or 0) < (ending.passed or 0):
            yield entry.story, "the event was published before its ending was written"
