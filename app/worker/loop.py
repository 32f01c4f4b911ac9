"""
The worker's loop: receive a message, run one attempt at its job, handle the outcome.

A worker processes one job at a time.
"""

import time
from enum import IntEnum

import structlog

from app.aws.protection import Protection, ProtectionStatus
from app.aws.queue import Message
from app.errors import (
    ConfigurationError,
    CredentialsError,
    EventsRefusedError,
    InfrastructureError,
    MissingExtraError,
    QueueGoneError,
)
from app.health import Health
from app.shutdown import Shutdown
from app.speech_process.client import ProcessState
from app.telemetry import Metrics, Tracer
from app.worker.attempt import Attempt, AttemptRunner
from app.worker.outcomes import OutcomeHandler
from app.worker.retry import backoff_delay
from app.worker.seams import JobQueue, Speech

READY_POLL_SECS = 0.05
DEPLOYMENT_POLL_SECS = 15.0
QUEUE_GONE_TRIES = 5
"""SQS may briefly report that an existing queue does not exist; after so many reports it is gone."""

log = structlog.get_logger()


class WorkerExit(IntEnum):
    """Why `Worker.run` returned, as the exit code of the process."""

    OK = 0
    QUEUE_GONE = 3


class Worker:
    """Processes jobs from the queue until it is asked to stop."""

    def __init__(
        self,
        *,
        queue: JobQueue,
        runner: AttemptRunner,
        outcomes: OutcomeHandler,
        speech: Speech,
        receive_wait_secs: int,
        visibility_secs: float,
        health: Health,
        metrics: Metrics,
        protection: Protection,
        shutdown: Shutdown,
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._queue = queue
        self._runner = runner
        self._outcomes = outcomes
        self._speech = speech
        self._receive_wait_secs = receive_wait_secs
        self._visibility_secs = visibility_secs
        self._health = health
        self._metrics = metrics
        self._protection = protection
        self._shutdown = shutdown
        self._is_idle = False
        self._faults_in_a_row = 0
        self._deaths_in_a_row = 0

    def run(self, *, drain: bool = False) -> WorkerExit:
        """
        Run until a signal, or with `drain` until the queue is empty; return the exit code.

        Raises ConfigurationError and MissingExtraError if this worker cannot narrate.
        """
        try:
            while not self._shutdown.requested.is_set():
                try:
                    if self._turn(drain=drain):
                        return WorkerExit.OK
                except InfrastructureError as fault:
                    self._faults_in_a_row += 1
                    if isinstance(fault, QueueGoneError) and self._faults_in_a_row >= QUEUE_GONE_TRIES:
                        log.error("the queue does not exist any more: the worker ends")
                        return WorkerExit.QUEUE_GONE
                    self._back_off(fault)
            return WorkerExit.OK
        finally:
            self._protection.release()
            self._tracer.close()

    def _turn(self, *, drain: bool) -> bool:
        """Receive and handle one message; return whether the queue is drained."""
        if not self._is_speech_ready():
            return False
        # After an empty receive it waits unprotected, so that a scale-in finds a task that it can stop.
        if not self._is_idle and self._deployment_waits():
            self._pause_for_deployment()
            return False
        began = time.monotonic()
        message = self._queue.receive(
            wait_secs=self._receive_wait_secs, visibility_secs=self._visibility_secs
        )
        self._faults_in_a_row = 0
        self._health.heartbeat()
        if message is None:
            self._is_idle = True
            self._protection.release()
            return drain and self._queue.depth().total == 0
        if self._shutdown.requested.is_set():
            self._queue.give_back(message)
            return False
        if self._is_idle and self._deployment_waits():
            self._queue.give_back(message)
            # From now on it asks before it receives: each receive counts against a message.
            self._is_idle = False
            self._pause_for_deployment()
            return False
        self._is_idle = False
        waited = time.monotonic() - began
        with self._tracer.span("job", {"message_id": message.id}, secs_ago=waited):
            self._tracer.record("receive", secs=waited)
            self._handle(message)
        # Between two jobs a deployment or a scale-in may stop this task.
        self._protection.release()
        return False

    def _deployment_waits(self) -> bool:
        """Request protection; return whether it is refused because a deployment waits for this task."""
        return self._protection.protect() is ProtectionStatus.DEPLOYMENT_WAITS

    def _pause_for_deployment(self) -> None:
        """Leave the jobs to other tasks for a while. Should the deployment not stop this one, it goes on."""
        self._health.heartbeat()
        log.info("not receiving: a deployment waits for this task")
        self._shutdown.requested.wait(DEPLOYMENT_POLL_SECS)

    def _is_speech_ready(self) -> bool:
        """
        Return whether the speech process can narrate; restart it if it is dead.

        Raises ConfigurationError and MissingExtraError, which a restart cannot fix.
        """
        state = self._speech.state
        if state in {ProcessState.READY, ProcessState.BUSY}:
            self._deaths_in_a_row = 0
            return True
        if state is ProcessState.STARTING:
            self._health.heartbeat()
            self._shutdown.requested.wait(READY_POLL_SECS)
            return False
        if isinstance(self._speech.fault, ConfigurationError | MissingExtraError):
            self._health.mark_unhealthy(self._speech.fault.message)
            raise self._speech.fault
        # The speech process logged the reason itself: it writes to the same stderr.
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row > 1:
            self._health.mark_unhealthy("the speech process fails to start")
            delay = backoff_delay(self._deaths_in_a_row - 1)
            log.error("the speech process fails to start", retry_in_secs=delay)
            self._shutdown.requested.wait(delay)
        self._speech.start()
        return False

    def _back_off(self, fault: InfrastructureError) -> None:
        if isinstance(fault, CredentialsError | EventsRefusedError | QueueGoneError):
            self._health.mark_unhealthy(fault.message)
        delay = backoff_delay(self._faults_in_a_row)
        log.warning("AWS is unavailable", reason=fault.message, retry_in_secs=delay)
        self._shutdown.requested.wait(delay)

    def _handle(self, message: Message) -> None:
        """
        Run one attempt; the class of its error decides what happens to the job.

        Raises ConfigurationError and MissingExtraError: no job can succeed on this worker.
        """
        attempt = Attempt(message)
        try:
            outcome = self._runner.run(attempt)
        except Exception as error:  # no error of a job may end the worker
            outcome = self._outcomes.handle(attempt, error)
            self._metrics.attempt(outcome, attempt.figures)
            if isinstance(error, ConfigurationError | MissingExtraError):
                self._health.mark_unhealthy(error.message)
                raise
            if isinstance(error, InfrastructureError):
                self._faults_in_a_row += 1
                self._back_off(error)
        else:
            self._metrics.attempt(outcome, attempt.figures)
