"""The only reader of the environment: frozen, validated values, and every fault listed at once."""

import re
import socket
from collections.abc import Mapping
from os import environ as process_environment
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from app.errors import ConfigurationError
from app.speech.registry import ENGINES, Precision

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
HEALTH_PATH = "/healthz"
_HINT = (
    "`story-tts local` runs the whole service on this machine and prints what to export;"
    ' a deployed one is found by `eval "$(make environment)"`'
)


def _variable(name: str, meaning: str, default: Any = ...) -> Any:
    """Declare a field that reads environment variable `name`; `meaning` is what the README's table says."""
    return Field(default, validation_alias=name, description=meaning, validate_default=True)


class SpeechSettings(BaseModel):
    """What narration needs, with or without a cloud."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    speech_engine: str = _variable("SPEECH_ENGINE", "speech engine: kokoro or espeak", "kokoro")
    default_voice: str = _variable("KOKORO_VOICE", "voice where a job names none", "af_heart")
    reading_speed: float = _variable(
        "READING_SPEED",
        "characters a second that a cue may ask of its reader; 17 for children's stories",
        20.0,
    )
    sentence_pause_secs: float = _variable(
        "SENTENCE_PAUSE_SECS", "silence after a sentence, in seconds", 0.25
    )
    paragraph_pause_secs: float = _variable(
        "PARAGRAPH_PAUSE_SECS", "silence after a paragraph, in seconds", 0.6
    )
    models_dir: Path = _variable(
        "MODELS_DIR",
        "folder of `story-tts models fetch`, with the files of Kokoro and of the aligner",
        Path("~/.cache/story-tts/models"),
    )
    speech_threads: int = _variable(
        "SPEECH_THREADS", "threads of the models; 0: as many as the container's processor quota", 0
    )
    speech_precision: Precision = _variable(
        "SPEECH_PRECISION",
        "what Kokoro's convolutions compute in; auto: bfloat16 where the processor has instructions for it",
        "auto",
    )
    work_dir: Path = _variable(
        "WORK_DIR",
        "folder for a job's temporary files",
        Path("/tmp/story-tts"),  # noqa: S108  # private below
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _variable("LOG_LEVEL", "log threshold", "INFO")
    log_format: Literal["auto", "json", "console"] = _variable(
        "LOG_FORMAT", "json, console, or auto: console on a terminal, else json", "auto"
    )

    @field_validator("speech_engine")
    @classmethod
    def _engine(cls, value: str) -> str:
        if value not in ENGINES:
            raise ValueError(f"is no speech engine; there are {', '.join(ENGINES)}")
        return value

    @field_validator("reading_speed")
    @classmethod
    def _readable(cls, value: float) -> float:
        return _within(value, 5.0, 40.0)

    @field_validator("sentence_pause_secs", "paragraph_pause_secs")
    @classmethod
    def _pause(cls, value: float) -> float:
        return _within(value, 0.0, 10.0)

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

        An empty variable counts as absent. Raises ConfigurationError with one line a faulty variable.
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
    """What the container's health check needs."""

    port: int = _variable("PORT", "port of the health endpoint", 8000)

    @field_validator("port")
    @classmethod
    def _port(cls, value: int) -> int:
        return int(_within(value, 1, 65535))


class Settings(HealthSettings):
    """What the worker and the commands that talk to AWS need."""

    queue_url: str = _variable("QUEUE_URL", "SQS queue of jobs")
    region: str = _variable("AWS_REGION", "region of every call")
    table: str = _variable("DYNAMODB_TABLE", "table of the task rows")
    bucket: str = _variable("OUTPUT_BUCKET", "bucket where media goes")
    dead_letter_queue_url: str | None = _variable(
        "DEAD_LETTER_QUEUE_URL", "queue for jobs that cannot succeed; without it they stay, ever later", None
    )
    topic_arn: str | None = _variable(
        "SNS_TOPIC_ARN", "topic that jobs come through; an envelope of another topic is refused", None
    )
    allowed_buckets: frozenset[str] = _variable(
        "ALLOWED_OUTPUT_BUCKETS",
        "other buckets that direct jobs may write to, with commas between",
        frozenset(),
    )
    lease_secs: float = _variable(
        "LEASE_SECS", "how long a claim holds without renewal; renewed every third of it", 60.0
    )
    receive_wait_secs: int = _variable("RECEIVE_WAIT_SECS", "length of one long poll of the queue", 20)
    max_receives: int = _variable("MAX_RECEIVES", "receives after which a retryable failure becomes final", 5)
    stop_timeout_secs: float = _variable(
        "STOP_TIMEOUT_SECS", "time between SIGTERM and SIGKILL, as the container's stop timeout", 120.0
    )
    service_name: str = _variable("SERVICE_NAME", "dimension of every metric", "story-tts")
    ecs_agent_uri: str | None = _variable("ECS_AGENT_URI", "set by ECS: where task protection is asked", None)

    @property
    def owner(self) -> str:
        """Who holds a lease, readable in a row: the host's name."""
        return socket.gethostname()

    @field_validator("queue_url", "dead_letter_queue_url")
    @classmethod
    def _queue(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.netloc or not parts.path.strip("/"):
            message = "is no queue URL, like https://sqs.us-east-1.amazonaws.com/123456789012/name"
            raise ValueError(message)
        return value

    @field_validator("region")
    @classmethod
    def _region(cls, value: str) -> str:
        return _matching(value, r"[a-z]{2}(-[a-z]+)+-\d", "is no region, like us-east-1")

    @field_validator("table")
    @classmethod
    def _table(cls, value: str) -> str:
        return _matching(value, r"[A-Za-z0-9_.-]{3,255}", "is no table name: 3-255 of A-Z a-z 0-9 _ . -")

    @field_validator("bucket")
    @classmethod
    def _bucket(cls, value: str) -> str:
        return _matching(value, BUCKET_NAME.pattern, "is no bucket name")

    @field_validator("allowed_buckets", mode="before")
    @classmethod
    def _buckets(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        names = frozenset(name.strip() for name in value.split(",") if name.strip())
        for name in sorted(names):
            _matching(name, BUCKET_NAME.pattern, f"holds {name!r}, which is no bucket name")
        return names

    @field_validator("topic_arn")
    @classmethod
    def _topic(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return _matching(value, r"arn:[^:]+:sns:[^:]*:\d{12}:.+", "is no topic ARN, like arn:aws:sns:...")

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


def read_port() -> int:
    """Return the port of the health endpoint alone. Raises ConfigurationError."""
    return HealthSettings.read().port


def variables(settings: type[SpeechSettings] = Settings) -> dict[str, tuple[str, str]]:
    """Return name -> (meaning, default as text, "required" where there is none) of every variable."""
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
    """Spell one fault as `NAME what is wrong`; the variable's value is shown, for none of them is secret."""
    name = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"{name} is required: {variables()[name][0]}"
    reason = str(detail["msg"]).removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    return f"{name}={detail['input']!s} {reason}" if detail["type"] == "value_error" else f"{name}: {reason}"
