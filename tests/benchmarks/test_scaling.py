"""The simulation of scaling: small cases that are computed by hand, and the page that shows its results."""

from itertools import pairwise

import pytest

from benchmarks.scaling import ALTERNATIVES, SEED, WORKLOADS, measures, simulate
from benchmarks.scaling_program import Program, read_program
from benchmarks.scaling_simulation import (
    HOUR,
    MINUTE,
    Conditions,
    Result,
    Simulation,
    adjustment,
    evaluated,
)
from tests.stack.recording import record
from tests.tree import ROOT

LONG = 10.0 * HOUR


@pytest.fixture(scope="module")
def program() -> Program:
    """The scaling of the default stack: 1 to 4 tasks."""
    return read_program(record())


def run(
    program: Program, jobs: list[tuple[float, float]], *, until: float, conditions: Conditions | None = None
) -> Result:
    """Simulate jobs of (arrival, length)."""
    return Simulation(program, jobs, conditions=conditions or Conditions(), seed=1).run(until=until)


def test_a_task_that_is_idle_takes_a_job_at_once(program: Program) -> None:
    """One job of a minute in ten: no wait, nine idle minutes."""
    result = run(program, [(100, 60)], until=600)
    assert (result.waits, result.idle_secs, result.most_tasks) == ([0], 540, 1)


@pytest.mark.parametrize(("latency", "alarm"), [(60, 180), (180, 300)])
def test_a_waiting_job_gets_a_task(program: Program, latency: float, alarm: float) -> None:
    """The points of 60 and 120 s arrive `latency` later; then a task starts, within 45 to 90 s."""
    conditions = Conditions(metric_latency_secs=latency)
    result = run(program, [(1, LONG), (30, LONG)], until=600, conditions=conditions)
    first, second = result.waits
    assert first == 0
    assert alarm - 30 + 45 <= second <= alarm - 30 + 90
    assert result.most_tasks == 2


def test_late_metrics_of_more_than_three_minutes_add_no_task(program: Program) -> None:
    """Of the five minutes that the alarm looks at, only one has arrived."""
    conditions = Conditions(metric_latency_secs=240)
    assert run(program, [(1, LONG), (30, LONG)], until=HOUR, conditions=conditions).most_tasks == 1


def test_the_cooldown_counts_tasks_that_were_added(program: Program) -> None:
    """Three jobs wait until 180 s and ask for two tasks, and in the cooldown after it for no more."""
    jobs = [(1.0, LONG), *[(30.0, LONG)] * 3]
    assert run(program, jobs, until=180 + 290).most_tasks == 3
    assert run(program, jobs, until=180 + 310).most_tasks == 4


def test_idle_tasks_are_removed(program: Program) -> None:
    """The second task is idle from 225 + 3,700 to 270 + 3,700 s on; five points later one task is left.

    These are the points from 3,960 or 4,020 s on, and the fifth arrives at 4,260 or 4,320 s.
    """
    jobs = [(1.0, LONG), (30.0, 3_700.0)]
    assert run(program, jobs, until=4_250).tasks_at_end == 2
    assert run(program, jobs, until=4_340).tasks_at_end == 1


def test_only_unprotected_tasks_are_interrupted(program: Program) -> None:
    """One of two tasks is idle and removed; without protection ECS may choose the busy one."""
    jobs = [(1.0, LONG), (30.0, 200.0)]
    protected, free = (
        run(program, jobs, until=HOUR, conditions=Conditions(protected=protected))
        for protected in (True, False)
    )
    assert (protected.interrupted, protected.tasks_at_end) == (0, 1)
    assert free.interrupted == 1


def test_the_queue_falls_silent() -> None:
    """Without a request for six hours SQS publishes nothing, and then begins again within 15 minutes."""
    zero = read_program(record({"scaling": {"to_zero": True}}))
    jobs = [(60.0, 60.0), (5.0 * HOUR, 60.0), (20.0 * HOUR, 60.0)]
    first, soon, later = run(zero, jobs, until=30 * HOUR).waits
    assert soon <= 3 * MINUTE + 100
    assert soon < later <= 18 * MINUTE + 100
    assert first <= 18 * MINUTE + 100


@pytest.mark.parametrize(
    ("points", "count", "expected"),
    [
        # One of seven is missing: the alarm looks at the newest five that exist.
        ([1, 2, 3, 4, 5, 6, None], 5, [2, 3, 4, 5, 6]),
        # Too many are missing: the newest five, missing ones among them.
        ([1, 2, 3, 4, None, None, None], 5, [3, 4, None, None, None]),
    ],
)
def test_which_points_an_alarm_evaluates(
    points: list[float | None], count: int, expected: list[float | None]
) -> None:
    """As in the tables of AWS's page on missing data."""
    assert evaluated(points, count) == expected


def test_a_step_covers_every_breach(program: Program) -> None:
    """The program's steps leave no gap and overlap nowhere, also below the threshold."""
    for step in program.steps:
        sizes = [abs(adjustment(step.policy, breach / 2 - 1)) for breach in range(20)]
        assert sizes[0] == 1
        assert all(one <= two for one, two in pairwise(sizes))
        assert max(sizes) == program.most


def rows(first: str) -> dict[str, list[str]]:
    """The table of docs/explanation/scaling.md whose first heading is given: name -> cells."""
    lines = (ROOT / "docs/explanation/scaling.md").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"| {first}"))
    found = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        found[name] = cells
    return found


def test_the_page_shows_every_workload_and_alternative() -> None:
    """A workload or alternative that is added, renamed or removed appears on the page."""
    assert list(rows("defaults")) == [workload.name for workload in WORKLOADS]
    assert list(rows("wait p95")) == [alternative.name for alternative in ALTERNATIVES]


@pytest.mark.slow
@pytest.mark.parametrize("short", ["trickle", "zero", "late"])
def test_the_page_shows_what_the_simulation_prints(short: str) -> None:
    """The results of the quick workloads are today's, to the last digit."""
    (chosen,) = (item for item in WORKLOADS if item.short == short)
    result = simulate(chosen, ALTERNATIVES[0], seed=SEED)
    assert rows("defaults")[chosen.name] == list(measures(result))
