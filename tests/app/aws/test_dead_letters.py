"""Dead letters: a job goes there whole with its reason, however large it is."""

import json

import pytest

from app.aws.dead_letters import DeadLetters
from app.aws.objects import Objects
from app.aws.queue import MAX_MESSAGE_BYTES, Message
from app.aws.session import AwsClients
from app.local.emulator import REGION
from app.local.platform import Platform

pytestmark = pytest.mark.slow

REASON = {"error_code": "REFUSED_TEXT", "original_message_id": "m-1"}


@pytest.fixture
def letters(platform: Platform) -> DeadLetters:
    """An empty dead-letter queue."""
    clients = AwsClients(region=REGION)
    return DeadLetters(
        sqs=clients.client("sqs"),
        url=platform.dead_letter_queue_url,
        objects=Objects(s3=clients.client("s3")),
        bucket=platform.bucket,
    )


def sent(letters: DeadLetters, body: str) -> Message:
    """Send a letter twice, as a worker does that was killed in between, and return the second."""
    for _ in range(2):
        letters.send(body, attributes=REASON)
    first, second = letters.peek_all(visibility_secs=30)
    assert first.body == second.body
    return second


def test_a_letter_that_fits_is_the_job_itself(letters: DeadLetters, platform: Platform) -> None:
    """The body is sent with its reason, and nothing is stored."""
    letter = sent(letters, "a job")

    assert (letter.body, letters.body_of(letter), dict(letter.attributes)) == ("a job", "a job", REASON)
    assert "Contents" not in platform.client("s3").list_objects_v2(Bucket=platform.bucket)


@pytest.mark.parametrize(("limit", "size"), [(MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES), (262_144, 300_000)])
def test_a_letter_that_is_too_large_goes_by_reference(
    letters: DeadLetters, platform: Platform, limit: int, size: int
) -> None:
    """The job is stored in the bucket; the letter names the object and the reason."""
    platform.client("sqs").set_queue_attributes(
        QueueUrl=letters.url, Attributes={"MaximumMessageSize": str(limit)}
    )
    body = "x" * size

    letter = sent(letters, body)

    assert json.loads(letter.body) == {"dead_letter_url": f"s3://{platform.bucket}/dead-letters/m-1.json"}
    assert dict(letter.attributes) == REASON | {"body_url": json.loads(letter.body)["dead_letter_url"]}
    assert letters.body_of(letter) == body


@pytest.mark.parametrize(
    "url", ["s3://another-bucket/dead-letters/m-1.json", "s3://{bucket}/story-1/a1.wav", "https://x/y"]
)
def test_no_other_object_is_read(letters: DeadLetters, platform: Platform, url: str) -> None:
    """A letter that names any other address is its own body."""
    letters.send("a job", attributes={"body_url": url.format(bucket=platform.bucket)})
    (letter,) = letters.peek_all(visibility_secs=30)

    assert letters.body_of(letter) == "a job"
