"""Every setting changes what the program declares."""

from functools import cache
from typing import Any

import pulumi
import pytest

from stack.config import StoryInfraSettings
from tests.stack.recording import record
from tests.stack.test_program import KEY, VARIANTS
from tools.stack_settings import leaves

PRICES = {"vcpu_hour": 0.04048, "gb_hour": 0.004445}
# A value that is not the default, for each setting; with the others that it needs.
OTHERS: dict[str, dict[str, Any]] = {
    "environment": {"environment": "other"},
    "app_name": {"app_name": "other"},
    "ecr_repository_name": {"ecr_repository_name": "other"},
    "app_image_tag": {"app_image_tag": "v9"},
    "app_count": {"app_count": 2},
    "paused": {"paused": True},
    "cpu": {"cpu": 512},
    "memory": {"memory": 4096},
    "app_port": {"app_port": 9000},
    "story_infra.source": {"story_infra": {"source": "own"}},
    "image.platform": {"image": {"platform": "linux/arm64"}},
    "image.existing_tag": {"image": {"existing_tag": "v1"}},
    "image.existing_digest": {"image": {"existing_digest": "sha256:" + "1" * 64}},
    "image.repository": {"image": {"repository": "existing"}},
    "image.dockerfile": {"image": {"dockerfile": "other/Dockerfile"}},
    "image.build_args": {"image": {"build_args": {"A": "b"}}},
    "image.build_on_preview": {"image": {"build_on_preview": False}},
    "image.cache": {"image": {"cache": False}},
    "image.compression": {"image": {"compression": "gzip"}},
    "scaling.enabled": {"scaling": {"enabled": False}},
    "scaling.to_zero": {"scaling": {"to_zero": True}},
    "scaling.max_tasks": {"scaling": {"max_tasks": 9}},
    "scaling.backlog_per_task": {"scaling": {"backlog_per_task": 9}},
    "scaling.scale_out_cooldown_seconds": {"scaling": {"scale_out_cooldown_seconds": 60}},
    "scaling.scale_in_cooldown_seconds": {"scaling": {"scale_in_cooldown_seconds": 60}},
    "scaling.idle_minutes": {"scaling": {"idle_minutes": 3}},
    "spot.spot_weight": {"spot": {"spot_weight": 1}},
    "spot.fargate_weight": {"spot": {"spot_weight": 1, "fargate_weight": 2}},
    "spot.fargate_base": {"spot": {"spot_weight": 1, "fargate_base": 1}},
    "deployment.strategy": {"deployment": {"strategy": "blue_green"}},
    "deployment.bake_minutes": {"deployment": {"strategy": "blue_green", "bake_minutes": 9}},
    "deployment.wait_for_steady_state": {"deployment": {"wait_for_steady_state": False}},
    "deployment.roll_back_on_alarms": {"deployment": {"roll_back_on_alarms": False}},
    "deployment.start_period_seconds": {"deployment": {"start_period_seconds": 60}},
    "network.endpoints": {"network": {"endpoints": "create"}},
    "network.existing_endpoints": {"network": {"endpoints": "create", "existing_endpoints": ["sqs"]}},
    "network.route_table_ids": {"network": {"endpoints": "create", "route_table_ids": ["rtb-09"]}},
    "monitoring.topic_arn": {"monitoring": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:on-call"}},
    "monitoring.create_topic": {"monitoring": {"create_topic": True}},
    "monitoring.emails": {"monitoring": {"create_topic": True, "emails": ["a@example.com"]}},
    "monitoring.log_retention_days": {"monitoring": {"log_retention_days": 7}},
    "monitoring.oldest_message_minutes": {"monitoring": {"oldest_message_minutes": 9}},
    "monitoring.failed_jobs": {"monitoring": {"failed_jobs": 9}},
    "monitoring.memory_percent": {"monitoring": {"memory_percent": 80}},
    "storage.versioning": {"storage": {"versioning": True}},
    "storage.lifecycle": {"storage": {"lifecycle": True, "replace_existing": True}},
    "storage.noncurrent_days": {
        "storage": {"lifecycle": True, "replace_existing": True, "noncurrent_days": 9}
    },
    "storage.incomplete_upload_days": {
        "storage": {"lifecycle": True, "replace_existing": True, "incomplete_upload_days": 9}
    },
    "storage.replica_bucket": {
        "storage": {
            "versioning": True,
            "replica_region": "eu-west-1",
            "replace_existing": True,
            "replica_bucket": "other-replica",
        }
    },
    "storage.replica_region": {
        "storage": {"versioning": True, "replica_region": "eu-west-1", "replace_existing": True}
    },
    "encryption.key_arn": {"encryption": {"key_arn": KEY}},
    "encryption.platform_key_arns": {"encryption": {"platform_key_arns": [KEY]}},
    "encryption.replica_key_arn": {
        "storage": {"versioning": True, "replica_region": "eu-west-1", "replace_existing": True},
        "encryption": {"replica_key_arn": KEY},
    },
    "deployment.timeout_minutes": {"deployment": {"timeout_minutes": 60}},
    "worker.speech_engine": {"worker": {"speech_engine": "espeak"}},
    "worker.voice": {"worker": {"voice": "bf_emma"}},
    "worker.log_level": {"worker": {"log_level": "DEBUG"}},
    "worker.allowed_output_buckets": {"worker": {"allowed_output_buckets": ["other-media"]}},
    "worker.environment": {"worker": {"environment": {"READING_SPEED": "17"}}},
    "worker.secrets": {"worker": {"secrets": VARIANTS["secrets"]["worker"]["secrets"]}},
    "worker.secret_key_arns": {
        "worker": {"secrets": VARIANTS["secrets"]["worker"]["secrets"], "secret_key_arns": [KEY]}
    },
    "permissions_boundary": VARIANTS["bounded"],
    "scaling.schedules": {"scaling": {"schedules": VARIANTS["scheduled"]["scaling"]["schedules"]}},
    "deployment.roll_back_alarms": {"deployment": {"roll_back_alarms": ["story-service-errors"]}},
    "deployment.circuit_breaker": {"deployment": {"circuit_breaker": "stop"}},
    "tracing.endpoint": {"tracing": {"endpoint": "http://collector.internal:4318"}},
    "tracing.cidr": VARIANTS["traced"],
    "cost.vcpu_hour": {"cost": PRICES},
    "cost.gb_hour": {"cost": PRICES | {"gb_hour": 0.01}},
    "cost.spot_discount": {"cost": PRICES | {"spot_discount": 0.7}, "spot": {"spot_weight": 1}},
    "events.bus": {"events": {"bus": "default"}},
    "events.topic_arn": {"events": {"topic_arn": "arn:aws:sns:us-east-1:123456789012:events"}},
    "worker.allowed_input_buckets": {"worker": {"allowed_input_buckets": ["other-stories"]}},
    "features.service": {"story_infra": {"source": "own"}, "features": {"service": False}},
    "features.exec": {"features": {"exec": True}},
    "features.roles": {"features": {"roles": "story_infra"}},
    "features.protect": {"features": {"protect": False}},
}
# Where an effect shows only beside another setting, that setting's own variant is what it differs from.
BESIDE: dict[str, str] = {
    "cost.gb_hour": "cost.vcpu_hour",
    "spot.fargate_weight": "spot.spot_weight",
    "spot.fargate_base": "spot.spot_weight",
    "deployment.bake_minutes": "deployment.strategy",
    "network.route_table_ids": "network.endpoints",
    "network.existing_endpoints": "network.endpoints",
    "monitoring.emails": "monitoring.create_topic",
    "worker.secret_key_arns": "worker.secrets",
    "tracing.cidr": "tracing.endpoint",
    "storage.noncurrent_days": "storage.lifecycle",
    "storage.incomplete_upload_days": "storage.lifecycle",
    "storage.replica_region": "storage.versioning",
    "storage.replica_bucket": "storage.replica_region",
    "encryption.replica_key_arn": "storage.replica_region",
    "features.service": "story_infra.source",
}
# These say where the foundation is: test_platform_outputs.py and test_foundation.py try them.
# Permission only: test_config.py tries what it permits.
PERMITTING = {"storage.replace_existing"}
WHERE = {f"story_infra.{name}" for name in StoryInfraSettings.model_fields if name != "source"}


@cache
def declared(setting: str | None) -> dict[str, tuple[Any, ...]]:
    """Resource -> inputs and protection."""
    run = record(OTHERS[setting] if setting else {})
    options = {f"{item.type} {item.name}": item for item in run.resources}
    return {
        name: (
            item.inputs,
            run.options[name].protect,
            run.options[name].retain_on_delete,
            vars(run.options[name].custom_timeouts or pulumi.CustomTimeouts()),
        )
        for name, item in options.items()
        if item.custom
    }


@pytest.mark.slow
@pytest.mark.parametrize("setting", OTHERS)
def test_every_setting_has_an_effect(setting: str) -> None:
    """Every setting changes what is declared."""
    assert declared(setting) != declared(BESIDE.get(setting))


def test_no_setting_is_left_untried() -> None:
    """The list above covers every setting."""
    assert set(OTHERS) | WHERE | PERMITTING == {path for path, _ in leaves()}
