"""Logs on stderr, and metrics in CloudWatch's embedded metric format (EMF) on stdout."""

import json
import logging
import sys
import time
import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

import structlog

NAMESPACE = "story-tts"


class AttemptOutcome(StrEnum):
    """How an attempt at a job ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    """A permanent error: FAILED rows, a dead letter."""
    RETURNED = "returned"
    """Returned to the queue for another attempt."""
    LOST = "lost"
    """The lease was lost: another worker may have taken over."""
    SKIPPED = "skipped"
    """Nothing to do: completed, cancelled, or held by another worker."""


def configure_logging(*, level: str, log_format: str) -> None:
    """
    Log to stderr from `level` up: `log_format` is json, console, or auto (console on a terminal).

    Logs never contain a story's text or a credential: events list their fields explicitly, and third-party
    records below WARNING are dropped.
    """
    as_console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if as_console
        else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """The metrics of one attempt; `audio_secs` is None if nothing was narrated."""

    processing_secs: float
    queue_wait_secs: float
    receive_count: int
    audio_secs: float | None = None

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of processing per second of audio."""
        return self.processing_secs / self.audio_secs if self.audio_secs else None


class Metrics:
    """Writes one EMF document per attempt, as a line of JSON that CloudWatch Logs turns into metrics."""

    def __init__(self, *, stream: TextIO | None, service: str) -> None:
        """`stream` None writes nothing, for a worker in a terminal."""
        self._stream = stream
        self._service = service

    def attempt(self, outcome: AttemptOutcome, figures: JobFigures) -> None:
        """Write the metrics of a finished attempt."""
        if self._stream is None:
            return
        values: dict[str, tuple[float | None, str]] = {
            "JobsCompleted": (float(outcome is AttemptOutcome.COMPLETED), "Count"),
            "JobsFailed": (float(outcome is AttemptOutcome.FAILED), "Count"),
            "ProcessingSeconds": (figures.processing_secs, "Seconds"),
            "QueueWaitSeconds": (figures.queue_wait_secs, "Seconds"),
            "ReceiveCount": (figures.receive_count, "Count"),
            "AudioSeconds": (figures.audio_secs, "Seconds"),
            "RealTimeFactor": (figures.real_time_factor, "None"),
        }
        present = {name: (value, unit) for name, (value, unit) in values.items() if value is not None}
        document = {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    _directive(["service"], {name: unit for name, (_, unit) in present.items()}),
                    _directive(["service", "outcome"], {"Jobs": "Count"}),
                ],
            },
            "service": self._service,
            "outcome": outcome.value,
            "Jobs": 1,
        } | {name: round(value, 4) for name, (value, _) in present.items()}
        print(json.dumps(document), file=self._stream, flush=True)


def error_details(error: BaseException) -> dict[str, str]:
    """Return what a log may contain of an unexpected error: its type and trace, but not its message."""
    return {
        "error": type(error).__name__,
        "trace": "".join(traceback.format_tb(error.__traceback__)),
    }


def _directive(dimensions: list[str], units: dict[str, str]) -> dict[str, object]:
    return {
        "Namespace": NAMESPACE,
        "Dimensions": [dimensions],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
    }
