"""A foundation made by this program, and a second stack that stands on it through a stack reference."""

from typing import Any

import pytest
from pulumi import automation

from tests.e2e.engine import Engine, StackUnderTest, Summary
from tests.e2e.platform import client

pytestmark = pytest.mark.slow

FOUNDATION: dict[str, Any] = {
    "app_name": "ground",
    "story_infra": {"source": "own"},
    "features": {"service": False, "protect": False},
}


@pytest.fixture(scope="module")
def foundation(engine: Engine) -> StackUnderTest:
    """The foundation's stack, up."""
    stack = engine.stack("foundation", FOUNDATION)
    stack.up()
    return stack


@pytest.fixture(scope="module")
def service(engine: Engine, foundation: StackUnderTest) -> StackUnderTest:
    """A stack on that foundation."""
    return engine.stack(
        "service",
        {"story_infra": {"source": "stack", "stack": foundation.address}, "features": {"protect": False}},
    )


@pytest.fixture(scope="module")
def up(service: StackUnderTest) -> Summary:
    """The service's first up."""
    return service.up()


def test_the_service_stands_on_the_other_stacks_resources(cloud: str, up: Summary) -> None:
    """Cluster, queue, bucket and table are found by the outputs of the foundation's stack."""
    assert up.outputs["cluster_name"] == "ground-cluster"
    assert up.outputs["queue_url"].endswith("/ground-jobs")
    (found,) = client(cloud, "ecs").describe_services(
        cluster="ground-cluster", services=["story-tts-service"]
    )["services"]
    assert found["taskDefinition"] == up.outputs["task_definition_arn"]


def test_both_are_stable(foundation: StackUnderTest, service: StackUnderTest, up: Summary) -> None:
    """A second up of either changes nothing."""
    assert up.outputs
    assert (foundation.up().changed, service.up().changed) == ({}, {})


def test_a_missing_foundation_is_named(engine: Engine) -> None:
    """A reference to a missing stack is an error that names it."""
    lost = engine.stack(
        "lost", {"story_infra": {"source": "stack", "stack": "organization/story-tts/nowhere"}}
    )
    with pytest.raises(automation.CommandError, match="nowhere"):
        lost.preview()


def test_one_stack_with_everything_in_it(engine: Engine, cloud: str) -> None:
    """One stack can hold foundation and service, which come and go together."""
    alone = engine.stack(
        "alone",
        {
            "app_name": "alone",
            "ecr_repository_name": "alone",
            "story_infra": {"source": "own"},
            "network": {"endpoints": "nat"},
            "features": {"protect": False},
        },
    )
    outputs = alone.up().outputs
    sqs = client(cloud, "sqs")
    redrive = sqs.get_queue_attributes(QueueUrl=outputs["queue_url"], AttributeNames=["RedrivePolicy"])[
        "Attributes"
    ]
    assert "alone-dead-letter" in redrive["RedrivePolicy"]
    assert alone.up().changed == {}
    alone.destroy()
    assert alone.state().get("resources", []) == []


def test_the_service_goes_and_the_foundation_stays(cloud: str, service: StackUnderTest, up: Summary) -> None:
    """Destroying the service leaves the other stack's resources."""
    service.destroy()
    found = client(cloud, "ecs").describe_clusters(clusters=[up.outputs["cluster_name"]])["clusters"]
    assert [cluster["status"] for cluster in found] == ["ACTIVE"]
