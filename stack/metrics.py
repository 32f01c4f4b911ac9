"""The CloudWatch metrics and expressions that scaling, alarms and the dashboard share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

MINUTE = 60
# ECS's metrics arrive some minutes late. Alarms look at this many minutes, so that the expression for the
# number of tasks finds the last value that has arrived.
METRIC_DELAY_MINUTES = 5

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

    @property
    def backlog(self) -> Expression:
        """Waiting messages per task; without tasks, all waiting messages."""
        return self._over_tasks("IF(tasks > 0, visible / tasks, visible)")

    @property
    def unserved(self) -> Expression:
        """Waiting messages while no task runs."""
        return self._over_tasks("IF(tasks < 1, visible, 0)")

    @property
    def idle(self) -> Expression:
        """Tasks beyond the messages that wait or are being processed."""
        in_flight = queue_metric(
            "in_flight", "ApproximateNumberOfMessagesNotVisible", queue_name=self.queue_name
        )
        return self._over_tasks("tasks - visible - in_flight", in_flight)

    @property
    def oldest_waiting(self) -> Expression:
        """Age of the oldest message in seconds while messages wait.

        SQS's age also counts a message that is being processed, such as an hour-long job.
        """
        age = queue_metric("age", "ApproximateAgeOfOldestMessage", queue_name=self.queue_name)
        return Expression(text="IF(visible > 0, age, 0)", metrics=[self.visible, age])

    def _over_tasks(self, text: str, *more: Metric) -> Expression:
        return Expression(
            text=text, metrics=[self.visible, self.running, *more], parts={"tasks": TASKS_EXPRESSION}
        )
