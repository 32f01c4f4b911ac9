"""The worker and the stack name the same things: neither can change one without the other."""

import json
import re
from collections.abc import Mapping

import pytest
import typer.main

from app import telemetry
from app.aws.queue import MAX_MESSAGE_BYTES
from app.cli.app import app
from app.healthcheck import HEALTH_PATH
from app.job import SEGMENTS_PREFIX
from app.settings import HealthSettings, Settings, variables
from ops.environment import OPTIONAL_VARIABLES, VARIABLES
from stack import worker_interface as contract
from stack.config import Settings as StackSettings
from stack.service import HEALTH_TIMEOUT_SECONDS, STOP_TIMEOUT_SECONDS
from tests.stack.recording import record
from tests.tree import ROOT

WORKER = {
    "allowed_output_buckets": ["other-media"],
    "allowed_input_buckets": ["texts"],
    "speech_engine": "espeak",
    "voice": "en-us",
}
EVENTS = {"bus": "default", "topic_arn": "arn:aws:sns:us-east-1:123456789012:events"}
EVERYTHING = {"worker": WORKER, "tracing": {"endpoint": "http://collector:4318"}, "events": EVENTS}
EVERYTHING |= {"cost": {"vcpu_hour": 0.04048, "gb_hour": 0.004445}}


def environment(settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """What the deployed task definition tells the worker."""
    return {item["name"]: item["value"] for item in record(settings).container()["environment"]}


def test_the_worker_knows_every_variable_that_it_is_told() -> None:
    """A variable of the task definition that the worker does not read would be told in vain."""
    assert set(environment(EVERYTHING)) - set(variables()) == set()


def test_the_worker_is_told_every_variable_that_it_needs() -> None:
    """Each required variable stands in the task definition."""
    required = {name for name, (_, default) in variables().items() if default == "required"}
    assert required != set()
    assert required - set(environment()) == set()


def test_the_worker_starts_with_what_it_is_told() -> None:
    """The values pass the worker's own validation, and mean what the stack meant."""
    told = environment(EVERYTHING)
    settings = Settings.read(told)
    assert settings.queue_url == told["QUEUE_URL"]
    assert settings.bucket == "story-video-data"
    assert settings.allowed_buckets == frozenset({"other-media"})
    assert settings.allowed_input_buckets == frozenset({"texts"})
    assert settings.port == StackSettings().app_port
    assert settings.stop_timeout_secs == STOP_TIMEOUT_SECONDS
    assert settings.service_name == StackSettings().app_name
    assert settings.otlp_endpoint == "http://collector:4318"
    assert settings.task_hour_price == pytest.approx(0.04937)
    assert {"bus": settings.event_bus, "topic_arn": settings.event_topic_arn} == EVENTS


def test_the_stack_knows_which_variables_are_its_own() -> None:
    """A setting of further variables cannot contradict what the stack sets."""
    assert set(environment(EVERYTHING)) == set(contract.VARIABLES)


def test_the_defaults_agree() -> None:
    """What both have a default for has one default."""
    worker = {name: default.strip("`") for name, (_, default) in variables().items()}
    stack = StackSettings()
    assert worker["PORT"] == str(stack.app_port)
    assert worker["KOKORO_VOICE"] == stack.worker.voice
    assert worker["SPEECH_ENGINE"] == stack.worker.speech_engine
    assert worker["LOG_LEVEL"] == stack.worker.log_level
    assert worker["SERVICE_NAME"] == stack.app_name


def test_make_environment_exports_what_the_commands_read() -> None:
    """Every output that `make environment` reads exists, and every variable that it exports is read."""
    exported = {**VARIABLES, **OPTIONAL_VARIABLES}
    assert set(exported) - set(record().outputs) == set()
    assert set(exported.values()) - set(variables()) == set()
    required = {name for name, (_, default) in variables().items() if default == "required"}
    assert required - set(VARIABLES.values()) == set()


def test_the_commands_exist() -> None:
    """The container's command and health check are commands of story-tts."""
    known = typer.main.get_command(app)
    scripts = re.search(r"\[project\.scripts\]\n([\w-]+) =", (ROOT / "pyproject.toml").read_text())
    assert scripts is not None
    assert contract.ENTRY_POINT == (scripts[1],)
    assert contract.COMMAND[0] in known.commands  # type: ignore[attr-defined]
    assert contract.HEALTH_COMMAND[:2] == ("CMD", scripts[1])
    assert contract.HEALTH_COMMAND[2] in known.commands  # type: ignore[attr-defined]


def test_the_health_check_ends_before_ecs_ends_it() -> None:
    """The command gives up by itself, with its reason, within ECS's timeout."""
    health = typer.main.get_command(app).commands["health"]  # type: ignore[attr-defined]
    (timeout,) = (parameter for parameter in health.params if parameter.name == "timeout")
    assert timeout.default < HEALTH_TIMEOUT_SECONDS


def test_the_health_endpoint_is_where_the_stack_says() -> None:
    """Path and port of /healthz."""
    assert contract.HEALTH_PATH == HEALTH_PATH
    assert HealthSettings.read({}).port == StackSettings().app_port


def test_alarms_and_dashboard_look_at_metrics_that_exist() -> None:
    """Namespace, dimension and every metric's name are the worker's."""
    source = (ROOT / "app" / "telemetry.py").read_text()
    published = set(re.findall(r'"([A-Z][A-Za-z]+)"', source))
    assert contract.METRIC_NAMESPACE == telemetry.NAMESPACE
    assert set(contract.METRICS) - published == set()
    assert f'"{contract.SERVICE_DIMENSION}"' in source


def test_segments_lie_where_the_stack_lets_them_be_deleted() -> None:
    """The prefix of the worker's segments is that of the task role's permission and the lifecycle rule."""
    assert contract.SEGMENTS_PREFIX == SEGMENTS_PREFIX


def test_every_queue_and_topic_takes_the_largest_message() -> None:
    """Own queues, the dead-letter queue and the topic accept messages up to the worker's limit."""
    run = record({"story_infra": {"source": "own"}})
    sizes = [item.inputs.get("maxMessageSize") for item in run.all("aws:sqs/queue:Queue")]
    topic = run.one("aws:sns/topic:Topic", "jobs")
    assert [*sizes, topic.get("maximumMessageSize")] == [MAX_MESSAGE_BYTES] * 3


def test_the_worker_decides_before_the_queue_redrives() -> None:
    """SQS redrives a message only long after the worker's own limit, so an outage moves no job away."""
    run = record({"story_infra": {"source": "own"}})
    redrive = json.loads(run.one("aws:sqs/redrivePolicy:RedrivePolicy")["redrivePolicy"])
    assert redrive["maxReceiveCount"] >= 20 * int(variables()["MAX_RECEIVES"][1].strip("`"))
