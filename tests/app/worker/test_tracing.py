"""Traces: what is sent to a collector, and when nothing is."""

import gzip
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from app.errors import PermanentJobError
from app.telemetry import NoTracer, OtlpTracer, open_tracer
from tests.app.worker.bench import Bench


class Collector:
    """An OTLP collector on localhost, which keeps the spans that it receives."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, ExportTraceServiceRequest]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.requests.append((self.path, ExportTraceServiceRequest.FromString(body)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def spans(self) -> dict[str, Span]:
        """The spans by name; of several, the last."""
        return {
            span.name: span
            for _, request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A running collector."""
    made = Collector()
    thread = Thread(target=made.server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@pytest.fixture
def traced(bench: Bench, collector: Collector) -> Bench:
    """A worker in memory that sends its traces to the collector."""
    bench.tracer = open_tracer(endpoint=collector.endpoint, service="story-tts-test")
    return bench


def test_a_job_is_one_trace(traced: Bench, collector: Collector) -> None:
    """Receive, claim, narrate with align, put and commit are spans of one job."""
    traced.send()

    traced.drain()

    spans = collector.spans
    names = {span.span_id: name for name, span in spans.items()}
    parents = {name: names.get(span.parent_span_id) for name, span in spans.items()}
    assert parents == {
        "job": None, "receive": "job", "claim": "job", "narrate": "job", "align": "narrate", "put": "job",
        "commit": "job",
    }  # fmt: skip
    assert {span.trace_id for span in spans.values()} == {spans["job"].trace_id}
    assert spans["job"].start_time_unix_nano <= spans["receive"].start_time_unix_nano
    (path, request), *_ = collector.requests
    assert path == "/v1/traces"
    attributes = {item.key: item.value.string_value for item in request.resource_spans[0].resource.attributes}
    assert attributes["service.name"] == "story-tts-test"


def test_a_failed_step_names_the_error_and_tells_nothing_of_the_story(
    traced: Bench, collector: Collector
) -> None:
    """The span of the step has the error's class; no span has the text or the error's message."""
    traced.send(text="A secret story.")
    traced.speech.steps = [PermanentJobError("A secret story cannot be said")]

    traced.drain()

    narrate = collector.spans["narrate"]
    assert (narrate.status.code, narrate.status.message) == (Status.STATUS_CODE_ERROR, "PermanentJobError")
    assert "secret" not in str(collector.requests)


def test_no_endpoint_no_traces() -> None:
    """Without an endpoint nothing is recorded, and OpenTelemetry's SDK is not even imported."""
    assert isinstance(open_tracer(endpoint=None, service="x"), NoTracer)
    check = "import sys, app.bootstrap; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_the_worker_works_without_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the packages there are no traces, and a warning says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert isinstance(open_tracer(endpoint="http://127.0.0.1:4318", service="x"), NoTracer)
    assert "pip install 'story-tts[otel]'" in "".join(capsys.readouterr())


def test_an_endpoint_that_does_not_answer_ends_no_job(bench: Bench) -> None:
    """Jobs complete while the collector is away."""
    bench.tracer = OtlpTracer(endpoint="http://127.0.0.1:9", service="x")
    bench.send()

    bench.drain()

    assert bench.outcomes == ["completed"]
