"""Auto scaling: metrics, alarms and policies."""

from typing import Any

import pytest

from tests.stack.metric_math import Points, evaluate, is_in_alarm
from tests.stack.recording import Recording, record

TARGET = "aws:appautoscaling/target:Target"
POLICY = "aws:appautoscaling/policy:Policy"
VISIBLE = "ApproximateNumberOfMessagesVisible"
IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
RUNNING = "CPUUtilization"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"

SCALED = {
    "resourceId": "service/story-tts-cluster/story-tts-service",
    "scalableDimension": "ecs:service:DesiredCount",
    "serviceNamespace": "ecs",
}


def test_the_bounds(plain: Recording) -> None:
    """The minimum and maximum follow the settings."""
    target = dict(plain.one(TARGET))
    del target["tags"]
    assert target == {"minCapacity": 1, "maxCapacity": 4, **SCALED}
    zero = record({"scaling": {"to_zero": True, "max_tasks": 9}}).one(TARGET)
    assert (zero["minCapacity"], zero["maxCapacity"]) == (0, 9)
    three = record({"app_count": 3}).one(TARGET)
    assert (three["minCapacity"], three["maxCapacity"]) == (3, 4)


def tracked(run: Recording) -> list[dict[str, Any]]:
    """The target tracking policy's metrics, in the form of an alarm's."""
    policy = run.one(POLICY, "scale-out")["targetTrackingScalingPolicyConfiguration"]
    return [
        {
            "id": item["id"],
            "returnData": item["returnData"],
            **({"expression": item["expression"]} if "expression" in item else {"metric": stat["metric"]}),
        }
        for item in policy["customizedMetricSpecification"]["metrics"]
        for stat in [item.get("metricStat", {})]
    ]


def test_out_with_the_backlog(plain: Recording) -> None:
    """Target tracking on waiting messages per task adds tasks, and removes none."""
    policy = plain.one(POLICY, "scale-out")
    assert policy["policyType"] == "TargetTrackingScaling"
    assert {key: policy[key] for key in SCALED} == SCALED
    configuration = policy["targetTrackingScalingPolicyConfiguration"]
    assert (
        configuration["targetValue"],
        configuration["disableScaleIn"],
        configuration["scaleOutCooldown"],
    ) == (2, True, 120)


@pytest.mark.parametrize(
    ("waiting", "running", "backlog"),
    [
        ([10, 10, 10], [5, 5, 5], [2, 2, 2]),
        # The newest minutes of ECS's metric have not arrived.
        ([10, 10, 10], [5, None, None], [2, 2, 2]),
        # No task has run for a while.
        ([3, 3, 3], [None, None, None], [3, 3, 3]),
    ],
)
def test_the_backlog_is_per_task(plain: Recording, waiting: Points, running: Points, backlog: Points) -> None:
    """Waiting messages are divided by the tasks that run, whether or not their number has arrived."""
    assert evaluate(tracked(plain), {VISIBLE: waiting, RUNNING: running}) == backlog


@pytest.mark.parametrize(
    ("running", "in_flight", "fires"),
    [
        ([4] * 10, [0] * 10, True),
        ([4] * 10, [3] * 10, True),
        ([4] * 10, [4] * 10, False),
        ([4] * 7 + [None] * 3, [0] * 10, True),
        ([4] * 10, [0] * 9 + [4], False),
        ([None] * 10, [0] * 10, False),
    ],
)
def test_in_when_idle(plain: Recording, running: Points, in_flight: Points, fires: bool) -> None:
    """A task is removed after ten minutes with more tasks than messages, also while ECS's metric is late."""
    series: dict[str, Points] = {VISIBLE: [0] * 10, RUNNING: running, IN_FLIGHT: in_flight}
    assert is_in_alarm(plain.one(ALARM, "idle-tasks"), series) is fires


def test_one_task_at_a_time_leaves(plain: Recording) -> None:
    """The idle alarm removes a single task, and then waits."""
    policy = plain.one(POLICY, "scale-in")
    assert policy["stepScalingPolicyConfiguration"] == {
        "adjustmentType": "ChangeInCapacity",
        "cooldown": 300,
        "metricAggregationType": "Maximum",
        "stepAdjustments": [{"metricIntervalLowerBound": "0", "scalingAdjustment": -1}],
    }
    assert plain.one(ALARM, "idle-tasks")["alarmActions"] == [arn(policy)]


