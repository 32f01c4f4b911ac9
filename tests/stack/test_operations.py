"""The make targets: what they run, and the one clear line with which they refuse to."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from stack.operations import OperationError, environment, read_outputs
from tests.tree import ROOT

pytestmark = pytest.mark.slow

TARGETS = (
    ["preview"],
    ["up"],
    ["destroy"],
    ["deploy"],
    ["rollback", "TAG=v1"],
    ["push", "TAG=v1"],
    ["outputs"],
    ["environment"],
    ["info"],
    ["logs"],
)
NEED_PULUMI = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[0])
# These read the state alone, and never ask AWS.
STATE_ONLY = ("outputs", "environment")
NEED_AWS = pytest.mark.parametrize(
    "target", [target for target in TARGETS if target[0] not in STATE_ONLY], ids=lambda target: target[0]
)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH that holds what every machine has, and no Pulumi, Docker or cloud account."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "bash", "sh", "python3", "grep", "sort", "awk", "touch", "env"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def script(folder: Path, name: str, body: str) -> None:
    """Put a command on the PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def pulumi_that_notes(folder: Path) -> Path:
    """Put a pulumi on the PATH that writes down its arguments; returns where."""
    notes = folder.parent / "notes"
    script(folder, "pulumi", f'echo "$@" >> "{notes}"')
    return notes


