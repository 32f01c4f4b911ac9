"""The settings: defaults, validation and error messages."""

import json
from typing import Any

import pytest
import yaml

from stack.config import FARGATE_SIZES, Settings, SettingsError, read_settings

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def read(**settings: Any) -> Settings:
    """Settings from values as Pulumi passes them: strings, with groups as JSON."""
    raw = {
        f"story-tts:{key}": json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in settings.items()
    }
    return read_settings(raw, stack="dev")


def refusal(**settings: Any) -> str:
    """The error message for invalid settings."""
    with pytest.raises(SettingsError) as refused:
        read(**settings)
    return str(refused.value)


def test_defaults_are_those_of_the_earlier_service() -> None:
    """The defaults are the size, count and port of the earlier service."""
    settings = read()
    earlier = {
        "app_name": "story-tts",
        "ecr_repository_name": "story-tts",
        "app_count": 1,
        "cpu": 1024,
        "memory": 2048,
        "app_port": 8000,
    }
    assert earlier == {key: getattr(settings, key) for key in earlier}


@pytest.mark.parametrize(("cpu", "sizes"), FARGATE_SIZES.items())
def test_every_size_that_fargate_has_is_taken(cpu: int, sizes: tuple[int, ...]) -> None:
    """Every size that Fargate offers is accepted, and sizes outside its range are not."""
    for memory in sizes:
        assert (cpu, memory) == (read(cpu=cpu, memory=memory).cpu, memory)
    assert f"story-tts:memory: with {cpu} CPU units" in refusal(cpu=cpu, memory=sizes[0] - 1)
    assert f"story-tts:memory: with {cpu} CPU units" in refusal(cpu=cpu, memory=sizes[-1] + 1024)


def test_fargates_table() -> None:
    """The ends of the table are those of AWS's documentation."""
    ends = {cpu: (sizes[0], sizes[-1]) for cpu, sizes in FARGATE_SIZES.items()}
    assert ends == {
        256: (512, 2048),
        512: (1024, 4096),
        1024: (2048, 8192),
        2048: (4096, 16384),
        4096: (8192, 30720),
        8192: (16384, 61440),
        16384: (32768, 122880),
    }


