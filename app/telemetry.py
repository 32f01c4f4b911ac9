"""Logs on stderr, metrics in CloudWatch's embedded metric format (EMF) on stdout, traces by OpenTelemetry."""

import json
import logging
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TextIO

import structlog

NAMESPACE = "story-tts"

log = structlog.get_logger()


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
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        if as_console
        else structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering: list[structlog.typing.Processor] = (
        [_shorten, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]
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


def _shorten(_: object, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out of a terminal's lines what only helps to find the cause of a problem."""
    if level in {"debug", "info"}:
        for field in (
            "message_id",
            "receive_count",
            "epoch",
            "synthesis_secs",
            "alignment_secs",
            "alignment",
        ):
            event.pop(field, None)
    return event


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


EXPORT_SECS = 2
"""How long spans are offered to a collector that does not answer; a shutdown waits for it."""

Attributes = Mapping[str, str | int | float]


class Tracer(Protocol):
    """Records what an attempt spends its time on. Spans hold no text and no message of an error."""

    def span(
        self, name: str, attributes: Attributes | None = None, *, secs_ago: float = 0.0
    ) -> AbstractContextManager[None]:
        """A span around a block, within the span around it; it began `secs_ago`."""

    def record(self, name: str, *, secs: float) -> None:
        """Record a span of `secs` that ends now."""

    def close(self) -> None:
        """Send what is recorded."""


class NoTracer:
    """Records nothing."""

    def span(
        self, name: str, attributes: Attributes | None = None, *, secs_ago: float = 0.0
    ) -> AbstractContextManager[None]:
        """Do nothing."""
        del name, attributes, secs_ago
        return nullcontext()

    def record(self, name: str, *, secs: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class OtlpTracer:
    """
    Sends spans to an OpenTelemetry collector or backend, by OTLP over HTTP, from a thread of its own.

    OpenTelemetry's SDK reads its other variables itself, such as OTEL_EXPORTER_OTLP_HEADERS:
    https://opentelemetry.io/docs/specs/otel/protocol/exporter/
    """

    def __init__(self, *, endpoint: str, service: str) -> None:
        """`endpoint` is the base URL, for /v1/traces. Raises ImportError without the extra otel."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service}), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(NAMESPACE)

    @contextmanager
    def span(
        self, name: str, attributes: Attributes | None = None, *, secs_ago: float = 0.0
    ) -> Iterator[None]:
        """A span around a block; an exception gives it the status ERROR and the name of the class."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415

        with self._tracer.start_as_current_span(
            name,
            attributes=attributes,
            start_time=_nanoseconds(secs_ago),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def record(self, name: str, *, secs: float) -> None:
        """Record a span of `secs` that ends now."""
        self._tracer.start_span(name, start_time=_nanoseconds(secs)).end()

    def close(self) -> None:
        """Send what is recorded, for EXPORT_SECS at most, and end the thread."""
        self._provider.shutdown()


def open_tracer(*, endpoint: str | None, service: str) -> Tracer:
    """Return a tracer that sends to `endpoint`; without it or the extra otel one that does nothing."""
    if endpoint is None:
        return NoTracer()
    try:
        return OtlpTracer(endpoint=endpoint, service=service)
    except ImportError:
        log.warning("no traces: OTEL_EXPORTER_OTLP_ENDPOINT needs pip install 'story-tts[otel]'")
        return NoTracer()


def _nanoseconds(secs_ago: float) -> int:
    return time.time_ns() - int(secs_ago * 1e9)


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
