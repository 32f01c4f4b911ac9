"""Reads and validates the environment; no other module reads it. Reports all faults at once."""

import re
import socket
from collections.abc import Mapping
from os import environ as process_environment
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails

from app.audio.loudness import DEFAULT_TARGET_LUFS
from app.errors import ConfigurationError
from app.healthcheck import DEFAULT_PORT, PORT_VARIABLE
from app.speech.registry import ENGINES, Precision

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HINT = (
    "`story-tts local` runs the whole service on this machine and prints the variables to export;"
    ' for a deployed service, run `eval "$(make environment)"`'
)


def _variable(name: str, meaning: str, default: Any = ...) -> Any:
    """Declare a field read from environment variable `name`; `meaning` appears in the generated reference."""
    return Field(default, validation_alias=name, description=meaning, validate_default=True)


class SpeechSettings(BaseModel):
    """Narration settings, read by the worker and by `story-tts speak`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    speech_engine: str = _variable("SPEECH_ENGINE", "speech engine, `kokoro` or `espeak`", "kokoro")
    default_voice: str = _variable("KOKORO_VOICE", "default voice, for jobs that name none", "af_heart")
    reading_speed: float = _variable(
        "READING_SPEED",
        "maximum reading speed of subtitles in characters per second, 5 to 40; use 17 for children's stories",
        20.0,
    )
    clause_pause_secs: float = _variable(
        "CLAUSE_PAUSE_SECS",
        "silence after a clause in seconds, 0 to 10, where a long sentence is synthesized in parts",
        0.25,
    )
    sentence_pause_secs: float = _variable(
        "SENTENCE_PAUSE_SECS", "silence after a sentence in seconds, 0 to 10", 0.35
    )
    paragraph_pause_secs: float = _variable(
        "PARAGRAPH_PAUSE_SECS", "silence after a paragraph in seconds, 0 to 10", 0.6
    )
    heading_pause_secs: float = _variable(
        "HEADING_PAUSE_SECS", "silence after a title or subtitle in seconds, 0 to 10", 0.9
    )
    chapter_pause_secs: float = _variable(
        "CHAPTER_PAUSE_SECS", "silence after the heading of a chapter in seconds, 0 to 10", 1.4
    )
    loudness_lufs: float = _variable(
        "LOUDNESS_LUFS",
        "integrated loudness of the audio in LUFS, -36 to -12",
        DEFAULT_TARGET_LUFS,
    )
    lexicon_dir: Path | None = _variable(
        "LEXICON_DIR",
        "folder with pronunciations by language of the voice, such as `en-us.json`, `en.json` or `fr.pls`",
        None,
    )
    models_dir: Path = _variable(
        "MODELS_DIR",
        "folder with the model files, filled by `story-tts models fetch`",
        Path("~/.cache/story-tts/models"),
    )
    speech_threads: int = _variable(
        "SPEECH_THREADS", "threads the models use, 0 to 256; 0 uses the CPU quota of the container", 0
    )
    speech_precision: Precision = _variable(
        "SPEECH_PRECISION",
        "precision of Kokoro: `float32`, `bfloat16`, `int8`, or `auto` (measures which is fastest)",
        "auto",
    )
    segment_secs: float = _variable(
        "SEGMENT_SECS",
        "seconds of audio in a segment, 10 to 1800: about what an interruption costs at most",
        180.0,
    )
    work_dir: Path = _variable(
        "WORK_DIR",
        "folder for temporary files and for the segments of `story-tts speak`",
        Path("/tmp/story-tts"),  # noqa: S108  # private below
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _variable(
        "LOG_LEVEL", "log level: `DEBUG`, `INFO`, `WARNING`, `ERROR`", "INFO"
    )
    log_format: Literal["auto", "json", "console"] = _variable(
        "LOG_FORMAT",
        "log format: `json`, `console`, or `auto` (`console` on a terminal)",
        "auto",
    )

    @field_validator("speech_engine")
    @classmethod
    def _engine(cls, value: str) -> str:
        if value not in ENGINES:
            raise ValueError(f"is not a speech engine; available: {', '.join(ENGINES)}")
        return value

    @field_validator("reading_speed")
    @classmethod
    def _readable(cls, value: float) -> float:
        return _within(value, 5.0, 40.0)

    @field_validator(
        "clause_pause_secs",
        "sentence_pause_secs",
        "paragraph_pause_secs",
        "heading_pause_secs",
        "chapter_pause_secs",
    )
    @classmethod
    def _pause(cls, value: float) -> float:
        return _within(value, 0.0, 10.0)

    @field_validator("loudness_lufs")
    @classmethod
    def _loudness(cls, value: float) -> float:
        return _within(value, -36.0, -12.0)

    @field_validator("segment_secs")
    @classmethod
    def _segment(cls, value: float) -> float:
        return _within(value, 10.0, 1800.0)

    @field_validator("models_dir")
    @classmethod
    def _home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("speech_threads")
    @classmethod
    def _threads(cls, value: int) -> int:
        return int(_within(value, 0, 256))

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Self:
        """
        Read and validate `environment`, the process's own by default.

        Empty variables count as unset. Raises ConfigurationError with one line per faulty variable.
        """
        source = process_environment if environment is None else environment
        present = {name: value for name, value in source.items() if value.strip()}
        try:
            return cls.model_validate(present)
        except ValidationError as error:
            faults = error.errors()
            hint = _HINT if any(fault["type"] == "missing" for fault in faults) else ""
            raise ConfigurationError(*(_fault(fault) for fault in faults), hint=hint) from None


class HealthSettings(SpeechSettings):
    """Settings of the health endpoint, read by the worker and by `story-tts health`."""

    port: int = _variable(PORT_VARIABLE, "port of the health endpoint, 1 to 65535", DEFAULT_PORT)

    @field_validator("port")
    @classmethod
    def _port(cls, value: int) -> int:
        return int(_within(value, 1, 65535))


class Settings(HealthSettings):
    """Settings of the worker and of the commands that talk to AWS."""

    queue_url: str = _variable("QUEUE_URL", "URL of the SQS job queue")
    region: str = _variable("AWS_REGION", "AWS region of every call")
    table: str = _variable("DYNAMODB_TABLE", "DynamoDB table of the task rows")
    bucket: str = _variable("OUTPUT_BUCKET", "S3 bucket for the media")
    dead_letter_queue_url: str | None = _variable(
        "DEAD_LETTER_QUEUE_URL",
        "URL of the dead-letter queue; without one, failed jobs stay in the queue, with a growing delay",
        None,
    )
    topic_arn: str | None = _variable(
        "SNS_TOPIC_ARN", "SNS topic of the jobs; if set, jobs from any other topic are refused", None
    )
    event_bus: str | None = _variable(
        "EVENT_BUS",
        "EventBridge bus for events about ended jobs: `default`, another name, or an ARN",
        None,
    )
    event_topic_arn: str | None = _variable(
        "EVENT_TOPIC_ARN", "SNS topic for events about ended jobs, not the topic of the jobs", None
    )
    allowed_buckets: frozenset[str] = _variable(
        "ALLOWED_OUTPUT_BUCKETS",
        "further buckets that direct jobs may write to, separated by commas",
        frozenset(),
    )
    allowed_input_buckets: frozenset[str] = _variable(
        "ALLOWED_INPUT_BUCKETS",
        "buckets besides the output bucket that a job's `text_url` may name, separated by commas",
        frozenset(),
    )
    lease_secs: float = _variable(
        "LEASE_SECS",
        "seconds a lease lasts, 2 to 3600; it is renewed three times in that time",
        60.0,
    )
    receive_wait_secs: int = _variable(
        "RECEIVE_WAIT_SECS", "seconds of a long poll of the queue, 0 to 20", 20
    )
    max_receives: int = _variable(
        "MAX_RECEIVES", "failed attempts after which a retryable failure is final, 1 to 1000", 5
    )
    stop_timeout_secs: float = _variable(
        "STOP_TIMEOUT_SECS",
        "stop timeout of the container in seconds (SIGTERM to SIGKILL), 10 to 120",
        120.0,
    )
    service_name: str = _variable("SERVICE_NAME", "dimension of every metric", "story-tts")
    task_hour_price: float | None = _variable(
        "TASK_HOUR_PRICE",
        "what an hour of this worker costs; if set, rows get `estimated_cost`, in the same currency",
        None,
    )
    otlp_endpoint: str | None = _variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "base URL for traces by OpenTelemetry (OTLP over HTTP), such as `http://collector:4318`; needs the"
        " extra `otel`, whose SDK reads its other variables, such as `OTEL_EXPORTER_OTLP_HEADERS`, itself",
        None,
    )
    ecs_agent_uri: str | None = _variable(
        "ECS_AGENT_URI", "endpoint for ECS task protection; set by ECS", None
    )

    @property
    def owner(self) -> str:
        """Lease owner as written to the task row: the host name."""
        return socket.gethostname()

    @field_validator("queue_url", "dead_letter_queue_url")
    @classmethod
    def _queue(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or not parts.path.strip("/"):
            message = "is not a queue URL, like https://sqs.us-east-1.amazonaws.com/123456789012/name"
            raise ValueError(message)
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return _matching(value, r"https?://[^\s/]+(/\S*)?", "is not a URL, like http://collector:4318")

    @field_validator("region")
    @classmethod
    def _region(cls, value: str) -> str:
        return _matching(value, r"[a-z]{2}(-[a-z]+)+-\d", "is not a region, like us-east-1")

    @field_validator("table")
    @classmethod
    def _table(cls, value: str) -> str:
        return _matching(value, r"[A-Za-z0-9_.-]{3,255}", "is not a table name: 3-255 of A-Z a-z 0-9 _ . -")

    @field_validator("bucket")
    @classmethod
    def _bucket(cls, value: str) -> str:
        return _matching(value, BUCKET_NAME.pattern, "is not a bucket name")

    @field_validator("allowed_buckets", "allowed_input_buckets", mode="before")
    @classmethod
    def _buckets(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        names = frozenset(name.strip() for name in value.split(",") if name.strip())
        for name in sorted(names):
            _matching(name, BUCKET_NAME.pattern, f"holds {name!r}, which is not a bucket name")
        return names

    @field_validator("topic_arn", "event_topic_arn")
    @classmethod
    def _topic(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return _matching(value, r"arn:[^:]+:sns:[^:]*:\d{12}:.+", "is not a topic ARN, like arn:aws:sns:...")

    @field_validator("event_topic_arn")
    @classmethod
    def _topic_of_events(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value == info.data.get("topic_arn"):
            raise ValueError("is the topic of the jobs, where events would be taken for jobs")
        if value is not None and value.endswith(".fifo"):
            raise ValueError("is a FIFO topic; events need a standard one")
        return value

    @field_validator("event_bus")
    @classmethod
    def _bus(cls, value: str | None) -> str | None:
        if value is None:
            return None
        pattern = r"[\w./-]{1,256}|arn:[^:]+:events:[\w-]+:\d{12}:event-bus/[\w./-]{1,256}"
        return _matching(value, pattern, "is not the name or ARN of an event bus, like default")

    @field_validator("task_hour_price")
    @classmethod
    def _price(cls, value: float | None) -> float | None:
        return None if value is None else _within(value, 0.0, 10_000.0)

    @field_validator("lease_secs")
    @classmethod
    def _lease(cls, value: float) -> float:
        return _within(value, 2.0, 3600.0)

    @field_validator("receive_wait_secs")
    @classmethod
    def _wait(cls, value: int) -> int:
        return int(_within(value, 0, 20))

    @field_validator("max_receives")
    @classmethod
    def _receives(cls, value: int) -> int:
        return int(_within(value, 1, 1000))

    @field_validator("stop_timeout_secs")
    @classmethod
    def _stop(cls, value: float) -> float:
        return _within(value, 10.0, 120.0)


def variables(settings: type[SpeechSettings] = Settings) -> dict[str, tuple[str, str]]:
    """Return name -> (meaning, default as text or "required") of every variable."""
    return {
        str(field.validation_alias): (
            field.description or "",
            "required" if field.is_required() else _spelled(field.default),
        )
        for field in settings.model_fields.values()
    }


def _spelled(default: object) -> str:
    if default is None or default == frozenset():
        return "none"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _within(value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        message = f"must lie between {low:g} and {high:g}"
        raise ValueError(message)
    return value


def _matching(value: str, pattern: str, complaint: str) -> str:
    if not re.fullmatch(pattern, value):
        raise ValueError(complaint)
    return value


def _fault(detail: ErrorDetails) -> str:
    """Format one fault as `NAME=value reason`. Values are shown: no variable is secret."""
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{name} is required: {variables()[name][0]}"
    reason = str(detail["msg"]).removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    return f"{name}={detail['input']!s} {reason}" if detail["type"] == "value_error" else f"{name}: {reason}"
