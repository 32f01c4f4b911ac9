"""The local platform passes on to the worker what the cloud's would."""

import json

import pytest

from app.aws.queue import Queue, Topic
from app.aws.session import AwsClients
from app.local.emulator import REGION
from app.local.platform import Platform

pytestmark = pytest.mark.slow


def bodies(platform: Platform) -> list[str]:
    """Return what the topic has passed on to the queue."""
    queue = Queue(sqs=AwsClients(region=REGION).client("sqs"), url=platform.queue_url)
    return [json.loads(message.body)["Message"] for message in queue.peek_all(visibility_secs=60)]


def test_only_jobs_of_this_service_reach_the_queue(platform: Platform) -> None:
    """The topic carries other services' jobs too: without TASK_TYPE=TTS nothing is passed on."""
    sns = platform.client("sns")
    for attributes in (
        {},
        {"TASK_TYPE": {"DataType": "String", "StringValue": "IMAGE"}},
        {"TASK_TYPE": {"DataType": "String", "StringValue": "TTS"}},
    ):
        sns.publish(TopicArn=platform.topic_arn, Message=json.dumps(attributes), MessageAttributes=attributes)
    Topic(sns=sns, arn=platform.topic_arn).send("from submit")

    assert set(bodies(platform)) == {
        "from submit",
        '{"TASK_TYPE": {"DataType": "String", "StringValue": "TTS"}}',
    }
