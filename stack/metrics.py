"""The CloudWatch metrics and expressions that scaling, alarms and the dashboard share."""

from dataclasses import dataclass

import pulumi

MINUTE = 60

# Number of running tasks. ECS publishes one sample of CPUUtilization per task and minute, so the sample count
# is the number of tasks, without Container Insights:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html
# With no task there are no samples; the queue's metric times 0 supplies the missing zero.
TASKS_EXPRESSION = "MAX([FILL(running, 0), visible * 0])"
# Waiting messages per task; without tasks, all waiting messages.
BACKLOG_EXPRESSION = "IF(tasks > 0, visible / tasks, visible)"
# Tasks beyond the messages that wait or are being processed.
IDLE_EXPRESSION = "tasks - visible - in_flight"
# Waiting messages while no task runs.
UNSERVED_EXPRESSION = "IF(tasks < 1, visible, 0)"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A CloudWatch metric with its statistic; `id` is its name in metric math."""

    id: str
    namespace: str
    name: str
    dimensions: dict[str, pulumi.Input[str]]
    stat: str


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
    def inputs(self) -> tuple[Metric, ...]:
        """The metrics that the expressions above refer to by id."""
        return (
            queue_metric("visible", "ApproximateNumberOfMessagesVisible", queue_name=self.queue_name),
            queue_metric("in_flight", "ApproximateNumberOfMessagesNotVisible", queue_name=self.queue_name),
            self.service("running", "CPUUtilization", "SampleCount"),
        )
