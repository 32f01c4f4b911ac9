"""Alarms, their actions and the dashboard."""

import json
from typing import Any

import pytest

from tests.stack.metric_math import Points, is_in_alarm
from tests.stack.recording import Recording, record

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = "aws:sns/topic:Topic"
SERVICE = {"ClusterName": "story-tts-cluster", "ServiceName": "story-tts-service"}


def alarms(run: Recording) -> dict[str, dict[str, Any]]:
    """Alarm -> metric and threshold."""
    left_out = ("tags", "alarmDescription", "name")
    return {
        item.name: {key: value for key, value in item.inputs.items() if key not in left_out}
        for item in run.all(ALARM)
    }


def simple(
    namespace: str,
    metric: str,
    dimensions: dict[str, str],
    statistic: str,
    *,
    period: int,
    periods: int,
    threshold: int,
) -> dict[str, Any]:
    """An alarm on one metric."""
    return {
        "namespace": namespace,
        "metricName": metric,
        "dimensions": dimensions,
        "statistic": statistic,
        "period": period,
        "evaluationPeriods": periods,
        "datapointsToAlarm": periods,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "threshold": threshold,
        "treatMissingData": "notBreaching",
        "alarmActions": [],
        "okActions": [],
    }


def test_the_alarms(plain: Recording) -> None:
    """Metric, period and threshold of each alarm."""
    found = alarms(plain)
    assert {name: found[name] for name in ("dead-letters", "failed-jobs", "memory")} == {
        "dead-letters": simple(
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            {"QueueName": "story-tts-dead-letter"},
            "Maximum",
            period=60,
            periods=1,
            threshold=1,
        ),
        "failed-jobs": simple(
            "story-tts", "JobsFailed", {"service": "story-tts"}, "Sum", period=300, periods=1, threshold=3
        ),
        "memory": simple(
            "AWS/ECS", "MemoryUtilization", SERVICE, "Maximum", period=60, periods=3, threshold=90
        ),
    }
    assert sorted(found) == [
        "dead-letters",
        "failed-jobs",
        "idle-tasks",
        "memory",
        "no-running-task",
        "oldest-message",
        "waiting-jobs",
    ]


@pytest.mark.parametrize(
    ("waiting", "running", "fires"),
    [
        ([1] * 15, [None] * 15, True),
        ([1] * 15, [1] * 14 + [None], False),
        ([0] + [1] * 14, [None] * 15, False),
    ],
)
def test_work_that_no_task_takes(plain: Recording, waiting: Points, running: Points, fires: bool) -> None:
    """An alarm fires after 15 minutes with waiting jobs and no running task."""
    series = {"ApproximateNumberOfMessagesVisible": waiting, "CPUUtilization": running}
    assert is_in_alarm(plain.one(ALARM, "no-running-task"), series) is fires


@pytest.mark.parametrize(
    ("waiting", "age", "fires"),
    [
        ([2] * 5, [3700] * 5, True),
        # A single job that has been processed for more than an hour.
        ([0] * 5, [3700] * 5, False),
        ([2] * 5, [600] * 5, False),
    ],
)
def test_jobs_that_wait_for_long(plain: Recording, waiting: Points, age: Points, fires: bool) -> None:
    """An alarm fires for jobs that wait for more than an hour, and not for a job that takes as long."""
    series = {"ApproximateNumberOfMessagesVisible": waiting, "ApproximateAgeOfOldestMessage": age}
    assert is_in_alarm(plain.one(ALARM, "oldest-message"), series) is fires


def test_thresholds_by_setting() -> None:
    """The thresholds are configurable."""
    found = alarms(
        record({"monitoring": {"oldest_message_minutes": 7, "failed_jobs": 11, "memory_percent": 77}})
    )
    assert [found[name]["threshold"] for name in ("oldest-message", "failed-jobs", "memory")] == [420, 11, 77]


PEOPLES = ("dead-letters", "oldest-message", "failed-jobs", "memory", "no-running-task")


def test_an_existing_topic_is_told() -> None:
    """Alarms notify an existing topic, and none is created."""
    arn = "arn:aws:sns:us-east-1:123456789012:on-call"
    run = record({"monitoring": {"topic_arn": arn}})
    assert [alarms(run)[name]["alarmActions"] for name in PEOPLES] == [[arn]] * len(PEOPLES)
    assert run.names(TOPIC) == []
    assert run.outputs["alarm_topic_arn"] == arn


def test_a_topic_of_its_own() -> None:
    """The created topic has a subscription for each email address."""
    run = record({"monitoring": {"create_topic": True, "emails": ["a@example.com", "b@example.com"]}})
    assert run.one(TOPIC)["name"] == "story-tts-alarms"
    arn = "arn:aws:sns:us-east-1:123456789012:story-tts-alarms"
    assert [alarms(run)[name]["alarmActions"] for name in PEOPLES] == [[arn]] * len(PEOPLES)
    subscribed = {
        (item.inputs["protocol"], item.inputs["endpoint"], item.inputs["topic"])
        for item in run.all("aws:sns/topicSubscription:TopicSubscription")
    }
    assert subscribed == {("email", "a@example.com", arn), ("email", "b@example.com", arn)}


def test_the_dashboard_shows_what_an_operator_asks(plain: Recording) -> None:
    """The dashboard shows metrics that exist."""
    dashboard = plain.one("aws:cloudwatch/dashboard:Dashboard")
    assert dashboard["dashboardName"] == "story-tts"
    widgets = {
        widget["properties"]["title"]: widget["properties"]
        for widget in json.loads(dashboard["dashboardBody"])["widgets"]
    }
    assert list(widgets) == [
        "Queue",
        "Oldest message (s)",
        "Running tasks",
        "CPU and memory (%)",
        "Jobs",
        "Processing time (s)",
        "Real-time factor",
        "Bucket",
    ]
    shown = {(series[0], series[1]) for widget in widgets.values() for series in widget["metrics"]}
    assert shown == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
        ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage"),
        ("AWS/ECS", "CPUUtilization"),
        ("AWS/ECS", "MemoryUtilization"),
        ("AWS/S3", "BucketSizeBytes"),
        ("AWS/S3", "NumberOfObjects"),
        ("story-tts", "JobsCompleted"),
        ("story-tts", "JobsFailed"),
        ("story-tts", "ProcessingSeconds"),
        ("story-tts", "AudioSeconds"),
        ("story-tts", "RealTimeFactor"),
        ("story-tts", "QueueWaitSeconds"),
    }
    assert {widget["region"] for widget in widgets.values()} == {"us-east-1"}


def test_widgets_do_not_overlap(plain: Recording) -> None:
    """Widgets fit into CloudWatch's 24 columns and do not overlap."""
    body = json.loads(plain.one("aws:cloudwatch/dashboard:Dashboard")["dashboardBody"])
    places = [(widget["x"], widget["y"]) for widget in body["widgets"]]
    assert len(set(places)) == len(places)
    assert {widget["x"] + widget["width"] <= 24 for widget in body["widgets"]} == {True}