SCHEDULE = {"cron": "0 7 ? * MON-FRI *", "min_tasks": 1}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:api-AbCdEf"

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"permissions_boundary": "boundary"}, "story-tts:permissions_boundary", "'boundary'"),
    (
        {"scaling": {"schedules": [{**SCHEDULE, "cron": "0 7 * * 1-5"}]}},
        "story-tts:scaling.schedules",
        "0.cron: ",
    ),
    (
        {"scaling": {"schedules": [{**SCHEDULE, "timezone": "Mars/Base"}]}},
        "story-tts:scaling.schedules",
        "0.timezone: this is no time zone",
    ),
    ({"scaling": {"schedules": [{"cron": "0 7 ? * * *"}]}}, "story-tts:scaling.schedules", "0.min_tasks: "),
    ({"scaling": {"schedules": [{**SCHEDULE, "max": 1}]}}, "story-tts:scaling.schedules", "0.max: "),
    (
        {"scaling": {"schedules": [{**SCHEDULE, "min_tasks": 5}]}},
        "story-tts:scaling.max_tasks",
        "below the minimum of a schedule (5)",
    ),
    (
        {"scaling": {"enabled": False, "schedules": [SCHEDULE]}},
        "story-tts:scaling.enabled",
        "without scaling the number of tasks is app_count",
    ),
    ({"worker": {"environment": {"A B": "x"}}}, "story-tts:worker.environment", "A B"),
    ({"worker": {"environment": {"QUEUE_URL": "x"}}}, "story-tts:worker.environment", "sets it itself"),
    ({"worker": {"secrets": {"PORT": SECRET}}}, "story-tts:worker.environment", "sets it itself"),
    ({"worker": {"secrets": {"TOKEN": "hunter2"}}}, "story-tts:worker.secrets", "TOKEN: "),
    (
        {"worker": {"environment": {"TOKEN": "x"}, "secrets": {"TOKEN": SECRET}}},
        "story-tts:worker.secrets",
        "in environment and in secrets",
    ),
    ({"tracing": {"endpoint": "collector:4318"}}, "story-tts:tracing.endpoint", "'collector:4318'"),
    ({"cost": {"vcpu_hour": 0.04}}, "story-tts:cost.gb_hour", "set both or neither"),
    ({"events": {"bus": "no bus"}}, "story-tts:events.bus", "'no bus'"),
    ({"events": {"topic_arn": "jobs.fifo"}}, "story-tts:events.topic_arn", "'jobs.fifo'"),
    ({"tracing": {"cidr": "10.0.0.0/16"}}, "story-tts:tracing.endpoint", "nothing to reach"),
    ({"deployment": {"circuit_breaker": "maybe"}}, "story-tts:deployment.circuit_breaker", "'maybe'"),
    ({"cpu": 1000}, "story-tts:cpu", "not 1000"),
    ({"cpu": "much"}, "story-tts:cpu", "valid integer"),
    ({"memory": 9000}, "story-tts:memory", "not 9000"),
    ({"app_count": -1}, "story-tts:app_count", "greater than or equal to 0"),
    ({"app_port": 80}, "story-tts:app_port", "greater than or equal to 1024"),
    ({"app_name": "Story TTS"}, "story-tts:app_name", "'Story TTS'"),
    ({"ecr_repository_name": "Story"}, "story-tts:ecr_repository_name", "'Story'"),
    ({"app_image_tag": "latest"}, "story-tts:app_image_tag", "a rollback to it is impossible"),
    ({"app_image_tag": "buildcache"}, "story-tts:app_image_tag", "reserved"),
    ({"app_image_tag": "running-x"}, "story-tts:app_image_tag", "reserved"),
    (
        {"app_image_tag": "v2", "image": {"existing_tag": "v1"}},
        "story-tts:app_image_tag",
        "no image is built",
    ),
    (
        {"image": {"existing_tag": "v1", "existing_digest": "sha256:" + "0" * 64}},
        "story-tts:image.existing_digest",
        "remove one",
    ),
    ({"image": {"existing_digest": "sha256:12"}}, "story-tts:image.existing_digest", "'sha256:12'"),
    ({"image": {"platform": "linux/riscv64"}}, "story-tts:image.platform", "'linux/amd64'"),
    ({"image": "v1"}, "story-tts:image", "group of settings"),
    ({"image": {"build_args": ["A"]}}, "story-tts:image.build_args", "valid dictionary"),
    ({"scaling": {"max_tasks": 0}}, "story-tts:scaling.max_tasks", "greater than or equal to 1"),
    ({"app_count": 9}, "story-tts:scaling.max_tasks", "below app_count (9)"),
    ({"scaling": {"idle_minutes": 1}}, "story-tts:scaling.idle_minutes", "greater than or equal to 2"),
    ({"spot": {"fargate_weight": 0}}, "story-tts:spot.fargate_weight", "no task can be placed"),
    ({"deployment": {"strategy": "canary"}}, "story-tts:deployment.strategy", "'rolling' or 'blue_green'"),
    ({"deployment": {"start_period_seconds": 301}}, "story-tts:deployment.start_period_seconds", "300"),
    (
        {"story_infra": {"source": "own"}, "network": {"existing_endpoints": ["s3"]}},
        "story-tts:network.existing_endpoints",
        "has no endpoints",
    ),
    ({"network": {"existing_endpoints": ["s3"]}}, "story-tts:network.endpoints", "only with"),
    ({"network": {"route_table_ids": ["x"]}}, "story-tts:network.route_table_ids", "'x'"),
    (
        {"story_infra": {"source": "own"}, "network": {"endpoints": "existing"}},
        "story-tts:network.endpoints",
        "has no endpoints",
    ),
    ({"story_infra": {"source": "stack"}}, "story-tts:story_infra.stack", "organization/project/stack"),
    (
        {"story_infra": {"source": "stack", "stack": "s3://state"}},
        "story-tts:story_infra.stack",
        "'s3://state'",
    ),
    ({"story_infra": {"source": "ftp"}}, "story-tts:story_infra.source", "'ftp'"),
    ({"features": {"service": False}}, "story-tts:features.service", "creates only the platform"),
    ({"features": {"roles": "none"}}, "story-tts:features.roles", "'none'"),
    ({"monitoring": {"log_retention_days": 31}}, "story-tts:monitoring.log_retention_days", "1, 3, 5"),
    ({"monitoring": {"emails": ["a@b.cd"]}}, "story-tts:monitoring.create_topic", "set create_topic"),
    ({"monitoring": {"create_topic": True, "emails": ["a"]}}, "story-tts:monitoring.emails", "'a'"),
    (
        {"monitoring": {"create_topic": True, "topic_arn": "arn:aws:sns:us-east-1:123456789012:x"}},
        "story-tts:monitoring.create_topic",
        "remove one",
    ),
    ({"storage": {"replica_region": "eu-west-1"}}, "story-tts:storage.versioning", "requires versioning"),
    ({"storage": {"lifecycle": True}}, "story-tts:storage.replace_existing", "all such rules"),
    (
        {"storage": {"versioning": True, "replica_region": "eu-west-1"}},
        "story-tts:storage.replace_existing",
        "all such rules",
    ),
    (
        {
            "story_infra": {"source": "own"},
            "storage": {"versioning": True, "replica_region": "eu-west-1"},
            "encryption": {"key_arn": KEY},
        },
        "story-tts:encryption.replica_key_arn",
        "of the other region",
    ),
    ({"encryption": {"key_arn": "alias/media"}}, "story-tts:encryption.key_arn", "'alias/media'"),
    ({"worker": {"speech_engine": "festival"}}, "story-tts:worker.speech_engine", "'festival'"),
    ({"worker": {"allowed_output_buckets": ["A"]}}, "story-tts:worker.allowed_output_buckets", "'A'"),
]


