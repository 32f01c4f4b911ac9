"""Evaluates the metric math of recorded alarms on series of minutes, of which the newest may be missing.

Only the functions that the program uses: CEIL, FILL, IF, MAX and arithmetic.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Points = list[float | None]
REPEAT = object()


class Series:
    """A time series; arithmetic is per minute, and missing where an operand is."""

    def __init__(self, points: Sequence[float | None]) -> None:
        self.points = list(points)

    def _with(self, other: "Series | float", compute: Callable[[Any, Any], float]) -> "Series":
        others = other.points if isinstance(other, Series) else [other] * len(self.points)
        pairs = zip(self.points, others, strict=True)
        return Series([None if None in pair else compute(*pair) for pair in pairs])

    def __mul__(self, other: "Series | float") -> "Series":
        return self._with(other, operator.mul)

    def __sub__(self, other: "Series | float") -> "Series":
        return self._with(other, operator.sub)

    def __truediv__(self, other: "Series | float") -> "Series":
        return self._with(other, lambda one, two: one / two if two else float("inf"))

    def __gt__(self, other: "Series | float") -> "Series":
        return self._with(other, operator.gt)

    def __lt__(self, other: "Series | float") -> "Series":
        return self._with(other, operator.lt)


def _fill(series: Series, filling: object) -> Series:
    if all(point is None for point in series.points):
        return series
    filled: Points = []
    for point in series.points:
        before = filled[-1] if filled else None
        filled.append(point if point is not None else before if filling is REPEAT else filling)  # type: ignore[arg-type]
    return Series(filled)


def _if(condition: Series, yes: Series | float, no: Series | float) -> Series:
    branches = [
        branch.points if isinstance(branch, Series) else [branch] * len(condition.points)
        for branch in (yes, no)
    ]
    return Series(
        [
            None if met is None else one if met else two
            for met, one, two in zip(condition.points, *branches, strict=True)
        ]
    )


def _ceil(series: Series) -> Series:
    return Series([None if point is None else math.ceil(point) for point in series.points])


def _max(series: Sequence[Series]) -> Series:
    minutes = zip(*(item.points for item in series), strict=True)
    return Series([max((point for point in minute if point is not None), default=None) for minute in minutes])


FUNCTIONS = {"CEIL": _ceil, "FILL": _fill, "IF": _if, "MAX": _max, "REPEAT": REPEAT}


def evaluate(queries: Sequence[Mapping[str, Any]], series: Mapping[str, Points]) -> Points:
    """The returned series of metric queries, given each metric's points by its name."""
    known: dict[str, Any] = {}
    for query in queries:
        if "expression" in query:
            known[query["id"]] = eval(query["expression"], {**FUNCTIONS, **known})  # noqa: S307 - the program's own
        else:
            known[query["id"]] = Series(series[query["metric"]["metricName"]])
    (returned,) = (known[query["id"]] for query in queries if query.get("returnData"))
    return list(returned.points)


def is_in_alarm(alarm: Mapping[str, Any], series: Mapping[str, Points]) -> bool:
    """Whether a recorded alarm is in ALARM after these minutes; missing points do not breach."""
    assert alarm["treatMissingData"] == "notBreaching"
    assert alarm["comparisonOperator"] == "GreaterThanOrEqualToThreshold"
    newest = evaluate(alarm["metricQueries"], series)[-int(alarm["evaluationPeriods"]) :]
    breaching: list[bool] = [point is not None and point >= alarm["threshold"] for point in newest]
    return sum(breaching) >= int(alarm["datapointsToAlarm"])
