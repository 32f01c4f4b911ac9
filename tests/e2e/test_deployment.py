"""A deployed stack's addresses, as `smoke --stack` asks the real CLI for them."""

import pulumi
import pytest

from app.deployment import addresses_of
from tests.e2e.engine import Engine

pytestmark = pytest.mark.slow

OUTPUTS = {
    "region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
    "table_name": "tasks",
    "bucket_name": "media",
    "dead_letter_queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/letters",
}


def export_secrets() -> None:
    """A program whose outputs are secrets all, as those are that story-infra holds sensitive."""
    for name, value in OUTPUTS.items():
        pulumi.export(name, pulumi.Output.secret(value))


def test_outputs_that_are_secrets_are_addresses_too(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that marks its outputs as sensitive gets its smoke test all the same."""
    stack = engine.stack("secretive", {}, main=export_secrets)
    stack.up()
    for name, value in engine.environment.items():
        monkeypatch.setenv(name, value)

    assert {
        "AWS_REGION": OUTPUTS["region"],
        "QUEUE_URL": OUTPUTS["queue_url"],
        "DYNAMODB_TABLE": OUTPUTS["table_name"],
        "OUTPUT_BUCKET": OUTPUTS["bucket_name"],
        "DEAD_LETTER_QUEUE_URL": OUTPUTS["dead_letter_queue_url"],
    } == addresses_of(stack.address)
