"""Auto scaling of the service: out with the backlog, in when tasks are idle, optionally down to zero."""

import pulumi
import pulumi_aws as aws

from stack.alarms import expression_alarm
from stack.config import ScalingSettings
from stack.metrics import METRIC_DELAY_MINUTES, MINUTE, Metric, WorkloadMetrics
from stack.naming import Naming

DIMENSION = "ecs:service:DesiredCount"


class Scaling(pulumi.ComponentResource):
    """Application Auto Scaling of the service's desired count.

    Target tracking only adds tasks: its metric counts waiting messages, so it would remove a task while the
    last job is still being processed. A step policy removes one task at a time when there are more tasks than
    messages, including those being processed; task protection keeps ECS from choosing a busy task. If the
    minimum is 0, a second step policy starts the first task.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        settings: ScalingSettings,
        min_tasks: int,
        max_tasks: int,
        metrics: WorkloadMetrics,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Scaling", "scaling", None, opts)
        self._naming = naming
        self._settings = settings
        self._metrics = metrics
        self._target = aws.appautoscaling.Target(
            "scaling-target",
            min_capacity=min_tasks,
            max_capacity=max_tasks,
            resource_id=pulumi.Output.concat("service/", metrics.cluster_name, "/", metrics.service_name),
            scalable_dimension=DIMENSION,
            service_namespace="ecs",
            tags=naming.tags(naming.prefixed("scaling")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self._scale_out_with_backlog()
        self._scale_in_when_idle()
        if min_tasks == 0:
            self._scale_from_zero()
        self.register_outputs({})

    def _scale_out_with_backlog(self) -> None:
        tracking = aws.appautoscaling
        backlog = self._metrics.backlog
        aws.appautoscaling.Policy(
            "scale-out",
            name=self._naming.prefixed("backlog"),
            # The provider's default is StepScaling, which ignores the configuration below.
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
                        *[_tracked_metric(metric) for metric in backlog.metrics],
                        *[
                            _tracked_expression(id_, text, returned=False)
                            for id_, text in backlog.parts.items()
                        ],
                        _tracked_expression("backlog", backlog.text, returned=True),
                    ]
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _scale_in_when_idle(self) -> None:
        policy = self._step_policy(
            "scale-in",
            name=self._naming.prefixed("idle"),
            adjustment=-1,
            cooldown=self._settings.scale_in_cooldown_seconds,
        )
        expression_alarm(
            "idle-tasks",
            self._metrics.idle,
            description="More tasks than messages, waiting or being processed: one task is removed.",
            threshold=1,
            minutes=self._settings.idle_minutes,
            actions=[policy.arn],
            naming=self._naming,
            parent=self,
        )

    def _scale_from_zero(self) -> None:
        policy = self._step_policy(
            "scale-from-zero",
            name=self._naming.prefixed("from-zero"),
            adjustment=1,
            # One minute of waiting work keeps the alarm for that long, and starts one task only.
            cooldown=max(self._settings.scale_out_cooldown_seconds, METRIC_DELAY_MINUTES * MINUTE),
        )
        expression_alarm(
            "work-at-zero",
            self._metrics.unserved,
            description="A message is waiting and no task is running: the first task is started.",
            threshold=1,
            minutes=METRIC_DELAY_MINUTES,
            breaching_minutes=1,
            actions=[policy.arn],
            naming=self._naming,
            parent=self,
        )

    def _step_policy(
        self, resource: str, *, name: str, adjustment: int, cooldown: int
    ) -> aws.appautoscaling.Policy:
        return aws.appautoscaling.Policy(
            resource,
            name=name,
            policy_type="StepScaling",
            resource_id=self._target.resource_id,
            scalable_dimension=self._target.scalable_dimension,
            service_namespace=self._target.service_namespace,
            step_scaling_policy_configuration=aws.appautoscaling.PolicyStepScalingPolicyConfigurationArgs(
                # Never ExactCapacity: on a late metric it would stop running tasks.
                adjustment_type="ChangeInCapacity",
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


TrackedMetric = (
    aws.appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationCustomizedMetricSpecificationMetricArgs
)


def _tracked_metric(metric: Metric) -> TrackedMetric:
    tracking = aws.appautoscaling
    return TrackedMetric(
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


def _tracked_expression(id_: str, expression: str, *, returned: bool) -> TrackedMetric:
    return TrackedMetric(id=id_, expression=expression, label=id_, return_data=returned)
