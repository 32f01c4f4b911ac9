"""What tells people of trouble: alarms, the topic that they notify, and one dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack import worker_contract as worker
from stack.config import MonitoringSettings
from stack.metrics import MINUTE, STRANDED_EXPRESSION, QueueAndTasks
from stack.naming import Naming
from stack.scaling import metric_alarm

FIVE_MINUTES = 5 * MINUTE
STRANDED_MINUTES = 15
MEMORY_MINUTES = 3


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What is watched, by the names that CloudWatch knows."""

    region: str
    app: str
    metrics: QueueAndTasks
    dead_letter_queue_name: pulumi.Input[str]
    bucket_name: pulumi.Input[str]


class Topic(pulumi.ComponentResource):
    """The topic that alarms notify, and the people on it."""

    def __init__(
        self, *, naming: Naming, emails: Sequence[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("story-tts:stack:Topic", "alarm-topic", None, opts)
        name = naming.of("alarms")
        topic = aws.sns.Topic(
            "alarm-topic", name=name, tags=naming.tags(name), opts=pulumi.ResourceOptions(parent=self)
        )
        for email in emails:
            aws.sns.TopicSubscription(
                f"alarm-mail-{email}",
                topic=topic.arn,
                protocol="email",
                endpoint=email,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.arn = topic.arn
        self.register_outputs({"arn": self.arn})


class Monitoring(pulumi.ComponentResource):
    """Five alarms; those in `deployment_alarms` also roll a deployment back."""

    def __init__(
        self,
        *,
        naming: Naming,
        settings: MonitoringSettings,
        watched: Watched,
        notified: Sequence[pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Monitoring", "monitoring", None, opts)
        self._naming = naming
        self._notified = list(notified)
        self._dead_letters(watched)
        self._oldest_message(watched, minutes=settings.oldest_message_minutes)
        self._stranded(watched)
        failures = self._failures(watched, jobs=settings.failed_jobs)
        memory = self._memory(watched, percent=settings.memory_percent)
        self.deployment_alarms = [failures.name, memory.name]
        self.register_outputs({})

    def _alarm(
        self,
        suffix: str,
        *,
        description: str,
        namespace: str,
        metric: str,
        dimensions: dict[str, pulumi.Input[str]],
        statistic: str,
        period: int,
        evaluation_periods: int,
        threshold: int,
    ) -> aws.cloudwatch.MetricAlarm:
        name = self._naming.of(suffix)
        return aws.cloudwatch.MetricAlarm(
            suffix,
            name=name,
            alarm_description=description,
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions,
            statistic=statistic,
            period=period,
            evaluation_periods=evaluation_periods,
            datapoints_to_alarm=evaluation_periods,
            comparison_operator="GreaterThanOrEqualToThreshold",
            threshold=threshold,
            treat_missing_data="notBreaching",
            alarm_actions=self._notified,
            ok_actions=self._notified,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _dead_letters(self, watched: Watched) -> None:
        self._alarm(
            "dead-letters",
            description="A job could not succeed and waits as a dead letter. Look: story-tts dead-letters.",
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": watched.dead_letter_queue_name},
            statistic="Maximum",
            period=MINUTE,
            evaluation_periods=1,
            threshold=1,
        )

    def _oldest_message(self, watched: Watched, *, minutes: int) -> None:
        self._alarm(
            "oldest-message",
            description=f"A job has waited for {minutes} minutes or more: too few tasks, or none that work.",
            namespace="AWS/SQS",
            metric="ApproximateAgeOfOldestMessage",
            dimensions={"QueueName": watched.metrics.queue_name},
            statistic="Maximum",
            period=MINUTE,
            evaluation_periods=5,
            threshold=minutes * 60,
        )

    def _failures(self, watched: Watched, *, jobs: int) -> aws.cloudwatch.MetricAlarm:
        return self._alarm(
            "failed-jobs",
            description=f"{jobs} jobs or more failed within five minutes.",
            namespace=worker.METRIC_NAMESPACE,
            metric=worker.JOBS_FAILED,
            dimensions={worker.SERVICE_DIMENSION: watched.app},
            statistic="Sum",
            period=FIVE_MINUTES,
            evaluation_periods=1,
            threshold=jobs,
        )

    def _memory(self, watched: Watched, *, percent: int) -> aws.cloudwatch.MetricAlarm:
        memory = watched.metrics.service("memory", "MemoryUtilization", "Maximum")
        return self._alarm(
            "memory",
            description=f"A task uses {percent}% of its memory or more: it is about to be killed for it.",
            namespace=memory.namespace,
            metric=memory.name,
            dimensions=memory.dimensions,
            statistic=memory.stat,
            period=MINUTE,
            evaluation_periods=MEMORY_MINUTES,
            threshold=percent,
        )

    def _stranded(self, watched: Watched) -> None:
        metric_alarm(
            "no-running-task",
            name=self._naming.of("no-running-task"),
            description=f"Work has waited for {STRANDED_MINUTES} minutes and no task runs.",
            metrics=watched.metrics,
            expression=STRANDED_EXPRESSION,
            threshold=1,
            minutes=STRANDED_MINUTES,
            actions=self._notified,
            naming=self._naming,
            parent=self,
        )


class Dashboard(pulumi.ComponentResource):
    """One page: the queue, the tasks, how long jobs take, and the bucket."""

    def __init__(
        self, *, naming: Naming, watched: Watched, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("story-tts:stack:Dashboard", "dashboard", None, opts)
        self.dashboard = aws.cloudwatch.Dashboard(
            "dashboard",
            dashboard_name=naming.app,
            dashboard_body=pulumi.Output.json_dumps({"widgets": _widgets(watched)}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.address = (
            f"https://{watched.region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={watched.region}#dashboards/dashboard/{naming.app}"
        )
        self.register_outputs({"address": self.address})


def _widgets(watched: Watched) -> list[dict[str, object]]:
    queue, cluster = watched.metrics.queue_name, watched.metrics.cluster_name
    service = watched.metrics.service_name
    tasks: list[object] = ["AWS/ECS", "CPUUtilization", "ClusterName", cluster, "ServiceName", service]
    ours: list[object] = [worker.METRIC_NAMESPACE]
    dimension: list[object] = [worker.SERVICE_DIMENSION, watched.app]
    panels: list[tuple[str, str, list[list[object]]]] = [
        (
            "Queue",
            "Maximum",
            [
                ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, {"label": "waiting"}],
                [
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesNotVisible",
                    "QueueName",
                    queue,
                    {"label": "in work"},
                ],
                [
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    "QueueName",
                    watched.dead_letter_queue_name,
                    {"label": "dead letters"},
                ],
            ],
        ),
        (
            "Oldest message (s)",
            "Maximum",
            [
                ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue],
                [*ours, worker.QUEUE_WAIT_SECONDS, *dimension, {"label": "wait of finished jobs"}],
            ],
        ),
        ("Running tasks", "SampleCount", [[*tasks, {"label": "tasks", "period": MINUTE}]]),
        (
            "CPU and memory (%)",
            "Maximum",
            [tasks, ["AWS/ECS", "MemoryUtilization", "ClusterName", cluster, "ServiceName", service]],
        ),
        (
            "Jobs",
            "Sum",
            [[*ours, worker.JOBS_COMPLETED, *dimension], [*ours, worker.JOBS_FAILED, *dimension]],
        ),
        (
            "Processing time (s)",
            "Average",
            [
                [*ours, worker.PROCESSING_SECONDS, *dimension],
                [*ours, worker.PROCESSING_SECONDS, *dimension, {"stat": "p95", "label": "p95"}],
                [*ours, worker.AUDIO_SECONDS, *dimension],
            ],
        ),
        ("Real-time factor", "Average", [[*ours, worker.REAL_TIME_FACTOR, *dimension]]),
        (
            "Bucket",
            "Average",
            [
                _bucket_metric(watched, "BucketSizeBytes", "StandardStorage", "left"),
                _bucket_metric(watched, "NumberOfObjects", "AllStorageTypes", "right"),
            ],
        ),
    ]
    return [
        {
            "type": "metric",
            "x": 12 * (index % 2),
            "y": 6 * (index // 2),
            "width": 12,
            "height": 6,
            "properties": {
                "title": title,
                "stat": stat,
                "region": watched.region,
                "period": FIVE_MINUTES,
                "view": "timeSeries",
                "metrics": metrics,
            },
        }
        for index, (title, stat, metrics) in enumerate(panels)
    ]


def _bucket_metric(watched: Watched, name: str, storage: str, axis: str) -> list[object]:
    # S3 reports its storage metrics once a day.
    options = {"period": 86400, "yAxis": axis}
    return ["AWS/S3", name, "BucketName", watched.bucket_name, "StorageType", storage, options]
