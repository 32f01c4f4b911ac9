"""Alarms for operators, the topic that they notify, and a dashboard."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack import worker_interface as worker
from stack.alarms import expression_alarm, metric_alarm
from stack.config import MonitoringSettings
from stack.metrics import MINUTE, Metric, WorkloadMetrics, queue_metric
from stack.naming import Naming
from stack.permissions import topic_policy

FIVE_MINUTES = 5 * MINUTE
UNSERVED_MINUTES = 15
MEMORY_MINUTES = 3
OLDEST_MESSAGE_MINUTES = 5


@dataclass(frozen=True, kw_only=True)
class MonitoredResources:
    """The resources that alarms and dashboard refer to, by the names that CloudWatch uses."""

    region: str
    app: str
    metrics: WorkloadMetrics
    dead_letter_queue_name: pulumi.Input[str]
    bucket_name: pulumi.Input[str]


class Topic(pulumi.ComponentResource):
    """The topic that alarms notify, with its email subscriptions."""

    def __init__(
        self,
        *,
        naming: Naming,
        account_id: str,
        key_arn: str | None,
        emails: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Topic", "alarm-topic", None, opts)
        name = naming.prefixed("alarms")
        topic = aws.sns.Topic(
            "alarm-topic",
            name=name,
            kms_master_key_id=key_arn,
            tags=naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.sns.TopicPolicy(
            "alarm-topic-policy",
            arn=topic.arn,
            policy=topic_policy(topic.arn, alarms_of=account_id),
            opts=pulumi.ResourceOptions(parent=self),
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
    """Five alarms; those in `deployment_alarms` also roll back a deployment."""

    def __init__(
        self,
        *,
        naming: Naming,
        settings: MonitoringSettings,
        resources: MonitoredResources,
        actions: Sequence[pulumi.Input[str]],
        paused: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Monitoring", "monitoring", None, opts)
        self._naming = naming
        self._actions = list(actions)
        # Jobs are meant to wait while the service is paused.
        self._waiting_actions = [] if paused else self._actions
        self._dead_letters(resources)
        self._oldest_message(resources, minutes=settings.oldest_message_minutes)
        self._no_running_task(resources)
        failures = self._failed_jobs(resources, jobs=settings.failed_jobs)
        memory = self._memory(resources, percent=settings.memory_percent)
        self.deployment_alarms = [failures.name, memory.name]
        self.register_outputs({})

    def _alarm(
        self,
        suffix: str,
        metric: Metric,
        *,
        description: str,
        threshold: int,
        period: int = MINUTE,
        evaluation_periods: int = 1,
    ) -> aws.cloudwatch.MetricAlarm:
        return metric_alarm(
            suffix,
            metric,
            description=description,
            period=period,
            evaluation_periods=evaluation_periods,
            threshold=threshold,
            actions=self._actions,
            naming=self._naming,
            parent=self,
        )

    def _dead_letters(self, resources: MonitoredResources) -> None:
        queue = resources.dead_letter_queue_name
        self._alarm(
            "dead-letters",
            queue_metric("dead_letters", "ApproximateNumberOfMessagesVisible", queue_name=queue),
            description="A job failed and is in the dead-letter queue. See: story-tts dead-letters list.",
            threshold=1,
        )

    def _oldest_message(self, resources: MonitoredResources, *, minutes: int) -> None:
        expression_alarm(
            "oldest-message",
            resources.metrics.oldest_waiting,
            description=f"A job has been waiting for {minutes} minutes or more: tasks are missing or fail.",
            threshold=minutes * 60,
            minutes=OLDEST_MESSAGE_MINUTES,
            actions=self._waiting_actions,
            ok_actions=self._waiting_actions,
            naming=self._naming,
            parent=self,
        )

    def _failed_jobs(self, resources: MonitoredResources, *, jobs: int) -> aws.cloudwatch.MetricAlarm:
        metric = Metric(
            id="failed",
            namespace=worker.METRIC_NAMESPACE,
            name=worker.JOBS_FAILED,
            dimensions={worker.SERVICE_DIMENSION: resources.app},
            stat="Sum",
        )
        return self._alarm(
            "failed-jobs",
            metric,
            description=f"{jobs} or more jobs failed within five minutes.",
            period=FIVE_MINUTES,
            threshold=jobs,
        )

    def _memory(self, resources: MonitoredResources, *, percent: int) -> aws.cloudwatch.MetricAlarm:
        return self._alarm(
            "memory",
            resources.metrics.service("memory", "MemoryUtilization", "Maximum"),
            description=f"A task uses {percent}% of its memory or more and may be killed.",
            evaluation_periods=MEMORY_MINUTES,
            threshold=percent,
        )

    def _no_running_task(self, resources: MonitoredResources) -> None:
        expression_alarm(
            "no-running-task",
            resources.metrics.unserved,
            description=f"Jobs have been waiting for {UNSERVED_MINUTES} minutes and no task is running.",
            threshold=1,
            minutes=UNSERVED_MINUTES,
            actions=self._waiting_actions,
            naming=self._naming,
            parent=self,
        )


class Dashboard(pulumi.ComponentResource):
    """A dashboard of the queue, the tasks, processing times and the bucket."""

    def __init__(
        self, *, naming: Naming, resources: MonitoredResources, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("story-tts:stack:Dashboard", "dashboard", None, opts)
        self.dashboard = aws.cloudwatch.Dashboard(
            "dashboard",
            dashboard_name=naming.app,
            dashboard_body=pulumi.Output.json_dumps({"widgets": _widgets(resources)}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.address = (
            f"https://{resources.region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={resources.region}#dashboards/dashboard/{naming.app}"
        )
        self.register_outputs({"address": self.address})


def _widgets(resources: MonitoredResources) -> list[dict[str, object]]:
    queue, cluster = resources.metrics.queue_name, resources.metrics.cluster_name
    service = resources.metrics.service_name
    tasks: list[object] = ["AWS/ECS", "CPUUtilization", "ClusterName", cluster, "ServiceName", service]
    worker_metric: list[object] = [worker.METRIC_NAMESPACE]
    dimension: list[object] = [worker.SERVICE_DIMENSION, resources.app]
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
                    {"label": "in progress"},
                ],
                [
                    "AWS/SQS",
                    "ApproximateNumberOfMessagesVisible",
                    "QueueName",
                    resources.dead_letter_queue_name,
                    {"label": "dead letters"},
                ],
            ],
        ),
        (
            "Oldest message (s)",
            "Maximum",
            [
                ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue],
                [*worker_metric, worker.QUEUE_WAIT_SECONDS, *dimension, {"label": "wait of completed jobs"}],
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
            [
                [*worker_metric, worker.JOBS_COMPLETED, *dimension],
                [*worker_metric, worker.JOBS_FAILED, *dimension],
            ],
        ),
        (
            "Processing time (s)",
            "Average",
            [
                [*worker_metric, worker.PROCESSING_SECONDS, *dimension],
                [*worker_metric, worker.PROCESSING_SECONDS, *dimension, {"stat": "p95", "label": "p95"}],
                [*worker_metric, worker.AUDIO_SECONDS, *dimension],
            ],
        ),
        ("Real-time factor", "Average", [[*worker_metric, worker.REAL_TIME_FACTOR, *dimension]]),
        (
            "Bucket",
            "Average",
            [
                _bucket_metric(resources, "BucketSizeBytes", "StandardStorage", "left"),
                _bucket_metric(resources, "NumberOfObjects", "AllStorageTypes", "right"),
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
                "region": resources.region,
                "period": FIVE_MINUTES,
                "view": "timeSeries",
                "metrics": metrics,
            },
        }
        for index, (title, stat, metrics) in enumerate(panels)
    ]


def _bucket_metric(resources: MonitoredResources, name: str, storage: str, axis: str) -> list[object]:
    # S3 reports its storage metrics once a day.
    options = {"period": 86400, "yAxis": axis}
    return ["AWS/S3", name, "BucketName", resources.bucket_name, "StorageType", storage, options]
