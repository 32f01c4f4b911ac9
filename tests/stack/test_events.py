"""Events: what the task may publish to, what it is told, and how it reaches the services."""

from collections.abc import Mapping

import pytest

from tests.stack.recording import ACCOUNT, REGION, record
from tests.stack.test_iam import statements
from tests.stack.test_program import VARIANTS

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:events"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/"
OTHER = "arn:aws:events:us-east-1:210987654321:event-bus/shared"


@pytest.mark.parametrize(
    ("events", "allowed"),
    [
        ({"bus": "default"}, {"events:PutEvents": f"{BUS}default"}),
        ({"bus": "stories"}, {"events:PutEvents": f"{BUS}stories"}),
        ({"bus": OTHER}, {"events:PutEvents": OTHER}),
        ({"topic_arn": TOPIC}, {"sns:Publish": TOPIC}),
        ({"bus": "default", "topic_arn": TOPIC}, {"events:PutEvents": f"{BUS}default", "sns:Publish": TOPIC}),
    ],
)
def test_the_task_publishes_to_the_targets_of_the_settings_only(
    events: dict[str, str], allowed: dict[str, str]
) -> None:
    """One action on one bus, and one on one topic."""
    grants = statements(record({"events": events}))["task-publish-events"]
    assert grants == [
        {"Effect": "Allow", "Action": [action], "Resource": [arn]} for action, arn in allowed.items()
    ]


def test_the_worker_is_told_the_targets() -> None:
    """As in the settings; without them there is neither variable nor permission."""

    def told(settings: Mapping[str, object]) -> dict[str, str]:
        variables = record(settings).container()["environment"]
        return {item["name"]: item["value"] for item in variables if item["name"].startswith("EVENT_")}

    assert told({"events": {"bus": OTHER, "topic_arn": TOPIC}}) == {
        "EVENT_BUS": OTHER,
        "EVENT_TOPIC_ARN": TOPIC,
    }
    assert told({}) == {}
    assert "task-publish-events" not in statements(record())


def test_tasks_without_internet_reach_the_targets() -> None:
    """With endpoints of the stack's own, the services of events have one each; others are not created."""

    def services(settings: Mapping[str, object]) -> set[str]:
        endpoints = record(settings).all("aws:ec2/vpcEndpoint:VpcEndpoint")
        return {item.inputs["serviceName"].rpartition(".")[2] for item in endpoints}

    created = {"network": {"endpoints": "create"}}
    assert services(VARIANTS["events"]) - services(created) == {"events", "sns"}
    assert services({**created, "events": {"bus": "default"}}) - services(created) == {"events"}