def make(tools: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make with that PATH; the environment is taken as set up, and AWS as knowing us."""
    return subprocess.run(
        # Prerequisites that install would reach for the network; here they are there.
        [str(tools / "make"), "-o", ".venv/.dev-installed", *arguments],
        cwd=ROOT,
        env={"PATH": str(tools), "HOME": str(tools), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a target says before make adds its own."""
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1, done.stderr
    return said[0]


@NEED_PULUMI
def test_a_missing_pulumi_is_said(tools: Path, target: list[str]) -> None:
    """One line that names the tool and where to get it."""
    assert "the Pulumi CLI is not on PATH" in complaint(make(tools, *target))


@NEED_PULUMI
def test_a_missing_login_is_said(tools: Path, target: list[str]) -> None:
    """One line that names the command that logs in."""
    script(tools, "pulumi", "exit 1")
    assert "pulumi login" in complaint(make(tools, *target))


@NEED_AWS
def test_missing_credentials_are_said(tools: Path, target: list[str]) -> None:
    """AWS's refusal in one line, and what to do."""
    script(tools, "pulumi", "exit 0")
    nobody = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere"}
    assert "AWS does not know you" in complaint(make(tools, *target, **nobody))


@pytest.mark.parametrize("target", ["build", "push"])
def test_a_missing_docker_is_said(tools: Path, aws: str, target: str) -> None:
    """An image is built with Docker, and the line says so."""
    script(tools, "pulumi", "exit 0")
    assert "docker is not on PATH" in complaint(make(tools, target, **_account(aws)))


def test_a_push_needs_a_tag(tools: Path, aws: str) -> None:
    """It shows one."""
    script(tools, "pulumi", "exit 0")
    script(tools, "docker", "exit 0")
    assert "make push TAG=" in complaint(make(tools, "push", **_account(aws)))


@pytest.mark.parametrize("target", ["preview", "lint"])
def test_a_missing_python_is_said(tools: Path, tmp_path: Path, target: str) -> None:
    """Where there is no environment and no Python to make one with, the line says which versions will do."""
    elsewhere = [f"VENV={tmp_path / 'venv'}", "PYTHON=python3.99"]
    script(tools, "pulumi", "exit 0")
    assert "story-tts needs Python 3.11 or 3.12" in complaint(make(tools, *elsewhere, target))


def test_a_sleeping_docker_is_said(tools: Path) -> None:
    """The command without its daemon is told apart from no command."""
    script(tools, "docker", "exit 1")
    assert "daemon does not answer" in complaint(make(tools, "build"))


def test_a_rollback_needs_a_tag(tools: Path) -> None:
    """It says how to find one."""
    assert "make rollback TAG=" in complaint(make(tools, "rollback"))


def _account(aws: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": aws, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


def test_a_rollback_names_the_image_in_the_stacks_settings(tools: Path, aws: str) -> None:
    """What runs stands in the stack's file; nothing else is left there to contradict it."""
    notes = pulumi_that_notes(tools)
    done = make(tools, "rollback", "TAG=v1.3.0", "STACK=staging", **_account(aws))
    assert done.returncode == 0, done.stderr
    assert notes.read_text().splitlines() == [
        "whoami",
        "config rm --stack staging story-tts:app_image_tag",
        "config rm --stack staging --path story-tts:image.existing_digest",
        "config set --stack staging --path story-tts:image.existing_tag v1.3.0",
        "up --stack staging",
    ]


def test_a_deployment_takes_a_rollback_back(tools: Path, aws: str) -> None:
    """After `make deploy` the image is built again, under the tag that was asked for."""
    notes = pulumi_that_notes(tools)
    done = make(tools, "deploy", "TAG=v1.4.0", **_account(aws))
    assert done.returncode == 0, done.stderr
    assert notes.read_text().splitlines() == [
        "whoami",
        "config rm --stack production --path story-tts:image.existing_tag",
        "config rm --stack production --path story-tts:image.existing_digest",
        "config set --stack production story-tts:app_image_tag v1.4.0",
        "up --stack production",
    ]


def test_a_deployment_without_a_tag_leaves_the_last_ones_tag(tools: Path, aws: str) -> None:
    """Tags do not move: the registry would refuse other sources under the last deployment's tag."""
    notes = pulumi_that_notes(tools)
    done = make(tools, "deploy", **_account(aws))
    assert done.returncode == 0, done.stderr
    assert notes.read_text().splitlines()[-2:] == [
        "config rm --stack production story-tts:app_image_tag",
        "up --stack production",
    ]


def test_every_target_is_in_the_help(tools: Path) -> None:
    """`make help` lists what an operator can ask for, a line each."""
    shown = {line.split()[0] for line in make(tools, "help").stdout.replace("\x1b[36m", "").splitlines()}
    targets = {
        "preview",
        "up",
        "destroy",
        "build",
        "push",
        "deploy",
        "rollback",
        "info",
        "logs",
        "lint",
        "outputs",
    }
    assert {name.removesuffix("\x1b[0m") for name in shown} >= targets


def test_destroy_asks(tools: Path, aws: str) -> None:
    """Neither destroy nor up says yes by itself, and destroy shows its preview."""
    notes = pulumi_that_notes(tools)
    for target in ("destroy", "up"):
        assert make(tools, target, **_account(aws)).returncode == 0
    assert [
        line for line in notes.read_text().splitlines() if "--yes" in line or "--skip-preview" in line
    ] == []


@pytest.fixture
def outputs_of(tools: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pulumi on the PATH of this process that prints the file it is pointed at."""
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    shown = tools.parent / "outputs.json"
    script(tools, "pulumi", f'cat "{shown}"')
    return shown


def test_outputs_are_read_from_pulumi(outputs_of: Path) -> None:
    """As the CLI prints them."""
    outputs_of.write_text(json.dumps({"service_name": "story-tts-service"}))
    assert read_outputs("production") == {"service_name": "story-tts-service"}


def test_the_environment_is_a_shells(outputs_of: Path) -> None:
    """What a shell evaluates points `story-tts` at the stack; what the stack has not is left unset."""
    outputs_of.write_text(
        json.dumps(
            {"service_name": "s", "region": "us-east-1", "queue_url": "https://q/a b", "topic_arn": None}
        )
    )
    assert list(environment(read_outputs("production"))) == [
        "export AWS_REGION=us-east-1",
        "export QUEUE_URL='https://q/a b'",
    ]


def test_a_stack_that_is_not_up_is_said(outputs_of: Path) -> None:
    """Without a service there is nothing to tell, and the line says what to run."""
    outputs_of.write_text("{}")
    with pytest.raises(OperationError, match="make up STACK=staging"):
        read_outputs("staging")


def test_an_unknown_stack_is_said(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pulumi's own last line is passed on."""
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    script(tools, "pulumi", "echo 'error: no stack named nowhere found' >&2; exit 255")
    with pytest.raises(OperationError, match="no stack named nowhere found"):
        read_outputs("nowhere")
