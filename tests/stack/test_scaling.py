"""Auto scaling: metrics, alarms and policies."""

from typing import Any

from tests.stack.recording import Recording, record

TARGET = "aws:appautoscaling/target:Target"
POLICY = "aws:appautoscaling/policy:Policy"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"

SCALED = {
    "resourceId": "service/story-tts-cluster/story-tts-service",
    "scalableDimension": "ecs:service:DesiredCount",
    "serviceNamespace": "ecs",
}
QUEUE = {"QueueName": "story-sqs-queue-tts"}
SERVICE = {"ClusterName": "story-tts-cluster", "ServiceName": "story-tts-service"}


def metric(id_: str, namespace: str, name: str, dimensions: dict[str, str], stat: str) -> dict[str, Any]:
    """One metric of an alarm, over a minute."""
    return {
        "id": id_,
        "metric": {
            "namespace": namespace,
            "metricName": name,
            "dimensions": dimensions,
            "period": 60,
            "stat": stat,
        },
        "returnData": False,
    }


INPUTS = [
    metric("visible", "AWS/SQS", "ApproximateNumberOfMessagesVisible", QUEUE, "Maximum"),
    metric("in_flight", "AWS/SQS", "ApproximateNumberOfMessagesNotVisible", QUEUE, "Maximum"),
    metric("running", "AWS/ECS", "CPUUtilization", SERVICE, "SampleCount"),
    {"id": "tasks", "expression": "MAX([FILL(running, 0), visible * 0])", "returnData": False},
]


def test_the_bounds(plain: Recording) -> None:
    """The minimum and maximum follow the settings."""
    target = dict(plain.one(TARGET))
    del target["tags"]
    assert target == {"minCapacity": 1, "maxCapacity": 4, **SCALED}
    zero = record({"scaling": {"to_zero": True, "max_tasks": 9}}).one(TARGET)
    assert (zero["minCapacity"], zero["maxCapacity"]) == (0, 9)
    three = record({"app_count": 3}).one(TARGET)
    assert (three["minCapacity"], three["maxCapacity"]) == (3, 4)


def test_out_with_the_backlog(plain: Recording) -> None:
    """Target tracking on waiting messages per task, scale-out only."""
    policy = plain.one(POLICY, "scale-out")
    assert policy["policyType"] == "TargetTrackingScaling"
    assert {key: policy[key] for key in SCALED} == SCALED
    configuration = policy["targetTrackingScalingPolicyConfiguration"]
    assert (
        configuration["targetValue"],
        configuration["disableScaleIn"],
        configuration["scaleOutCooldown"],
    ) == (2, True, 120)
    visible, running, tasks, backlog = configuration["customizedMetricSpecification"]["metrics"]
    assert visible == {
        "id": "visible",
        "metricStat": {
            "metric": {
                "namespace": "AWS/SQS",
                "metricName": "ApproximateNumberOfMessagesVisible",
                "dimensions": [{"name": "QueueName", "value": "story-sqs-queue-tts"}],
            },
            "stat": "Maximum",
        },
        "returnData": False,
    }
    assert running["metricStat"] == {
        "metric": {
            "namespace": "AWS/ECS",
            "metricName": "CPUUtilization",
            "dimensions": [
                {"name": "ClusterName", "value": "story-tts-cluster"},
                {"name": "ServiceName", "value": "story-tts-service"},
            ],
        },
        "stat": "SampleCount",
    }
    assert (tasks["expression"], tasks["returnData"]) == ("MAX([FILL(running, 0), visible * 0])", False)
    assert (backlog["expression"], backlog["returnData"]) == ("IF(tasks > 0, visible / tasks, visible)", True)


def test_in_when_idle(plain: Recording) -> None:
    """One task is removed after ten minutes with more tasks than messages."""
    policy = plain.one(POLICY, "scale-in")
    assert policy["policyType"] == "StepScaling"
    assert policy["stepScalingPolicyConfiguration"] == {
        "adjustmentType": "ChangeInCapacity",
        "cooldown": 300,
        "metricAggregationType": "Maximum",
        "stepAdjustments": [{"metricIntervalLowerBound": "0", "scalingAdjustment": -1}],
    }
    alarm = dict(plain.one(ALARM, "idle-tasks"))
    del alarm["tags"], alarm["alarmDescription"]
    assert alarm == {
        "name": "story-tts-idle-tasks",
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "threshold": 1,
        "evaluationPeriods": 10,
        "datapointsToAlarm": 10,
        "treatMissingData": "notBreaching",
        "metricQueries": [
            *INPUTS,
            {
                "id": "watched",
                "expression": "tasks - visible - in_flight",
                "label": "story-tts-idle-tasks",
                "returnData": True,
            },
        ],
        "alarmActions": ["arn:aws:appautoscaling:us-east-1:123456789012:story-tts-idle"],
    }


def test_the_first_task_starts_from_zero() -> None:
    """With a minimum of 0, a waiting message starts the first task; otherwise there is no such policy."""
    run = record({"scaling": {"to_zero": True}})
    assert run.one(POLICY, "scale-from-zero")["stepScalingPolicyConfiguration"] == {
        "adjustmentType": "ExactCapacity",
        "cooldown": 120,
        "metricAggregationType": "Maximum",
        "stepAdjustments": [{"metricIntervalLowerBound": "0", "scalingAdjustment": 1}],
    }
    alarm = run.one(ALARM, "work-at-zero")
    assert (alarm["evaluationPeriods"], alarm["datapointsToAlarm"], alarm["threshold"]) == (1, 1, 1)
    assert alarm["metricQueries"][-1]["expression"] == "IF(tasks < 1, visible, 0)"
    assert alarm["alarmActions"] == ["arn:aws:appautoscaling:us-east-1:123456789012:story-tts-from-zero"]
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
    assert run.one(POLICY, "scale-from-zero")["stepScalingPolicyConfiguration"]["cooldown"] == 61
    assert run.one(ALARM, "idle-tasks")["evaluationPeriods"] == 33


def test_without_scaling_there_is_no_autoscaler() -> None:
    """Without scaling there is no target, policy or scaling alarm."""
    run = record({"scaling": {"enabled": False}})
    assert [run.names(TARGET), run.names(POLICY)] == [[], []]
    assert "idle-tasks" not in run.names(ALARM)
