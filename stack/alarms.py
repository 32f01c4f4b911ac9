"""CloudWatch alarms on one metric, or on a metric math expression."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from stack.metrics import MINUTE, Expression, Metric
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
    expression: Expression,
    *,
    description: str,
    threshold: int,
    minutes: int,
    breaching_minutes: int | None = None,
    actions: Sequence[pulumi.Input[str]],
    ok_actions: Sequence[pulumi.Input[str]] = (),
    naming: Naming,
    parent: pulumi.Resource,
) -> aws.cloudwatch.MetricAlarm:
    """An alarm that fires when an expression is at or above a threshold.

    It looks at a number of `minutes`, of which `breaching_minutes` (default: all) must reach the threshold.
    """
    name = naming.prefixed(suffix)
    query = aws.cloudwatch.MetricAlarmMetricQueryArgs
    return aws.cloudwatch.MetricAlarm(
        suffix,
        name=name,
        alarm_description=description,
        comparison_operator="GreaterThanOrEqualToThreshold",
        threshold=threshold,
        evaluation_periods=minutes,
        datapoints_to_alarm=breaching_minutes or minutes,
        treat_missing_data="notBreaching",
        metric_queries=[
            *[_metric_query(metric) for metric in expression.metrics],
            *[query(id=id_, expression=text, return_data=False) for id_, text in expression.parts.items()],
            query(id="watched", expression=expression.text, label=name, return_data=True),
        ],
        alarm_actions=list(actions),
        ok_actions=list(ok_actions),
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