def arn(policy: dict[str, Any]) -> str:
    """The recorded ARN of a policy."""
    return f"arn:aws:appautoscaling:us-east-1:123456789012:{policy['name']}"


@pytest.mark.parametrize(
    ("waiting", "running", "fires"),
    [
        # One message after a long silence starts a task within a minute.
        ([0] * 9 + [1], [None] * 10, True),
        # Four tasks run, and up to three minutes of their metric have not arrived.
        ([9] * 10, [4] * 10, False),
        ([9] * 10, [4] * 9 + [None], False),
        ([9] * 10, [4] * 7 + [None] * 3, False),
        ([0] * 10, [None] * 10, False),
    ],
)
def test_the_first_task_starts_from_zero(waiting: Points, running: Points, fires: bool) -> None:
    """A waiting message starts the first task, and a late metric of running tasks starts none."""
    run = record({"scaling": {"to_zero": True}})
    assert is_in_alarm(run.one(ALARM, "work-at-zero"), {VISIBLE: waiting, RUNNING: running}) is fires


def test_starting_the_first_task_stops_none() -> None:
    """The step from zero adds one task per alarm and stops none; a higher minimum has no such step."""
    run = record({"scaling": {"to_zero": True}})
    policy, alarm = run.one(POLICY, "scale-from-zero"), run.one(ALARM, "work-at-zero")
    step = policy["stepScalingPolicyConfiguration"]
    assert step["adjustmentType"] == "ChangeInCapacity"
    assert step["stepAdjustments"][0]["scalingAdjustment"] == 1
    assert step["cooldown"] >= 60 * alarm["evaluationPeriods"]
    assert alarm["alarmActions"] == [arn(policy)]
    assert "scale-from-zero" not in record().names(POLICY)


def test_scaling_settings_reach_the_policies() -> None:
    """The scaling settings reach the policies and alarms."""
    run = record(
        {
            "scaling": {
                "to_zero": True,
                "backlog_per_task": 7,
                "scale_out_cooldown_seconds": 61,
                "scale_in_cooldown_seconds": 62,
                "idle_minutes": 33,
            }
        }
    )
    tracking = run.one(POLICY, "scale-out")["targetTrackingScalingPolicyConfiguration"]
    assert (tracking["targetValue"], tracking["scaleOutCooldown"]) == (7, 61)
    assert run.one(POLICY, "scale-in")["stepScalingPolicyConfiguration"]["cooldown"] == 62
    assert run.one(ALARM, "idle-tasks")["evaluationPeriods"] == 33


def test_without_scaling_there_is_no_autoscaler() -> None:
    """Without scaling there is no target, policy or scaling alarm."""
    run = record({"scaling": {"enabled": False}})
    assert [run.names(TARGET), run.names(POLICY)] == [[], []]
    assert "idle-tasks" not in run.names(ALARM)


@pytest.mark.parametrize("scaling", [{}, {"to_zero": True}, {"enabled": False}])
def test_a_paused_service_runs_no_task(scaling: dict[str, Any]) -> None:
    """With scaling and without, an update sets the number of tasks to 0, and nothing raises it."""
    run = record({"paused": True, "app_count": 3, "scaling": scaling})
    assert run.one("aws:ecs/service:Service")["desiredCount"] == 0
    assert run.options["aws:ecs/service:Service service"].ignore_changes is None
    bounds = [(item.inputs["minCapacity"], item.inputs["maxCapacity"]) for item in run.all(TARGET)]
    assert bounds == ([] if scaling == {"enabled": False} else [(0, 0)])


def test_a_pause_is_no_alarm() -> None:
    """Jobs that wait during a pause notify nobody; failures still do."""
    on_call = "arn:aws:sns:us-east-1:123456789012:on-call"
    run = record({"paused": True, "monitoring": {"topic_arn": on_call}})
    notifying = {
        item.name for item in run.all(ALARM) if any("on-call" in arn for arn in item.inputs["alarmActions"])
    }
    assert notifying == {"dead-letters", "failed-jobs", "memory"}
