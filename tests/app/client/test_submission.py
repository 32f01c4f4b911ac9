"""What a producer sends arrives, or leaves no row that waits for a job which never comes."""

import json
from typing import Any

import pytest

from app.aws.objects import Objects
from app.aws.queue import MAX_MESSAGE_BYTES, Queue, Topic
from app.aws.rows import FAILED, PENDING
from app.aws.tasks import Tasks
from app.client.submission import Channel, Submission, Submitter
from app.errors import InfrastructureError, InvalidMessageError, UnavailableError
from app.job import S3Address
from app.local.platform import Platform
from app.message import MessageParser

pytestmark = pytest.mark.slow

KIBIBYTE = 1024


class BrokenChannel:
    """Takes every job and fails to send it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def check(self, body: str) -> None:
        """Find nothing wrong."""

    def send(self, body: str, *, group: str | None = None) -> None:  # noqa: ARG002  # as the protocol names it
        """Fail."""
        raise self.error


def tasks_of(platform: Platform) -> Tasks:
    """Return the platform's rows."""
    return Tasks(dynamodb=platform.client("dynamodb"), table=platform.table, owner="test")


def queue_of(platform: Platform) -> Queue:
    """Return the platform's queue."""
    return Queue(sqs=platform.client("sqs"), url=platform.queue_url)


def depth_of(platform: Platform) -> int:
    """Return how many jobs the queue holds."""
    return queue_of(platform).depth().total


def topic_of(platform: Platform) -> Topic:
    """Return the platform's topic, in front of its queue."""
    return Topic(sns=platform.client("sns"), arn=platform.topic_arn, queue=queue_of(platform))


def submitter_of(
    platform: Platform, channel: Channel, *, tasks: Tasks | None = None, max_inline_bytes: int = 2**30
) -> Submitter:
    """Return a submitter that sends texts in their messages, up to `max_inline_bytes`."""
    return Submitter(
        tasks=tasks or tasks_of(platform),
        channel=channel,
        texts=Objects(s3=platform.client("s3")),
        bucket=platform.bucket,
        max_inline_bytes=max_inline_bytes,
    )


def rows(platform: Platform) -> list[dict[str, Any]]:
    """Return all rows, as DynamoDB has them."""
    items: list[dict[str, Any]] = platform.client("dynamodb").scan(TableName=platform.table)["Items"]
    return items


@pytest.mark.parametrize("channel_of", [queue_of, topic_of])
def test_a_story_of_almost_one_mebibyte_is_sent(platform: Platform, channel_of: Any) -> None:
    """What is accepted reaches the queue: the topic's envelope included, 1 MiB is promised."""
    submitter = submitter_of(platform, channel_of(platform))
    text = "x" * (MAX_MESSAGE_BYTES - 4 * KIBIBYTE)

    submitter.send(submitter.prepare(text, name="story"))

    assert depth_of(platform) == 1
    assert {row["status"]["S"] for row in rows(platform)} == {PENDING}


def test_every_option_reaches_the_worker(platform: Platform) -> None:
    """What a producer asks for is what the parser of the worker finds in the body."""
    submitter = submitter_of(platform, queue_of(platform))
    prepared = submitter.prepare(
        "By Tolkien.",
        name="story",
        voice="bf_emma",
        speed=1.5,
        use_alignment=False,
        formats=["opus"],
        pronunciations={"Tolkien": "/ˈtoʊlkiːn/"},
    )

    job = MessageParser(output_bucket="bucket", default_voice="", voices={"bf_emma"}).job(prepared.body)

    assert (job.voice, job.speed, job.use_alignment) == ("bf_emma", 1.5, False)
    assert job.pronunciations == (("Tolkien", "/ˈtoʊlkiːn/"),)
    assert [kind.format_name for kind in job.destination.formats] == ["opus"]


