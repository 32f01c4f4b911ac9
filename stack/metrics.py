"""The CloudWatch metrics and expressions that scaling, alarms and the dashboard share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

MINUTE = 60
# Metrics arrive up to some minutes late: the alarms of scaling look at so many minutes more than must breach.
METRIC_DELAY_MINUTES = 3

# Number of running tasks. ECS publishes one sample of CPUUtilization per task and minute, so the sample count
# is the number of tasks, without Container Insights:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html
# The newest minutes have no samples yet, so the last number is repeated: 0 would mean that no task runs.
# Without tasks there are no samples at all; the queue's metric times 0 supplies the zero.
TASKS_EXPRESSION = "MAX([FILL(running, REPEAT), visible * 0])"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A CloudWatch metric with its statistic; `id` is its name in metric math."""

    id: str
    namespace: str
    name: str
    dimensions: dict[str, pulumi.Input[str]]
    stat: str


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A metric math expression, over metrics and over intermediate expressions (id -> text)."""

    text: str
    metrics: Sequence[Metric]
    parts: Mapping[str, str] = field(default_factory=dict)


def queue_metric(id_: str, name: str, *, queue_name: pulumi.Input[str]) -> Metric:
    """The maximum of a metric of an SQS queue."""
    return Metric(
        id=id_, namespace="AWS/SQS", name=name, dimensions={"QueueName": queue_name}, stat="Maximum"
    )


@dataclass(frozen=True, kw_only=True)
class WorkloadMetrics:
    """The depth of the job queue and the number of running tasks."""

    queue_name: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]

    def service(self, id_: str, name: str, stat: str) -> Metric:
        """A metric of the ECS service."""
        return Metric(
            id=id_,
            namespace="AWS/ECS",
            name=name,
            dimensions={"ClusterName": self.cluster_name, "ServiceName": self.service_name},
            stat=stat,
        )

    @property
    def visible(self) -> Metric:
        """Messages that wait."""
        return queue_metric("visible", "ApproximateNumberOfMessagesVisible", queue_name=self.queue_name)

    @property
    def running(self) -> Metric:
        """Samples of running tasks."""
        return self.service("running", "CPUUtilization", "SampleCount")

    def missing_tasks(self, backlog_per_task: int) -> Expression:
        """Tasks that the waiting messages ask for: one per `backlog_per_task`, and one for the rest."""
        return Expression(text=f"CEIL(visible / {backlog_per_task})", metrics=[self.visible])

    @property
    def unserved(self) -> Expression:
        """Waiting messages while no task runs."""
        return Expression(
            text="IF(tasks < 1, visible, 0)",
            metrics=[self.visible, self.running],
            parts={"tasks": TASKS_EXPRESSION},
        )

    @property
    def idle(self) -> Expression:
        """Tasks beyond the messages that wait or are being processed."""
        in_flight = queue_metric(
            "in_flight", "ApproximateNumberOfMessagesNotVisible", queue_name=self.queue_name
        )
        # SQS publishes this metric only while messages are being processed; the other times 0 is the zero:
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        processing = {"processing": "MAX([in_flight, visible * 0])"}
        return Expression(
            text="tasks - visible - processing",
            metrics=[self.visible, self.running, in_flight],
            parts={"tasks": TASKS_EXPRESSION, **processing},
        )

    @property
    def oldest_waiting(self) -> Expression:
        """Age of the oldest message in seconds while messages wait.

        SQS's age also counts a message that is being processed, such as an hour-long job.
        """
        age = queue_metric("age", "ApproximateAgeOfOldestMessage", queue_name=self.queue_name)
        return Expression(text="IF(visible > 0, age, 0)", metrics=[self.visible, age])
