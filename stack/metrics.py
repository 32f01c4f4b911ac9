"""The metrics that scaling, alarms and the dashboard share, each defined once."""

from dataclasses import dataclass

import pulumi

MINUTE = 60

# The tasks that run now. ECS sends one sample of CPUUtilization a task a minute, so that the number of
# samples is the number of tasks, without Container Insights:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html
# With no task there are no samples at all: the queue's own metric, times 0, stands in for the missing zero.
TASKS_EXPRESSION = "MAX([FILL(running, 0), visible * 0])"
# Guarded for 0: a queue without tasks is as good as one task's backlog.
BACKLOG_EXPRESSION = "IF(tasks > 0, visible / tasks, visible)"
# Tasks beyond the messages that wait or are in work: as many could leave.
IDLE_EXPRESSION = "tasks - visible - in_flight"
# Messages that wait while no task runs.
STRANDED_EXPRESSION = "IF(tasks < 1, visible, 0)"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One CloudWatch metric with its statistic over a minute."""

    id: str
    namespace: str
    name: str
    dimensions: dict[str, pulumi.Input[str]]
    stat: str


@dataclass(frozen=True, kw_only=True)
class QueueAndTasks:
    """The queue's depth beside the number of tasks, as metric maths has them."""

    queue_name: pulumi.Input[str]
    cluster_name: pulumi.Input[str]
    service_name: pulumi.Input[str]

    def queue(self, id_: str, name: str, stat: str = "Maximum") -> Metric:
        """A metric of the job queue."""
        return Metric(
            id=id_, namespace="AWS/SQS", name=name, dimensions={"QueueName": self.queue_name}, stat=stat
        )

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
        """What the expressions above are over."""
        return (
            self.queue("visible", "ApproximateNumberOfMessagesVisible"),
            self.queue("in_flight", "ApproximateNumberOfMessagesNotVisible"),
            self.service("running", "CPUUtilization", "SampleCount"),
        )
