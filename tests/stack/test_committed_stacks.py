"""The committed stacks: their settings are valid, and they can share an account."""

import json
from typing import Any

import pytest
import yaml
from pydantic.fields import FieldInfo

from stack.config import Group, Settings, read_settings
from tests.stack.recording import STACK_SOURCE, record
from tests.tree import ROOT

STACKS = ("production", "staging", "local")


def configuration(stack: str) -> dict[str, Any]:
    """The configuration of a committed stack."""
    return dict(yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"])


def settings_of(stack: str) -> Settings:
    """Its settings, read as the program reads them."""
    raw = {
        key: json.dumps(value) if isinstance(value, dict) else str(value)
        for key, value in configuration(stack).items()
    }
    return read_settings(raw, stack=stack)


@pytest.mark.parametrize("stack", STACKS)
def test_a_committed_stack_is_valid(stack: str) -> None:
    """The settings are valid, and name the stack's own environment."""
    assert settings_of(stack).environment == stack


@pytest.mark.parametrize("stack", STACKS)
def test_the_program_runs_with_its_settings(stack: str) -> None:
    """The program runs with the committed settings; recorded platform outputs replace the Terraform state."""
    groups = settings_of(stack).model_dump(mode="json", exclude_unset=True)
    if groups["story_infra"]["source"] == "s3":
        groups["story_infra"] = STACK_SOURCE
    run = record(groups)
    assert run.outputs["service_name"] == f"{settings_of(stack).app_name}-service"


def test_staging_stands_beside_production() -> None:
    """Production and staging create no resource of the same name, and share the image repository."""

    def names(stack: str) -> set[tuple[str, str]]:
        groups = settings_of(stack).model_dump(mode="json", exclude_unset=True)
        run = record({**groups, **({"story_infra": STACK_SOURCE} if stack == "production" else {})})
        return {
            (item.type, str(item.inputs["name"]))
            for item in run.resources
            if "name" in item.inputs and item.type != "aws:iam/rolePolicy:RolePolicy"
        }

    assert names("production") & names("staging") == set()
    assert settings_of("production").ecr_repository_name == settings_of("staging").ecr_repository_name


def test_a_stranger_can_deploy_staging() -> None:
    """Staging needs no platform: it creates one. Production reads story-infra's."""
    assert [settings_of(stack).story_infra.source for stack in ("staging", "production")] == ["own", "s3"]


def test_the_local_stack_stays_on_this_machine() -> None:
    """The local stack sets a loopback endpoint for every service that the program uses."""
    (endpoints,) = configuration("local")["aws:endpoints"]
    assert {address for address in endpoints.values() if not address.startswith("http://127.0.0.1:")} == set()
    groups = settings_of("local").model_dump(mode="json", exclude_unset=True)
    modules = {
        item.type.split(":")[1].split("/")[0]
        for item in record(groups).resources
        if item.type.startswith("aws:")
    }
    renamed = {"vpc": "ec2", "appautoscaling": "applicationautoscaling"}
    assert {renamed.get(name, name) for name in modules} - {"cloudwatch"} <= set(endpoints)
    assert {"cloudwatch", "logs", "sts"} <= set(endpoints)


def test_the_project_runs_this_program() -> None:
    """Pulumi.yaml names the package and the virtual environment that `make setup` creates."""
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert (project["name"], project["main"]) == ("story-tts", "stack")
    assert project["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}


def test_the_project_describes_the_settings() -> None:
    """Pulumi.yaml lists every setting and group that has a default, with the description of the code."""

    def described(field: FieldInfo) -> dict[str, Any]:
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            return {"description": field.annotation.__doc__, "default": {}}
        return {"description": field.description, "default": field.default}

    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    assert project["config"] == {
        name: described(field) for name, field in Settings.model_fields.items() if field.default is not None
    }
