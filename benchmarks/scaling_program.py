"""The scaling that the Pulumi program declares, read from a recording of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.stack.recording import Recording


@dataclass(frozen=True)
class Tracking:
    """A target tracking policy that only adds tasks; the program has none, alternatives may."""

    queries: Sequence[Mapping[str, Any]]
    target: float
    cooldown_secs: float


@dataclass(frozen=True)
class Step:
    """A step scaling policy and its alarm, as they are declared."""

    alarm: Mapping[str, Any]
    policy: Mapping[str, Any]


@dataclass(frozen=True)
class Program:
    """What the Pulumi program declares about scaling."""

    least: int
    most: int
    steps: Sequence[Step]
    tracking: Tracking | None = None


def read_program(run: Recording) -> Program:
    """The scaling of a recorded program."""
    bounds = run.one("aws:appautoscaling/target:Target")
    policies = [item.inputs for item in run.all("aws:appautoscaling/policy:Policy")]
    alarms = run.all("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert {policy["policyType"] for policy in policies} == {"StepScaling"}
    return Program(
        least=int(bounds["minCapacity"]),
        most=int(bounds["maxCapacity"]),
        steps=[
            Step(item.inputs, policy["stepScalingPolicyConfiguration"])
            # Pulumi declares in no fixed order.
            for item in sorted(alarms, key=lambda alarm: alarm.name)
            for policy in policies
            if any(arn.endswith(f":{policy['name']}") for arn in item.inputs["alarmActions"])
        ],
    )
