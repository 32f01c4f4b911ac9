"""The stack's settings: typed, validated as a whole, with errors that show the YAML to write."""

from stack.config.groups import (
    DeploymentSettings,
    EncryptionSettings,
    Group,
    ImageSettings,
    MonitoringSettings,
    NetworkSettings,
    ScalingSettings,
    Schedule,
    SpotSettings,
    StorageSettings,
    StoryInfraSettings,
    TracingSettings,
)
from stack.config.prices import task_hour_price
from stack.config.reading import SettingsError, read_settings, setting_error
from stack.config.settings import FARGATE_SIZES, Settings

__all__ = [
    "FARGATE_SIZES",
    "DeploymentSettings",
    "EncryptionSettings",
    "Group",
    "ImageSettings",
    "MonitoringSettings",
    "NetworkSettings",
    "ScalingSettings",
    "Schedule",
    "Settings",
    "SettingsError",
    "SpotSettings",
    "StorageSettings",
    "StoryInfraSettings",
    "TracingSettings",
    "read_settings",
    "setting_error",
    "task_hour_price",
]
