"""
The contract of a queue: a received message is hidden for a time, returned on request, and deleted once.

It holds for SQS and for the in-memory queue that the worker's rules are tested with.
"""

from typing import cast

import pytest

from app.aws.queue import MAX_MESSAGE_BYTES, MessageTooLargeError, Queue
from app.aws.session import AwsClients
from app.errors import QueueGoneError
from app.local.emulator import REGION
from app.local.platform import Platform
from tests.app.worker.in_memory import InMemoryQueue
from tests.ministack import EMULATORS

AnyQueue = Queue | InMemoryQueue


@pytest.fixture(params=[*EMULATORS, "in memory"])
def any_queue(request: pytest.FixtureRequest) -> AnyQueue:
    """An empty queue, real or in memory."""
    if request.param == "in memory":
        return InMemoryQueue()
    return cast("Queue", request.getfixturevalue("queue"))


@pytest.fixture
def queue(platform: Platform) -> Queue:
    """An empty SQS queue."""
    return Queue(sqs=AwsClients(region=REGION).client("sqs"), url=platform.queue_url)


def test_a_sent_body_is_received_with_its_attributes_and_count(any_queue: AnyQueue) -> None:
    """What comes out is what went in, with the number of this receipt."""
    any_queue.send("Grüße 📖", attributes={"error_code": "X"})

    message = any_queue.receive(wait_secs=1, visibility_secs=30)

    assert message is not None
    assert (message.body, message.receive_count, dict(message.attributes)) == (
        "Grüße 📖",
        1,
        {"error_code": "X"},
    )
    assert 0 <= message.queue_wait_secs < 60
    assert message.group is None


def test_a_message_is_received_with_its_group(any_queue: AnyQueue) -> None:
    """The group of a job is known to whoever passes it on."""
    any_queue.send("a", group="customer-7")

    message = any_queue.receive(wait_secs=1, visibility_secs=30)

    assert message is not None
    assert message.group == "customer-7"


def test_a_received_message_is_invisible_until_given_back(any_queue: AnyQueue) -> None:
    """Nobody else sees a message that is held; given back, it is there at once, and counted."""
    any_queue.send("one")
    message = any_queue.receive(wait_secs=1, visibility_secs=30)
    assert message is not None
    assert any_queue.receive(wait_secs=0, visibility_secs=30) is None

    any_queue.give_back(message)

    again = any_queue.receive(wait_secs=1, visibility_secs=30)
    assert again is not None
    assert again.receive_count == 2


def test_a_message_given_back_with_a_delay_is_in_flight_until_then(any_queue: AnyQueue) -> None:
    """A delay keeps the message away, not lost."""
    any_queue.send("one")
    message = any_queue.receive(wait_secs=1, visibility_secs=30)
    assert message is not None

    any_queue.give_back(message, delay_secs=900)

    assert any_queue.receive(wait_secs=0, visibility_secs=30) is None
    assert any_queue.depth().in_flight == 1


def test_a_deleted_message_is_gone_and_deleting_again_is_no_error(any_queue: AnyQueue) -> None:
    """A message ends once, however often its end is said."""
    any_queue.send("one")
    message = any_queue.receive(wait_secs=1, visibility_secs=30)
    assert message is not None

    any_queue.delete(message)
    any_queue.delete(message)

    assert any_queue.depth().total == 0


def test_a_body_that_leaves_its_attributes_no_room_is_refused(queue: Queue) -> None:
    """SQS counts attributes into its limit of 1 MiB."""
    full = "x" * MAX_MESSAGE_BYTES
    queue.send(full)

    with pytest.raises(MessageTooLargeError):
        queue.send(full, attributes={"error_code": "REFUSED_TEXT"})

    message = queue.receive(wait_secs=1, visibility_secs=30)
    assert message is not None
    assert message.body == full


def test_peeking_shows_every_message_once(queue: Queue) -> None:
    """All that is visible is shown, more than one call brings, none twice."""
    for number in range(23):
        queue.send(str(number))

    bodies = [message.body for message in queue.peek_all(visibility_secs=30)]

    assert sorted(bodies, key=int) == [str(number) for number in range(23)]


def test_a_queue_that_is_gone_says_so(queue: Queue, platform: Platform) -> None:
    """A deleted queue is an error of its own kind, whatever is asked of it."""
    platform.client("sqs").delete_queue(QueueUrl=platform.queue_url)

    for ask in (lambda: queue.receive(wait_secs=0, visibility_secs=30), queue.depth, lambda: queue.send("x")):
        with pytest.raises(QueueGoneError):
            ask()
