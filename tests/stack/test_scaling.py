"""Auto scaling: metrics, alarms and policies."""

from typing import Any

import pytest

from tests.stack.metric_math import Points, evaluate, is_in_alarm
from tests.stack.recording import Recording, record
from tests.stack.test_program import VARIANTS

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


def steps(policy: dict[str, Any]) -> list[tuple[str | None, str | None, int]]:
    """The bounds of each step, relative to the alarm's threshold, and its adjustment."""
    return [
        (
            step.get("metricIntervalLowerBound"),
            step.get("metricIntervalUpperBound"),
            step["scalingAdjustment"],
        )
        for step in policy["stepScalingPolicyConfiguration"]["stepAdjustments"]
    ]


def arn(policy: dict[str, Any]) -> str:
    """The recorded ARN of a policy."""
    return f"arn:aws:appautoscaling:us-east-1:123456789012:{policy['name']}"


@pytest.mark.parametrize(
    ("name", "alarm", "sign", "aggregation"),
    [("scale-out", "waiting-jobs", 1, "Average"), ("scale-in", "idle-tasks", -1, "Minimum")],
)
def test_the_steps_double(plain: Recording, name: str, alarm: str, sign: int, aggregation: str) -> None:
    """Each policy adds or removes 1, 2, 4 tasks where as many are missing or idle, up to the maximum."""
    policy = plain.one(POLICY, name)
    assert {key: policy[key] for key in SCALED} == SCALED
    assert steps(policy) == [(None, "1", sign), ("1", "3", 2 * sign), ("3", None, 4 * sign)]
    configuration = policy["stepScalingPolicyConfiguration"]
    del configuration["stepAdjustments"]
    assert (policy["policyType"], configuration) == (
        "StepScaling",
        {"adjustmentType": "ChangeInCapacity", "cooldown": 300, "metricAggregationType": aggregation},
    )
    assert (plain.one(ALARM, alarm)["threshold"], plain.one(ALARM, alarm)["alarmActions"]) == (
        1,
        [arn(policy)],
    )


def test_the_largest_service_has_few_enough_steps() -> None:
    """500 tasks need nine steps; AWS allows twenty."""
    policy = record({"scaling": {"max_tasks": 500}}).one(POLICY, "scale-in")
    assert [adjustment for _, _, adjustment in steps(policy)] == [-(2**power) for power in range(9)]


@pytest.mark.parametrize(
    ("waiting", "fires"),
    [
        ([0, 0, 0, 1, 1], True),
        # A message that is received within a minute adds no task.
        ([0, 0, 0, 0, 1], False),
        # Three minutes have not arrived.
        ([1, 1, None, None, None], True),
        ([0, 0, 0, 0, 0], False),
    ],
)
@pytest.mark.parametrize("to_zero", [False, True])
def test_waiting_messages_add_tasks(waiting: Points, fires: bool, to_zero: bool) -> None:
    """Messages that wait for two minutes add tasks, whatever runs and however late the metrics are."""
    run = record({"scaling": {"to_zero": to_zero}})
    assert is_in_alarm(run.one(ALARM, "waiting-jobs"), {VISIBLE: waiting}) is fires


def test_a_single_message_asks_for_a_task() -> None:
    """One task is missing per `backlog_per_task` messages, and one for the rest."""
    alarm = record({"scaling": {"backlog_per_task": 4}}).one(ALARM, "waiting-jobs")
    assert evaluate(alarm["metricQueries"], {VISIBLE: [0, 1, 4, 5, 40, None]}) == [0, 1, 1, 2, 10, None]


@pytest.mark.parametrize(
    ("running", "in_flight", "fires"),
    [
        ([4] * 8, [0] * 8, True),
        ([4] * 8, [3] * 8, True),
        ([4] * 8, [4] * 8, False),
        # SQS publishes no point in minutes in which no message is processed.
        ([4] * 8, [None] * 8, True),
        # Three minutes of ECS's metric have not arrived.
        ([4] * 5 + [None] * 3, [0] * 8, True),
        # More are missing than the alarm spares: the last number of tasks counts for them.
        ([4] * 4 + [None] * 4, [0] * 8, True),
        ([4] * 8, [0] * 4 + [4] * 4, False),
        ([None] * 8, [0] * 8, False),
    ],
)
def test_in_when_idle(plain: Recording, running: Points, in_flight: Points, fires: bool) -> None:
    """Tasks are removed after five minutes with more tasks than messages, also while metrics are late."""
    series: dict[str, Points] = {VISIBLE: [0] * 8, RUNNING: running, IN_FLIGHT: in_flight}
    assert is_in_alarm(plain.one(ALARM, "idle-tasks"), series) is fires


def test_idle_tasks_are_counted_also_while_every_metric_is_late(plain: Recording) -> None:
    """The alarm fires on five minutes of eight."""
    late: Points = [0] * 5 + [None] * 3
    series: dict[str, Points] = {VISIBLE: late, IN_FLIGHT: [None] * 8, RUNNING: [4] * 5 + [None] * 3}
    assert is_in_alarm(plain.one(ALARM, "idle-tasks"), series)


def test_scaling_settings_reach_the_policies() -> None:
    """The scaling settings reach the policies and alarms."""
    cooldowns = {"scale_out_cooldown_seconds": 61, "scale_in_cooldown_seconds": 62}
    run = record({"scaling": {"idle_minutes": 33, **cooldowns}})
    assert [
        run.one(POLICY, name)["stepScalingPolicyConfiguration"]["cooldown"]
        for name in ("scale-out", "scale-in")
    ] == [61, 62]
    assert run.one(ALARM, "idle-tasks")["datapointsToAlarm"] == 33


def test_schedules_set_the_minimum() -> None:
    """Each schedule sets the minimum at its times, and an update leaves the minimum to them."""
    run = record(VARIANTS["scheduled"])
    actions = [item.inputs for item in run.all("aws:appautoscaling/scheduledAction:ScheduledAction")]
    assert sorted(actions, key=lambda action: str(action["name"])) == [
        {
            "name": f"story-tts-schedule-{number}",
            "schedule": f"cron(0 {hour} ? * MON-FRI *)",
            "timezone": "Europe/Berlin",
            "scalableTargetAction": {"minCapacity": least},
            **SCALED,
        }
        for number, hour, least in ((1, 7, 1), (2, 19, 0))
    ]
    assert run.options[f"{TARGET} scaling-target"].ignore_changes == ["minCapacity"]
    assert record().options[f"{TARGET} scaling-target"].ignore_changes is None


def test_a_paused_service_has_no_schedule() -> None:
    """No schedule starts a task of a paused service, and the update sets the minimum."""
    run = record({"paused": True, **VARIANTS["scheduled"]})
    assert run.names("aws:appautoscaling/scheduledAction:ScheduledAction") == []
    assert run.options[f"{TARGET} scaling-target"].ignore_changes is None


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
