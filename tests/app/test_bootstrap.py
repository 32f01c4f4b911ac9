"""The composition root: what only the wiring can get wrong."""

import time

from app.aws.claims import Claim
from app.aws.queue import Message
from app.aws.session import AwsClients
from app.bootstrap import _Leases
from app.health import Health
from app.job import RowKey
from app.settings import Settings
from tests.app.worker.bench import FakeProtection

ENVIRONMENT = {
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/jobs",
    "AWS_REGION": "us-east-1",
    "DYNAMODB_TABLE": "story-video-tasks",
    "OUTPUT_BUCKET": "story-video-data",
    "SPEECH_ENGINE": "espeak",
}


def test_each_renewal_of_a_lease_is_a_heartbeat_and_renews_the_protection() -> None:
    """A job of any length stays healthy and protected from scale-in."""
    now = 0.0
    health = Health(speech_state=lambda: "busy", lease_secs=60, clock=lambda: now)
    calls: list[str] = []
    clients = AwsClients(region="us-east-1")
    leases = _Leases(Settings.read(ENVIRONMENT), clients, health, FakeProtection(calls))
    message = Message("m", "{}", "handle", 1, sent_at=time.time())
    lease = leases(message, Claim(RowKey("story-1", "a1"), None, 1, "here/1"), time.monotonic())

    now = 1000.0
    assert health.problem() is not None
    lease._on_renewal()

    assert health.problem() is None
    assert calls == ["renew protection"]
