"""The environment of a deployed stack, read with the real Pulumi CLI."""

import pulumi
import pytest

from ops.environment import export_lines
from ops.pulumi import Stack
from tests.e2e.engine import Engine

pytestmark = pytest.mark.slow

OUTPUTS = {
    "service_name": "story-tts-service",
    "region": "eu-central-1",
    "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/jobs",
    "table_name": "tasks",
    "bucket_name": "media",
    "dead_letter_queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/letters",
}


def export_secrets() -> None:
    """A program with secret outputs only, as for values that story-infra marks as sensitive."""
    for name, value in OUTPUTS.items():
        pulumi.export(name, pulumi.Output.secret(value))


def test_secret_outputs_are_exported(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make environment` has the values of outputs that Pulumi keeps as secrets."""
    stack = engine.stack("secretive", {}, main=export_secrets)
    stack.up()
    for name, value in engine.environment.items():
        monkeypatch.setenv(name, value)

    outputs = Stack(stack.address).service_outputs()

    assert [
        "export AWS_REGION=eu-central-1",
        f"export QUEUE_URL={OUTPUTS['queue_url']}",
        "export DYNAMODB_TABLE=tasks",
        "export OUTPUT_BUCKET=media",
        f"export DEAD_LETTER_QUEUE_URL={OUTPUTS['dead_letter_queue_url']}",
        "export SNS_TOPIC_ARN=''",
    ] == list(export_lines(outputs, stack="secretive"))
