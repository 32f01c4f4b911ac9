"""The targets of events: what arrives, and which errors are the target's, which the settings'."""

import json
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from app.aws.events import EventBus, EventTopic
from app.aws.session import AwsClients
from app.errors import (
    ConfigurationError,
    CredentialsError,
    EventsRefusedError,
    InfrastructureError,
    UnavailableError,
)
from app.events import JobEvent, job_event
from app.job import RowKey
from app.local.emulator import REGION
from app.local.platform import Platform
from app.settings import Settings

TOPIC = "arn:aws:sns:us-east-1:123456789012:events"


def event() -> JobEvent:
    """Return an event as large as they come."""
    media = dict.fromkeys(("wav", "opus", "mp3", "flac", "srt", "vtt", "words"), "s3://bucket/" + "k" * 1024)
    return job_event(
        RowKey("story-1", "a1"),
        RowKey("story-1", "b2"),
        status="COMPLETED",
        ended_by="here/1",
        service="story-tts",
        message_id="m",
        media=media,
    )


def subscribed_queue(platform: Platform) -> tuple[str, str]:
    """Create a queue for events; return its URL and ARN."""
    sqs = platform.client("sqs")
    url = sqs.create_queue(QueueName=f"events-{uuid4().hex[:12]}")["QueueUrl"]
    names = ["QueueArn"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]["QueueArn"]


def received(platform: Platform, url: str) -> dict[str, Any]:
    """Return the one message of a queue."""
    (message,) = platform.client("sqs").receive_message(
        QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"]
    )["Messages"]
    return dict(message)


@pytest.mark.slow
@pytest.mark.parametrize("is_named_by_arn", [True, False])
def test_a_rule_of_the_bus_gets_the_event(platform: Platform, is_named_by_arn: bool) -> None:
    """Its source, type and detail are those that the documented rule matches."""
    events = platform.client("events")
    name = f"bus-{uuid4().hex[:8]}"
    arn = events.create_event_bus(Name=name)["EventBusArn"]
    url, queue = subscribed_queue(platform)
    pattern = {"source": ["story-tts"], "detail-type": ["Narration Completed"]}
    events.put_rule(Name=name, EventBusName=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, EventBusName=name, Targets=[{"Id": "queue", "Arn": queue}])

    client = AwsClients(region=REGION).client("events")
    EventBus(events=client, bus=arn if is_named_by_arn else name).publish(event())

    body = json.loads(received(platform, url)["Body"])
    sent = json.loads(event().text)
    assert body["detail"] | {"time": None} == sent | {"time": None}


@pytest.mark.slow
def test_a_subscriber_of_the_topic_gets_the_event(platform: Platform) -> None:
    """The message is the event; attributes are there for filter policies."""
    sns = platform.client("sns")
    arn = sns.create_topic(Name=f"events-{uuid4().hex[:8]}")["TopicArn"]
    url, queue = subscribed_queue(platform)
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"status": ["COMPLETED"]})}
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue, Attributes=attributes)

    EventTopic(sns=AwsClients(region=REGION).client("sns"), arn=arn).publish(event())

    assert JobEvent.parse(received(platform, url)["Body"]).id == event().id


def stubbed(service: str) -> tuple[Any, Stubber]:
    """Return a client that makes no call, and its stub."""
    client = boto3.session.Session("key", "secret", region_name=REGION).client(service)  # type: ignore[call-overload]
    return client, Stubber(client)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ThrottlingException", UnavailableError),
        ("InternalFailure", UnavailableError),
        ("AccessDeniedException", EventsRefusedError),
        ("NotAuthorizedForSourceException", EventsRefusedError),
    ],
)
def test_a_refused_entry_is_an_error_although_the_call_succeeds(
    code: str, error: type[InfrastructureError]
) -> None:
    """PutEvents answers HTTP 200 and counts the entries that failed."""
    client, stub = stubbed("events")
    stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code}]})

    with stub, pytest.raises(error) as raised:
        EventBus(events=client, bus="default").publish(event())

    assert type(raised.value) is error
    assert code in raised.value.message


@pytest.mark.parametrize("service", ["events", "sns"])
@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDeniedException", 400, EventsRefusedError),
        ("AuthorizationError", 403, EventsRefusedError),
        ("ResourceNotFoundException", 400, EventsRefusedError),
        ("NotFound", 404, EventsRefusedError),
        ("ExpiredTokenException", 400, CredentialsError),
        ("ThrottlingException", 400, UnavailableError),
        ("InternalException", 500, UnavailableError),
    ],
)
def test_the_code_tells_wrong_settings_from_a_target_that_is_down(
    service: str, code: str, status: int, error: type[InfrastructureError]
) -> None:
    """A missing target or permission is refused for good, and the error names what to check."""
    client, stub = stubbed(service)
    stub.add_client_error("put_events" if service == "events" else "publish", code, "", status)
    target = (
        EventBus(events=client, bus="audio") if service == "events" else EventTopic(sns=client, arn=TOPIC)
    )

    with stub, pytest.raises(error) as raised:
        target.publish(event())

    assert type(raised.value) is error
    if error is EventsRefusedError:
        assert ("EVENT_BUS=audio" if service == "events" else f"EVENT_TOPIC_ARN={TOPIC}") in str(raised.value)


def test_the_largest_event_is_far_below_the_limit() -> None:
    """An entry of PutEvents may have 256 KB: longest keys, error messages and ids fit in many times."""
    assert len(event().text) < 16 * 1024


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EVENT_BUS", "a bus", "is not the name or ARN of an event bus"),
        ("EVENT_TOPIC_ARN", "topic", "is not a topic ARN"),
        ("EVENT_TOPIC_ARN", f"{TOPIC}.fifo", "is a FIFO topic"),
        ("EVENT_TOPIC_ARN", f"{TOPIC}-of-jobs", "is the topic of the jobs"),
    ],
)
def test_settings_of_events_are_checked(name: str, value: str, says: str) -> None:
    """A target that cannot work is refused at the start."""
    environment = {
        "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
        "AWS_REGION": REGION,
        "DYNAMODB_TABLE": "tasks",
        "OUTPUT_BUCKET": "story-media",
        "SNS_TOPIC_ARN": f"{TOPIC}-of-jobs",
    }
    with pytest.raises(ConfigurationError, match=says):
        Settings.read(environment | {name: value})
