"""
Discrete-event simulation of the deployed service's auto scaling.

It reads the alarms and policies that the Pulumi program declares, and delays and loses metrics as CloudWatch
does. Times are seconds, the clock starts at 0.
"""

import heapq
import math
import operator
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.scaling_program import Program, Step, Tracking
from tests.stack.metric_math import Points, evaluate

MINUTE = 60
HOUR = 3600

METRIC_LATENCY_SECS = 60
"""SQS and ECS publish a point per minute; it is taken to arrive a minute after its end:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/monitoring-using-cloudwatch.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html"""
INACTIVE_SECS = 6 * HOUR
"""SQS publishes nothing for a queue that had no message and no request for this long (same page),"""
ACTIVATION_SECS = 15 * MINUTE
"""and takes up to this long to begin again."""
EXTRA_POINTS = 2
"""An alarm also retrieves older points, and evaluates the newest that exist; AWS's examples show two more:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html"""
TRACKING_POINTS = 3
"""Target tracking's own alarm: three points of a minute above the target. AWS creates it and does not
document its length; three is what DescribeAlarms shows."""
START_SECS = (45.0, 90.0)
"""From the launch of a Fargate task to its first receive: 53 to 62 s for an image of 413 MB, measured in
https://elasticscale.com/blog/reduce-aws-fargate-pull-times-with-soci, and the worker's own start."""
LAUNCH_BURST, LAUNCH_RATE = 100, 20
"""Fargate launches this many tasks at once, then so many per second:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html"""
RECONCILE_SECS = 10
"""How often ECS compares running tasks with the desired count. AWS does not document it: an assumption."""
POLL_SECS, GAP_SECS = 20.0, 0.2
"""A receive waits so long; two calls of the ECS agent, which take this long, change a task's protection."""

COMBINE: Mapping[str, Callable[[list[float]], float]] = {
    "Average": lambda points: sum(points) / len(points),
    "Maximum": max,
    "Minimum": min,
}
"""How a step policy aggregates; AWS does not say which points: here all that the alarm evaluated."""

WAITING, IN_FLIGHT, RUNNING = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible",
    "CPUUtilization",
)


@dataclass(frozen=True)
class Conditions:
    """What differs between simulated worlds, apart from the jobs."""

    metric_latency_secs: float = METRIC_LATENCY_SECS
    protected: bool = True
    """Whether busy tasks are protected from scale-in."""
    polls_protected: bool = False
    """Whether a task without a job is protected too while it waits for a message."""


@dataclass
class Result:
    """What one simulation measured."""

    waits: list[float] = field(default_factory=list)
    """Seconds from the arrival of each job to its first start, or to the end of the simulation."""
    idle_secs: float = 0.0
    """Seconds that tasks were paid for without a job, their start included."""
    interrupted: int = 0
    most_tasks: int = 0
    tasks_at_end: int = 0

    def wait(self, percent: int) -> float:
        """A percentile of the waiting time, by the nearest rank."""
        ranked = sorted(self.waits)
        return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)] if ranked else 0.0


@dataclass(eq=False)
class Job:
    """A message, and the work that it asks for."""

    arrival: float
    length: float
    was_started: bool = False


@dataclass(eq=False)
class Task:
    """A Fargate task."""

    launched: float
    running: bool = False
    job: Job | None = None
    since: float = 0.0
    """When that job began."""
    busy_secs: float = 0.0