@pytest.mark.parametrize(
    ("settings", "key", "reason"), REFUSED, ids=[f"{n}-{row[1][10:]}" for n, row in enumerate(REFUSED)]
)
def test_a_bad_value_is_refused_with_the_yaml_to_write(
    settings: dict[str, Any], key: str, reason: str
) -> None:
    """The error names the key and the reason, and shows valid YAML with that key."""
    message = refusal(**settings)
    assert f"{key}: " in message
    assert reason in message
    shown = yaml.safe_load(message.split("Write, for example:\n\n", 1)[1])["config"]
    top, *rest = key.split(".")
    value = shown[top]
    for part in rest:
        value = value[part]
    assert value is not None


@pytest.mark.parametrize(
    ("settings", "named", "meant"),
    [
        ({"memry": 2048}, "story-tts:memry", {"story-tts:memory": 2048}),
        ({"scaling": {"max_taks": 3}}, "story-tts:scaling.max_taks", {"story-tts:scaling": {"max_tasks": 4}}),
        (
            {"image": {"Platform": "linux/arm64"}},
            "story-tts:image.Platform",
            {"story-tts:image": {"platform": "linux/amd64"}},
        ),
        ({"region": "eu-west-1"}, "story-tts:region", {"aws:region": "us-east-1"}),
    ],
)
def test_an_unknown_key_is_an_error_with_the_yaml_to_write(
    settings: dict[str, Any], named: str, meant: dict[str, Any]
) -> None:
    """A misspelt key is an error that shows the closest known key."""
    message = refusal(**settings)
    assert f"{named}: unknown setting; " in message
    assert yaml.safe_load(message.split("Write, for example:\n\n", 1)[1]) == {"config": meant}


def test_a_key_like_no_other_is_an_error_that_lists_what_is_known() -> None:
    """If no known key is close, the error lists the known keys."""
    message = refusal(spot={"xyz": 1})
    assert (
        "story-tts:spot.xyz: unknown setting; known settings: fargate_base, fargate_weight, spot_weight."
        in message
    )
    assert "Remove it" in message


def test_every_fault_is_listed_at_once() -> None:
    """One error lists every fault."""
    message = refusal(app_port=1, memry=1, scaling={"max_tasks": "x"})
    assert [part in message for part in ("app_port", "memry", "scaling.max_tasks")] == [True] * 3


def test_the_message_names_the_file() -> None:
    """The error names the file to edit."""
    assert refusal(cpu=1).startswith("Pulumi.dev.yaml ")


def test_other_namespaces_are_left_alone() -> None:
    """Settings of the provider, such as aws:region, are ignored."""
    assert read_settings({"aws:region": "us-east-1"}, stack="dev") == Settings()


def test_settings_cannot_be_changed() -> None:
    """Settings are immutable."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().cpu = 512


@pytest.mark.parametrize(
    ("settings", "floor"), [({}, 1), ({"app_count": 3}, 3), ({"scaling": {"to_zero": True}}, 0)]
)
def test_the_floor_of_the_autoscaler(settings: dict[str, Any], floor: int) -> None:
    """The minimum is app_count, or 0 with to_zero."""
    assert read(**settings).min_tasks == floor


@pytest.mark.parametrize(
    ("settings", "way"),
    [
        ({}, "existing"),
        ({"story_infra": {"source": "own"}}, "create"),
        ({"story_infra": {"source": "own"}, "network": {"endpoints": "nat"}}, "nat"),
        ({"network": {"endpoints": "create"}}, "create"),
    ],
)
def test_how_tasks_reach_aws(settings: dict[str, Any], way: str) -> None:
    """Endpoints are created for an own platform and expected of an existing one, unless set otherwise."""
    assert read(**settings).endpoints == way


def test_an_own_bucket_has_no_rules_to_lose() -> None:
    """Lifecycle rules of an own bucket need no permission."""
    assert read(story_infra={"source": "own"}, storage={"lifecycle": True}).storage.lifecycle
