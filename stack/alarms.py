"""CloudWatch alarms on one metric, or on an expression over the workload's metrics."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from stack.metrics import MINUTE, TASKS_EXPRESSION, Metric, WorkloadMetrics
from stack.naming import Naming


def metric_alarm(
    suffix: str,
    metric: Metric,
    *,
    description: str,
    period: int,
    evaluation_periods: int,
    threshold: int,
    actions: Sequence[pulumi.Input[str]],
    naming: Naming,
    parent: pulumi.Resource,
) -> aws.cloudwatch.MetricAlarm:
    """An alarm that fires when a metric is at or above a threshold; `period` is in seconds.

    The actions are notified of the alarm and of its end.
    """
    name = naming.prefixed(suffix)
    return aws.cloudwatch.MetricAlarm(
        suffix,
        name=name,
        alarm_description=description,
        namespace=metric.namespace,
        metric_name=metric.name,
        dimensions=metric.dimensions,
        statistic=metric.stat,
        period=period,
        evaluation_periods=evaluation_periods,
        datapoints_to_alarm=evaluation_periods,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        treat_missing_data="notBreaching",
        alarm_actions=list(actions),
        ok_actions=list(actions),
        tags=naming.tags(name),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def expression_alarm(
    suffix: str,
    expression: str,
    *,
    description: str,
    metrics: WorkloadMetrics,
    threshold: int,
    minutes: int,
    actions: Sequence[pulumi.Input[str]],
    naming: Naming,
    parent: pulumi.Resource,
) -> aws.cloudwatch.MetricAlarm:
    """An alarm that fires when an expression is at or above a threshold for a number of minutes."""
    name = naming.prefixed(suffix)
    return aws.cloudwatch.MetricAlarm(
        suffix,
        name=name,
        alarm_description=description,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        evaluation_periods=minutes,
        datapoints_to_alarm=minutes,
        treat_missing_data="notBreaching",
        metric_queries=[
            *[_metric_query(metric) for metric in metrics.inputs],
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id="tasks", expression=TASKS_EXPRESSION, return_data=False
            ),
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id="watched", expression=expression, label=name, return_data=True
            ),
        ],
        alarm_actions=list(actions),
        tags=naming.tags(name),
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _metric_query(metric: Metric) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
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
