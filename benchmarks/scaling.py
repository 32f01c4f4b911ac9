"""
Waiting time, idle task hours and interrupted jobs of the deployed service, simulated under six workloads.

    python -m benchmarks.scaling [--seed 1]

The scaling is the one that the Pulumi program declares; `scaling_simulation.py` has the delays and their
sources. Every alternative differs from the defaults in the one thing that its name says.
"""

import argparse
import copy
import logging
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from benchmarks.scaling_program import Program, Step, Tracking, read_program
from benchmarks.scaling_simulation import (
    HOUR,
    MINUTE,
    Conditions,
    Result,
    Simulation,
)
from tests.stack.recording import record

STORY_SECS = 6 * MINUTE
"""The median job: five minutes of audio at the speed of benchmarks/cost.py."""

SEED = 1

Jobs = list[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Workload:
    """When jobs arrive and how long they take, and the settings of a stack that expects them."""

    name: str
    short: str
    jobs: Callable[[random.Random], Jobs]
    hours: float
    max_tasks: int
    to_zero: bool = False
    conditions: Conditions = field(default_factory=Conditions)


def _story(chance: random.Random, median: float = STORY_SECS) -> float:
    return chance.lognormvariate(0, 0.5) * median


def _poisson(chance: random.Random, *, every: float, hours: float) -> Iterator[float]:
    time = chance.expovariate(1 / every)
    while time < hours * HOUR:
        yield time
        time += chance.expovariate(1 / every)


def _burst(chance: random.Random) -> Jobs:
    return [(10.0 * MINUTE, _story(chance)) for _ in range(1_000)]


def _trickle(chance: random.Random) -> Jobs:
    return [(time, _story(chance)) for time in _poisson(chance, every=10 * MINUTE, hours=48)]


def _long(chance: random.Random) -> Jobs:
    return [(time, HOUR * chance.uniform(0.8, 1.2)) for time in _poisson(chance, every=900, hours=96)]


def _from_zero(chance: random.Random) -> Jobs:
    return [(time, _story(chance)) for time in _poisson(chance, every=8 * HOUR, hours=240)]


def _bursts(chance: random.Random) -> Jobs:
    return [(2.0 * HOUR * number + MINUTE, _story(chance)) for number in range(6) for _ in range(40)]


def _flood(chance: random.Random) -> Jobs:
    return [(10 * MINUTE + number * 60 / 10_000, chance.uniform(1.4, 3.4)) for number in range(100_000)]


WORKLOADS = (
    Workload(name="burst: 1,000 stories at once", short="burst", jobs=_burst, hours=6, max_tasks=100),
    Workload(name="trickle: a story every 10 minutes", short="trickle", jobs=_trickle, hours=48, max_tasks=4),
    Workload(name="long: 4 jobs an hour, of an hour each", short="long", jobs=_long, hours=96, max_tasks=20),
    Workload(
        name="zero: 3 stories a day, to_zero",
        short="zero",
        jobs=_from_zero,
        hours=240,
        max_tasks=4,
        to_zero=True,
    ),
    Workload(
        name="late: 40 stories every 2 hours, metrics 3 minutes late",
        short="late",
        jobs=_bursts,
        hours=12,
        max_tasks=20,
        conditions=Conditions(metric_latency_secs=3 * MINUTE),
    ),
    Workload(
        name="flood: 10,000 jobs a minute for 10 minutes", short="flood", jobs=_flood, hours=4, max_tasks=500
    ),
)


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """A difference from the defaults: in a setting, in the program, or in the world."""

    name: str
    scaling: Mapping[str, int] = field(default_factory=dict)
    change: Callable[[Program], Program] = lambda program: program
    conditions: Mapping[str, Any] = field(default_factory=dict)


def _removes(step: Step) -> bool:
    return bool(step.policy["stepAdjustments"][0]["scalingAdjustment"] < 0)


def _change(program: Program, change: Callable[[Step], Step], *, removing: bool) -> Program:
    return replace(
        program, steps=[change(step) if _removes(step) is removing else step for step in program.steps]
    )


def _one_at_a_time(program: Program) -> Program:
    """Remove a single task however many are idle."""
    only = {"scalingAdjustment": -1}
    return _change(
        program,
        lambda step: replace(step, policy={**step.policy, "stepAdjustments": [only]}),
        removing=True,
    )


def _without_zero(program: Program) -> Program:
    """Have no value for the messages in progress in minutes without one, as SQS publishes none."""

    def forget(step: Step) -> Step:
        alarm = copy.deepcopy(dict(step.alarm))
        for query in alarm["metricQueries"]:
            if query["id"] == "processing":
                query["expression"] = "in_flight"
        return replace(step, alarm=alarm)

    return _change(program, forget, removing=True)


def _target_tracking(program: Program) -> Program:
    """Track two waiting messages per task, and start the first task by a step policy."""
    (idle,) = (step for step in program.steps if _removes(step))
    metrics = [
        query for query in idle.alarm["metricQueries"] if query["id"] in {"visible", "running", "tasks"}
    ]

    def queries(expression: str) -> list[Mapping[str, Any]]:
        return [*metrics, {"id": "watched", "expression": expression, "returnData": True}]

    alarm = {
        "metricQueries": queries("IF(tasks < 1, visible, 0)"),
        "threshold": 1,
        "evaluationPeriods": 5,
        "datapointsToAlarm": 1,
    }
    one = [{"scalingAdjustment": 1}]
    policy = {"cooldown": 300, "metricAggregationType": "Maximum", "stepAdjustments": one}
    return replace(
        program,
        steps=[idle, *([] if program.least else [Step(alarm, policy)])],
        tracking=Tracking(queries("IF(tasks > 0, visible / tasks, visible)"), target=2, cooldown_secs=120),
    )


def _breaching(count: int, minutes: int) -> Callable[[Program], Program]:
    """Add tasks once messages waited in so many of the last minutes."""
    alarm = {"datapointsToAlarm": count, "evaluationPeriods": minutes}
    return lambda program: _change(
        program, lambda step: replace(step, alarm={**step.alarm, **alarm}), removing=False
    )


ALTERNATIVES = (
    Alternative(name="defaults"),
    Alternative(name="target tracking", change=_target_tracking),
    Alternative(name="waiting in 1 of 5 minutes", change=_breaching(1, 5)),
    Alternative(name="waiting in 2 of 2 minutes", change=_breaching(2, 2)),
    Alternative(name="backlog_per_task: 1", scaling={"backlog_per_task": 1}),
    Alternative(name="backlog_per_task: 4", scaling={"backlog_per_task": 4}),
    Alternative(name="scale_out_cooldown_seconds: 120", scaling={"scale_out_cooldown_seconds": 120}),
    Alternative(name="scale_out_cooldown_seconds: 180", scaling={"scale_out_cooldown_seconds": 180}),
    Alternative(name="scale_in_cooldown_seconds: 120", scaling={"scale_in_cooldown_seconds": 120}),
    Alternative(name="idle_minutes: 10", scaling={"idle_minutes": 10}),
    Alternative(name="idle_minutes: 20", scaling={"idle_minutes": 20}),
    Alternative(name="one task removed at a time", change=_one_at_a_time),
    Alternative(name="no zero for messages in progress", change=_without_zero),
    Alternative(name="idle tasks protected while they poll", conditions={"polls_protected": True}),
    Alternative(name="busy tasks not protected", conditions={"protected": False}),
)


@cache
def declared(*, to_zero: bool, scaling: tuple[tuple[str, int], ...]) -> Program:
    """What the Pulumi program declares with these settings, for the largest service."""
    return read_program(record({"scaling": {"to_zero": to_zero, "max_tasks": 500, **dict(scaling)}}))


def simulate(workload: Workload, alternative: Alternative, *, seed: int) -> Result:
    """Run a workload under an alternative."""
    program = declared(to_zero=workload.to_zero, scaling=tuple(alternative.scaling.items()))
    simulation = Simulation(
        replace(alternative.change(program), most=workload.max_tasks),
        workload.jobs(random.Random(seed)),  # noqa: S311 - a simulation, no secret
        conditions=replace(workload.conditions, **alternative.conditions),
        seed=seed,
    )
    return simulation.run(until=workload.hours * HOUR)


MEASURES = ("wait p50, min", "wait p95, min", "idle task hours", "interrupted jobs", "most tasks")


def measures(result: Result) -> tuple[str, ...]:
    """The cells of a result: waiting time in minutes, idle task hours, interrupted jobs, number of tasks."""
    return (
        f"{result.wait(50) / MINUTE:.1f}",
        f"{result.wait(95) / MINUTE:.1f}",
        f"{result.idle_secs / HOUR:,.1f}",
        f"{result.interrupted:,}",
        f"{result.most_tasks}",
    )


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table, in columns of equal width."""
    rows = [tuple(head), *(tuple(row) for row in body)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True)),
        ]
        return f"| {' | '.join(cells)} |"

    rule = line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join([line(rows[0]), rule, *map(line, rows[1:])])


def tables(results: Mapping[str, Mapping[str, Result]]) -> str:
    """The defaults under every workload, then all alternatives, of alternative -> workload -> result."""
    defaults = [(name, *measures(result)) for name, result in results["defaults"].items()]
    alternatives = [
        (name, *(f"{cells[1]} / {cells[2]} / {cells[3]}" for cells in map(measures, row.values())))
        for name, row in results.items()
    ]
    return "\n\n".join(
        [
            table(("defaults", *MEASURES), defaults),
            table(
                ("wait p95, min / idle task hours / interrupted jobs", *(item.short for item in WORKLOADS)),
                alternatives,
            ),
        ]
    )


def main() -> None:
    """Print the tables of docs/explanation/scaling.md."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    print(
        tables(
            {
                alternative.name: {
                    workload.name: simulate(workload, alternative, seed=arguments.seed)
                    for workload in WORKLOADS
                }
                for alternative in ALTERNATIVES
            }
        )
    )


if __name__ == "__main__":
    main()
