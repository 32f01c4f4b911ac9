"""How many tasks run: out with the backlog, from zero at the first message, in when tasks stand idle."""

import pulumi
import pulumi_aws as aws

from stack.config import ScalingSettings
from stack.metrics import (
    BACKLOG_EXPRESSION,
    IDLE_EXPRESSION,
    MINUTE,
    STRANDED_EXPRESSION,
    TASKS_EXPRESSION,
    Metric,
    QueueAndTasks,
)
from stack.naming import Naming

DIMENSION = "ecs:service:DesiredCount"


class Scaling(pulumi.ComponentResource):
    """The autoscaler of the service.

    Target tracking adds tasks only: it knows the messages that wait, and would remove a task in the middle of
    the last job. A step removes one task at a time once there are more tasks than messages, in work ones
    included; the worker's task protection keeps a busy task from being the one. Where the floor is 0, a
    second step starts the first task, as a ratio to no task says nothing.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        settings: ScalingSettings,
        min_tasks: int,
        metrics: QueueAndTasks,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Scaling", "scaling", None, opts)
        self._naming = naming
        self._settings = settings
        self._metrics = metrics
        self._target = aws.appautoscaling.Target(
            "scaling-target",
            min_capacity=min_tasks,
            max_capacity=settings.max_tasks,
            resource_id=pulumi.Output.concat("service/", metrics.cluster_name, "/", metrics.service_name),
            scalable_dimension=DIMENSION,
            service_namespace="ecs",
            tags=naming.tags(naming.of("scaling")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._out_with_backlog()
        self._in_when_idle()
        if min_tasks == 0:
            self._out_from_zero()
        self.register_outputs({})

    def _out_with_backlog(self) -> None:
        tracking = aws.appautoscaling
        visible, _, running = self._metrics.inputs
        aws.appautoscaling.Policy(
            "scale-out",
            name=self._naming.of("backlog"),
            # The default would be StepScaling, in which the tracking below goes unread.
            policy_type="TargetTrackingScaling",
            resource_id=self._target.resource_id,
            scalable_dimension=self._target.scalable_dimension,
            service_namespace=self._target.service_namespace,
            target_tracking_scaling_policy_configuration=tracking.PolicyTargetTrackingScalingPolicyConfigurationArgs(
                target_value=self._settings.backlog_per_task,
                disable_scale_in=True,
                scale_out_cooldown=self._settings.scale_out_cooldown_seconds,
                customized_metric_specification=tracking.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationArgs(
                    metrics=[
                        _tracked(visible),
                        _tracked(running),
                        _computed("tasks", TASKS_EXPRESSION, returned=False),
                        _computed("backlog", BACKLOG_EXPRESSION, returned=True),
                    ]
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _in_when_idle(self) -> None:
        policy = self._step(
            "scale-in",
            name=self._naming.of("idle"),
            adjustment_type="ChangeInCapacity",
            adjustment=-1,
            cooldown=self._settings.scale_in_cooldown_seconds,
        )
        metric_alarm(
            "idle-tasks",
            name=self._naming.of("idle-tasks"),
            description="More tasks than messages, waiting or in work: one task leaves.",
            metrics=self._metrics,
            expression=IDLE_EXPRESSION,
            threshold=1,
            minutes=self._settings.idle_minutes,
            actions=[policy.arn],
            naming=self._naming,
            parent=self,
        )

    def _out_from_zero(self) -> None:
        policy = self._step(
            "scale-from-zero",
            name=self._naming.of("from-zero"),
            adjustment_type="ExactCapacity",
            adjustment=1,
            cooldown=self._settings.scale_out_cooldown_seconds,
        )
        metric_alarm(
            "work-at-zero",
            name=self._naming.of("work-at-zero"),
            description="A message waits and no task runs: the first task starts.",
            metrics=self._metrics,
            expression=STRANDED_EXPRESSION,
            threshold=1,
            minutes=1,
            actions=[policy.arn],
            naming=self._naming,
            parent=self,
        )

    def _step(
        self, resource: str, *, name: str, adjustment_type: str, adjustment: int, cooldown: int
    ) -> aws.appautoscaling.Policy:
        return aws.appautoscaling.Policy(
            resource,
            name=name,
            policy_type="StepScaling",
            resource_id=self._target.resource_id,
            scalable_dimension=self._target.scalable_dimension,
            service_namespace=self._target.service_namespace,
            step_scaling_policy_configuration=aws.appautoscaling.PolicyStepScalingPolicyConfigurationArgs(
                adjustment_type=adjustment_type,
                cooldown=cooldown,
                metric_aggregation_type="Maximum",
                step_adjustments=[
                    aws.appautoscaling.PolicyStepScalingPolicyConfigurationStepAdjustmentArgs(
                        metric_interval_lower_bound="0", scaling_adjustment=adjustment
                    )
                ],
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )


def metric_alarm(
    resource: str,
    *,
    name: str,
    description: str,
    metrics: QueueAndTasks,
    expression: str,
    threshold: int,
    minutes: int,
    actions: list[pulumi.Input[str]],
    naming: Naming,
    parent: pulumi.Resource,
) -> aws.cloudwatch.MetricAlarm:
    """An alarm on an expression over the queue's depth and the number of tasks, at or above a threshold."""
    return aws.cloudwatch.MetricAlarm(
        resource,
        name=name,
        alarm_description=description,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        evaluation_periods=minutes,
        datapoints_to_alarm=minutes,
        treat_missing_data="notBreaching",
        metric_queries=[
            *[_queried(metric) for metric in metrics.inputs],
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id="tasks", expression=TASKS_EXPRESSION, return_data=False
            ),
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id="watched", expression=expression, label=name, return_data=True
            ),
        ],
        alarm_actions=actions,
        tags=naming.tags(name),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _queried(metric: Metric) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
    return aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id=metric.id,
        metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
            namespace=metric.namespace,
            metric_name=metric.name,
            dimensions=metric.dimensions,
            period=MINUTE,
            stat=metric.stat,
        ),
        return_data=False,
    )


Tracked = (
    aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricArgs
)


def _tracked(metric: Metric) -> Tracked:
    tracking = aws.appautoscaling
    return Tracked(
        id=metric.id,
        metric_stat=tracking.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricMetricStatArgs(
            metric=tracking.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricMetricStatMetricArgs(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=[
                    tracking.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricMetricStatMetricDimensionArgs(
                        name=name, value=value
                    )
                    for name, value in metric.dimensions.items()
                ],
            ),
            stat=metric.stat,
        ),
        return_data=False,
    )


def _computed(id_: str, expression: str, *, returned: bool) -> Tracked:
    return Tracked(id=id_, expression=expression, label=id_, return_data=returned)