@pytest.mark.parametrize(
    ("channel_of", "text"),
    [
        (queue_of, "x" * MAX_MESSAGE_BYTES),
        (queue_of, "ü" * (MAX_MESSAGE_BYTES // 2)),
        (topic_of, "x" * MAX_MESSAGE_BYTES),
        # Fits the topic and the queue, but not the queue with the envelope around it: each line break
        # becomes two characters in the job and three in the envelope.
        (topic_of, "x" * (MAX_MESSAGE_BYTES - KIBIBYTE)),
        (topic_of, "x\n" * (MAX_MESSAGE_BYTES // 3 - KIBIBYTE)),
    ],
    ids=["queue", "bytes", "topic", "envelope", "escapes"],
)
def test_a_story_that_is_too_large_makes_no_rows(platform: Platform, channel_of: Any, text: str) -> None:
    """What neither topic nor queue takes is refused before anything is written, with its size."""
    submitter = submitter_of(platform, channel_of(platform))

    with pytest.raises(InvalidMessageError, match=r"bytes.*takes 1,048,576.*split the story"):
        submitter.send(submitter.prepare(text, name="story"))

    assert (rows(platform), depth_of(platform)) == ([], 0)


def test_the_limits_are_those_that_are_set(platform: Platform) -> None:
    """A topic at AWS's default of 256 KiB, and a queue that takes less, are asked and not guessed."""
    topic = platform.client("sns").create_topic(Name=f"default{platform.table}")["TopicArn"]
    default = Topic(sns=platform.client("sns"), arn=topic, queue=queue_of(platform))
    with pytest.raises(InvalidMessageError, match="the topic takes 262,144"):
        default.check("x" * 262_144)
    default.check("x" * 262_000)

    platform.client("sqs").set_queue_attributes(
        QueueUrl=platform.queue_url, Attributes={"MaximumMessageSize": str(8 * KIBIBYTE)}
    )
    with pytest.raises(InvalidMessageError, match="the queue takes 8,192"):
        queue_of(platform).check("x" * 9_000)
    with pytest.raises(InvalidMessageError, match="the queue takes 8,192"):
        topic_of(platform).check("x" * 8_000)
    topic_of(platform).check("x" * 4_000)


@pytest.mark.parametrize("character", ["\ufffe", "\uffff", "\ud800"])
def test_a_character_that_sqs_refuses_makes_no_rows(platform: Platform, character: str) -> None:
    """The reason names the character and where it stands."""
    submitter = submitter_of(platform, queue_of(platform))

    with pytest.raises(InvalidMessageError, match=rf"character 6 is U\+{ord(character):04X}"):
        submitter.send(submitter.prepare(f"Once {character} upon a time.", name="story"))

    assert (rows(platform), depth_of(platform)) == ([], 0)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x7f", "\x9f", "\ufeff", "\U0001ffff", "\U0010ffff"])
def test_every_other_character_is_sent(platform: Platform, character: str) -> None:
    """JSON spells control characters, and SQS takes the rest."""
    text = f"Once {character} upon a time."
    submitter = submitter_of(platform, queue_of(platform))
    submitter.send(submitter.prepare(text, name="story"))

    assert depth_of(platform) == 1


@pytest.mark.parametrize("error", [UnavailableError("sqs: no answer"), KeyboardInterrupt()])
def test_a_job_that_is_not_sent_leaves_no_row_that_waits(platform: Platform, error: BaseException) -> None:
    """Its rows are FAILED with the reason, its id is told; a worker may claim them if the job arrived."""
    submitter = submitter_of(platform, BrokenChannel(error))

    with pytest.raises((InfrastructureError, KeyboardInterrupt)) as caught:
        submitter.send(submitter.prepare("Once upon a time.", name="tale.txt", parent_id="story-1"))

    assert [(row["status"]["S"], row["error_code"]["S"]) for row in rows(platform)] == [
        (FAILED, "NOT_SENT"),
        (FAILED, "NOT_SENT"),
    ]
    if isinstance(caught.value, InfrastructureError):
        assert caught.value.message == ("tale.txt: story-1 was not sent, its rows are FAILED: sqs: no answer")


def test_rows_that_cannot_be_marked_are_told(platform: Platform) -> None:
    """Where DynamoDB is gone too, the message says that the rows are still PENDING."""
    tasks = tasks_of(platform)

    class Gone(BrokenChannel):
        def send(self, body: str, *, group: str | None = None) -> None:
            platform.client("dynamodb").delete_table(TableName=platform.table)
            super().send(body, group=group)

    submitter = submitter_of(platform, Gone(UnavailableError("sqs: no answer")), tasks=tasks)

    with pytest.raises(InfrastructureError, match=r"story-1 was not sent, its rows are still PENDING: sqs"):
        submitter.send(submitter.prepare("Once upon a time.", name="tale.txt", parent_id="story-1"))


def test_all_stories_are_prepared_before_one_is_sent(platform: Platform) -> None:
    """A job is checked when it is prepared, and nothing is written until it is sent."""
    submitter = submitter_of(platform, queue_of(platform))
    job = submitter.prepare("Once upon a time.", name="tale.txt", voice="af_heart")

    assert (rows(platform), depth_of(platform)) == ([], 0)
    sent = submitter.send(job)
    assert isinstance(sent, Submission)
    assert len(rows(platform)) == 2
    assert depth_of(platform) == 1


@pytest.mark.parametrize(
    ("text", "pronunciations"),
    [("x" * 900, {"Siobhan" * 9: "shi-vawn" * 9}), ('"' * 300, None)],
    ids=["pronunciations", "escapes"],
)
def test_a_message_that_grows_is_sent_by_reference(
    platform: Platform, text: str, pronunciations: dict[str, str] | None
) -> None:
    """Pronunciations count, and what quotes and line breaks take in the envelope of a topic."""
    submitter = submitter_of(platform, queue_of(platform), max_inline_bytes=1000)
    assert submitter.prepare(text[:200], name="short").text_address is None

    job = submitter.prepare(text, name="long", pronunciations=pronunciations)

    assert job.text_address is not None
    assert job.text == text.encode()


def test_a_long_text_is_sent_by_reference(platform: Platform) -> None:
    """It is stored beside the story's media to be, and the job is one that the worker accepts."""
    submitter = submitter_of(platform, queue_of(platform), max_inline_bytes=25)
    short = submitter.prepare("Once upon a time.", name="short")
    long = submitter.prepare("Once upon a time……", name="long", parent_id="story-1")
    assert "text_url" not in json.loads(short.body)

    submission = submitter.send(long)

    address = S3Address(platform.bucket, f"story-1/{submission.audio.task_id}.txt")
    fields = json.loads(queue_of(platform).receive(wait_secs=0, visibility_secs=1).body)  # type: ignore[union-attr]
    assert (fields["text_url"], "text" in fields) == (address.uri, False)
    assert Objects(s3=platform.client("s3")).read(address).decode() == "Once upon a time……"
    parser = MessageParser(output_bucket=platform.bucket, default_voice="a", voices={"a"})
    assert parser.job(long.body).text_address == address
    with pytest.raises(InvalidMessageError, match=r"bytes; a text may have 16,777,216"):
        submitter.prepare("x" * (16 * 1024**2 + 1), name="endless")


@pytest.mark.parametrize("channel_of", [queue_of, topic_of])
def test_a_job_has_its_group(platform: Platform, channel_of: Any) -> None:
    """Through the topic too, which passes it on; SQS delivers groups fairly."""
    submitter = submitter_of(platform, channel_of(platform))
    submitter.send(submitter.prepare("Once upon a time.", name="story", group="tenant-7"))
    submitter.send(submitter.prepare("Once upon a time.", name="story"))

    received = platform.client("sqs").receive_message(
        QueueUrl=platform.queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert [message["Attributes"].get("MessageGroupId") for message in received] == ["tenant-7", None]
    with pytest.raises(InvalidMessageError, match="group"):
        submitter.prepare("Once upon a time.", name="story", group="two words")
