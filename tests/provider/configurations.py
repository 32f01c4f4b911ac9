"""The configurations of the stack that go through the provider, and how they differ from the first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OWN = {"source": "own"}


@dataclass(frozen=True)
class Configuration:
    """Settings of the stack, and of a change that touches resources in place."""

    settings: Mapping[str, Any]
    change: Mapping[str, Any]
    """Settings to replace; None leaves a setting out."""
    own_platform: bool = False


def _of(change: Mapping[str, Any] | None = None, /, **settings: Any) -> Configuration:
    features = {"protect": False, **settings.pop("features", {})}
    own = settings.get("story_infra") == OWN
    return Configuration({**settings, "features": features}, change or {}, own)


# Another environment changes a tag of everything that has tags.
STAGING = {"environment": "staging"}
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
MORNING = {"cron": "0 8 ? * MON-FRI *", "timezone": "Europe/Berlin", "min_tasks": 1}
EVENING = {"cron": "0 20 ? * MON-FRI *", "timezone": "Europe/Berlin", "min_tasks": 0}

CONFIGURATIONS: Mapping[str, Configuration] = {
    "own-platform": _of(
        {
            **STAGING,
            "monitoring": {"create_topic": True, "emails": ["b@example.com"], "log_retention_days": 7},
        },
        story_infra=OWN,
        monitoring={"create_topic": True, "emails": ["a@example.com"]},
    ),
    "existing-platform": _of({**STAGING, "cpu": 2048, "memory": 4096}),
    "blue-green": _of(
        {
            "deployment": {"strategy": "blue_green", "bake_minutes": 10},
            "permissions_boundary": BOUNDARY,
        },
        deployment={"strategy": "blue_green"},
    ),
    "spot": _of(
        {"spot": {"spot_weight": 3}}, story_infra=OWN, spot={"spot_weight": 1}, network={"endpoints": "nat"}
    ),
    "to-zero": _of(
        {"scaling": {"to_zero": True, "max_tasks": 6, "schedules": [{**MORNING, "min_tasks": 2}]}},
        scaling={"to_zero": True, "schedules": [MORNING, EVENING]},
    ),
    "replication": _of(
        {**STAGING, "features": {"protect": False}},
        story_infra=OWN,
        features={"protect": True},
        storage={
            "versioning": True,
            "lifecycle": True,
            "replace_existing": True,
            "replica_region": "eu-west-1",
        },
    ),
    "exec": _of(
        {"features": {"protect": False, "exec": False}, "permissions_boundary": None},
        permissions_boundary=BOUNDARY,
        features={"exec": True},
        network={"endpoints": "create"},
    ),
}