class Metrics:
    """Points per minute, visible only after their latency."""

    def __init__(self, *, latency_secs: float) -> None:
        self._latency = latency_secs
        self._points: dict[str, list[float | None]] = {WAITING: [], IN_FLIGHT: [], RUNNING: []}

    def record(self, **points: float | None) -> None:
        """Add the points of the minute that has just ended."""
        for name, series in zip(("waiting", "in_flight", "running"), self._points.values(), strict=True):
            series.append(points[name])

    def window(self, now: float, *, minutes: int) -> dict[str, tuple[float | None, ...]]:
        """The points of the last minutes that have arrived; the others are None."""
        newest = int(now // MINUTE)
        arrived = int((now - self._latency) // MINUTE)
        first = max(0, newest - minutes)
        window = {}
        for name, series in self._points.items():
            points = series[first : max(first, arrived)]
            before = [None] * (minutes - (newest - first))
            window[name] = (*before, *points, *[None] * (newest - first - len(points)))
        return window


def evaluated(points: Points, count: int) -> Points:
    """The points that an alarm looks at: the newest `count` that exist, or else the newest, some missing."""
    existing = [point for point in points if point is not None]
    return list(existing[-count:]) if len(existing) >= count else points[-count:]


class Simulation:
    """One run of a workload under a program."""

    def __init__(
        self, program: Program, jobs: Iterable[tuple[float, float]], *, conditions: Conditions, seed: int
    ) -> None:
        """`jobs` are pairs of arrival and length in seconds."""
        self._program = program
        self._conditions = conditions
        self._random = random.Random(seed)  # noqa: S311 - a simulation, no secret
        self._metrics = Metrics(latency_secs=conditions.metric_latency_secs)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = 0
        self.now = 0.0
        self._queue: deque[Job] = deque()
        self._tasks: dict[Task, None] = {}
        self._idle: dict[Task, None] = {}
        self.desired = program.least
        self._tokens, self._tokens_at = float(LAUNCH_BURST), 0.0
        self._active_at = -math.inf
        self._publishes_from = 0.0
        self._base: dict[int, tuple[float, int]] = {}
        self._memo: dict[Any, Points] = {}
        self.result = Result()
        self._jobs = iter(sorted(jobs, key=operator.itemgetter(0)))
        self._expect_next()
        for _ in range(program.least):
            task = Task(launched=0.0)
            self._tasks[task] = None
            self._start(task)

    def run(self, *, until: float) -> Result:
        """Run until a time and return the measurements."""
        self._at(MINUTE, self._minute)
        self._at(RECONCILE_SECS, self._reconcile)
        while self._events and self._events[0][0] <= until:
            self.now, _, action = heapq.heappop(self._events)
            action()
        self.now = until
        self.result.tasks_at_end = len(self._tasks)
        for task in list(self._tasks):
            self._end(task)
        self.result.waits += [until - job.arrival for job in self._queue if not job.was_started]
        return self.result

    def _at(self, time: float, action: Callable[[], None]) -> None:
        self._serial += 1
        heapq.heappush(self._events, (time, self._serial, action))

    # The queue and the workers

    def _expect_next(self) -> None:
        for arrival, length in self._jobs:
            self._at(arrival, partial(self._arrive, Job(arrival, length)))
            return

    def _arrive(self, job: Job) -> None:
        self._expect_next()
        self._touch()
        self._queue.append(job)
        self._dispatch()

    def _touch(self) -> None:
        """A request or a message activates the queue's metrics, late if it was inactive."""
        if self.now - self._active_at > INACTIVE_SECS and self.now > 0:
            self._publishes_from = self.now + self._random.uniform(0, ACTIVATION_SECS)
        self._active_at = self.now

    def _dispatch(self) -> None:
        while self._queue and self._idle:
            task = next(iter(self._idle))
            del self._idle[task]
            task.job, task.since = self._queue.popleft(), self.now
            if not task.job.was_started:
                self.result.waits.append(self.now - task.job.arrival)
                task.job.was_started = True
            self._at(self.now + task.job.length, partial(self._finish, task, task.job))

    def _finish(self, task: Task, job: Job) -> None:
        if task.job is not job:  # the task was stopped
            return
        task.busy_secs += self.now - task.since
        task.job = None
        self._idle[task] = None
        self._dispatch()

    # ECS

    def _start(self, task: Task) -> None:
        if task not in self._tasks:  # stopped before it ran
            return
        task.running = True
        self._touch()
        self._idle[task] = None
        self._dispatch()

    def _end(self, task: Task) -> None:
        del self._tasks[task]
        self._idle.pop(task, None)
        if task.job is not None:
            task.busy_secs += self.now - task.since
        self.result.idle_secs += self.now - task.launched - task.busy_secs

    def _reconcile(self) -> None:
        surplus = len(self._tasks) - self.desired
        if surplus < 0:
            self._launch(-surplus)
        for task in sorted(self._tasks, key=lambda task: task.running) if surplus > 0 else ():
            if surplus > 0 and self._may_stop(task):
                surplus -= 1
                self._stop(task)
        self.result.most_tasks = max(self.result.most_tasks, len(self._tasks))
        self._at(self.now + RECONCILE_SECS, self._reconcile)

    def _launch(self, missing: int) -> None:
        self._tokens = min(LAUNCH_BURST, self._tokens + (self.now - self._tokens_at) * LAUNCH_RATE)
        self._tokens_at = self.now
        for _ in range(min(missing, int(self._tokens))):
            self._tokens -= 1
            task = Task(launched=self.now)
            self._tasks[task] = None
            self._at(self.now + self._random.uniform(*START_SECS), partial(self._start, task))

    def _may_stop(self, task: Task) -> bool:
        if task.job is not None:
            just_begun = self.now - task.since < GAP_SECS / 2 and not self._conditions.polls_protected
            return just_begun or not self._conditions.protected
        if task.running and self._conditions.polls_protected:
            return self._random.random() < GAP_SECS / (POLL_SECS + GAP_SECS)
        return True

    def _stop(self, task: Task) -> None:
        job = task.job
        self._end(task)
        if job is not None:
            task.job = None
            self.result.interrupted += 1
            self._queue.append(job)
            self._dispatch()

    # CloudWatch and Application Auto Scaling

    def _minute(self) -> None:
        running = sum(task.running for task in self._tasks)
        if running or self._queue:
            self._touch()
        in_flight = running - len(self._idle)
        published = self.now >= self._publishes_from and self.now - self._active_at <= INACTIVE_SECS
        self._metrics.record(
            waiting=len(self._queue) if published else None,
            # "Reported if in-flight messages exist":
            # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
            in_flight=in_flight if published and in_flight else None,
            running=running or None,
        )
        if self._program.tracking:
            self._track(self._program.tracking)
        for number, step in enumerate(self._program.steps):
            self._step(number, step)
        # An Auto Scaling action is repeated in every minute of the alarm:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-actions.html
        self._at(self.now + MINUTE, self._minute)

    def _points(self, queries: Sequence[Mapping[str, Any]], *, count: int) -> Points:
        window = self._metrics.window(self.now, minutes=count + EXTRA_POINTS)
        key = (id(queries), tuple(window.values()))
        if key not in self._memo:
            self._memo[key] = evaluate(queries, {name: list(points) for name, points in window.items()})
        return evaluated(self._memo[key], count)

    def _track(self, tracking: Tracking) -> None:
        points = self._points(tracking.queries, count=TRACKING_POINTS)
        if all(point is not None and point > tracking.target for point in points):
            newest = points[-1]
            assert newest is not None
            self._add(-1, tracking.cooldown_secs, lambda base: math.ceil(base * newest / tracking.target))

    def _step(self, number: int, step: Step) -> None:
        alarm, policy = step.alarm, step.policy
        points = self._points(alarm["metricQueries"], count=int(alarm["evaluationPeriods"]))
        breaching = [point for point in points if point is not None and point >= alarm["threshold"]]
        if len(breaching) < int(alarm["datapointsToAlarm"]):
            return
        existing = [point for point in points if point is not None]
        change = adjustment(policy, COMBINE[policy["metricAggregationType"]](existing) - alarm["threshold"])
        if change > 0:
            self._add(number, policy["cooldown"], lambda base: base + change)
        elif self.now >= self._base.get(number, (0.0, 0))[0]:
            self._base[number] = (self.now + policy["cooldown"], 0)
            self._set(self.desired + change)

    def _add(self, number: int, cooldown: float, wanted: Callable[[int], int]) -> None:
        """Scale out to what is wanted, if that is more."""
        # During a cooldown, what the scale-out before has added counts towards the next:
        # https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepScalingPolicyConfiguration.html
        until, base = self._base.get(number, (-1.0, 0))
        if self.now >= until:
            base = self.desired
        if min(wanted(base), self._program.most) > self.desired:
            self._base[number] = (self.now + cooldown, base)
            self._set(wanted(base))

    def _set(self, desired: int) -> None:
        self.desired = min(max(desired, self._program.least), self._program.most)


def adjustment(policy: Mapping[str, Any], breach: float) -> int:
    """The adjustment of the step whose interval contains the breach of the threshold."""
    (found,) = (
        int(step["scalingAdjustment"])
        for step in policy["stepAdjustments"]
        if float(step.get("metricIntervalLowerBound", "-inf"))
        <= breach
        < float(step.get("metricIntervalUpperBound", "inf"))
    )
    return found
