"""Auto scaling of the service: out while messages wait, in when tasks are idle, optionally down to zero."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from stack.alarms import expression_alarm
from stack.config import ScalingSettings, Schedule
from stack.metrics import METRIC_DELAY_MINUTES, Expression, WorkloadMetrics
from stack.naming import Naming

DIMENSION = "ecs:service:DesiredCount"
# A message that is received within a minute adds no task.
WAITING_MINUTES = 2


class Scaling(pulumi.ComponentResource):
    """Application Auto Scaling of the service's desired count, by two step policies.

    One adds tasks in proportion to the waiting messages, also to no task at all. The other removes tasks in
    proportion to the idle ones, which are those beyond the messages that wait or are being processed; task
    protection keeps ECS from choosing a busy task. docs/explanation/scaling.md shows why it is not target
    tracking, and what other settings would do.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        settings: ScalingSettings,
        min_tasks: int,
        max_tasks: int,
        schedules: Sequence[Schedule],
        metrics: WorkloadMetrics,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Scaling", "scaling", None, opts)
        self._naming = naming
        self._max_tasks = max_tasks
        self._target = aws.appautoscaling.Target(
            "scaling-target",
            min_capacity=min_tasks,
            max_capacity=max_tasks,
            resource_id=pulumi.Output.concat("service/", metrics.cluster_name, "/", metrics.service_name),
            scalable_dimension=DIMENSION,
            service_namespace="ecs",
            tags=naming.tags(naming.prefixed("scaling")),
            # Scheduled actions change the minimum: an update leaves it as it is.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["minCapacity"] if schedules else None),
        )
        for number, schedule in enumerate(schedules, start=1):
            self._set_minimum(f"schedule-{number}", schedule)
        self._scale(
            "scale-out",
            sign=1,
            cooldown=settings.scale_out_cooldown_seconds,
            # Over minutes of which some have no waiting message the average is a middle way.
            aggregation="Average",
            alarm="waiting-jobs",
            expression=metrics.missing_tasks(settings.backlog_per_task),
            description="Messages are waiting: tasks are added.",
            minutes=WAITING_MINUTES,
        )
        self._scale(
            "scale-in",
            sign=-1,
            cooldown=settings.scale_in_cooldown_seconds,
            # Never more than were idle in every minute.
            aggregation="Minimum",
            alarm="idle-tasks",
            expression=metrics.idle,
            description="More tasks than messages, waiting or being processed: tasks are removed.",
            minutes=settings.idle_minutes,
        )
        self.register_outputs({})

    def _set_minimum(self, name: str, schedule: Schedule) -> None:
        aws.appautoscaling.ScheduledAction(
            name,
            name=self._naming.prefixed(name),
            resource_id=self._target.resource_id,
            scalable_dimension=self._target.scalable_dimension,
            service_namespace=self._target.service_namespace,
            schedule=f"cron({schedule.cron})",
            timezone=schedule.timezone,
            scalable_target_action=aws.appautoscaling.ScheduledActionScalableTargetActionArgs(
                min_capacity=schedule.min_tasks
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _scale(
        self,
        resource: str,
        *,
        sign: int,
        cooldown: int,
        aggregation: str,
        alarm: str,
        expression: Expression,
        description: str,
        minutes: int,
    ) -> None:
        """A policy that adds or removes tasks by an expression, and the alarm that triggers it."""
        policy = aws.appautoscaling.Policy(
            resource,
            name=self._naming.prefixed(resource),
            policy_type="StepScaling",
            resource_id=self._target.resource_id,
            scalable_dimension=self._target.scalable_dimension,
            service_namespace=self._target.service_namespace,
            step_scaling_policy_configuration=aws.appautoscaling.PolicyStepScalingPolicyConfigurationArgs(
                # Never ExactCapacity: on a late metric it would stop running tasks.
                adjustment_type="ChangeInCapacity",
                cooldown=cooldown,
                metric_aggregation_type=aggregation,
                step_adjustments=_doubling_steps(self._max_tasks, sign=sign),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        expression_alarm(
            alarm,
            expression,
            description=description,
            threshold=1,
            minutes=minutes + METRIC_DELAY_MINUTES,
            breaching_minutes=minutes,
            actions=[policy.arn],
            naming=self._naming,
            parent=self,
        )


Steps = Sequence[aws.appautoscaling.PolicyStepScalingPolicyConfigurationStepAdjustmentArgs]


def _doubling_steps(most: int, *, sign: int) -> Steps:
    """Steps of 1, 2, 4, ... tasks for a metric of at least as many; the alarm's threshold is 1.

    AWS allows 20 steps; 500 tasks need 9. The first has no lower bound: over some minutes the metric may
    aggregate to less than the threshold.
    """
    sizes = [2**power for power in range(max(1, most).bit_length())]
    return [
        aws.appautoscaling.PolicyStepScalingPolicyConfigurationStepAdjustmentArgs(
            metric_interval_lower_bound=None if size == 1 else str(size - 1),
            metric_interval_upper_bound=None if size == sizes[-1] else str(2 * size - 1),
            scaling_adjustment=sign * size,
        )
        for size in sizes
    ]
