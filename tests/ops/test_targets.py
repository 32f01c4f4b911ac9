"""The make targets: the commands that they run, and one clear line for what they need."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tree import ROOT

pytestmark = pytest.mark.slow

TARGETS = ("preview", "up", "deploy", "destroy", "rollback", "push", "outputs", "environment", "info", "logs")
# These read Pulumi's state and never call AWS.
STATE_ONLY = ("outputs", "environment")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with what every machine has, and without Pulumi, Docker and an AWS account."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("make", "bash", "sh", "python3", "awk", "touch", "env", "mkdir", "cat", "chmod"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def script(folder: Path, name: str, body: str) -> None:
    """Put a command on the PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


UP = "up --policy-pack policies --stack"
SET_UP = ("-o", ".venv/.dev-installed", "-o", ".tools/policies/.installed")


def make(tools: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make with that PATH and with an environment that counts as set up."""
    return subprocess.run(
        [str(tools / "make"), *SET_UP, *arguments],
        cwd=ROOT,
        env={"PATH": str(tools), "HOME": str(tools), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a target prints before make adds its own."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture
def account(aws: str) -> dict[str, str]:
    """Variables with which AWS accepts the credentials."""
    return {"AWS_ENDPOINT_URL": aws, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@pytest.fixture
def pulumi_calls(tools: Path) -> Path:
    """A file with the arguments of every call of `pulumi`."""
    notes = tools.parent / "notes"
    script(tools, "pulumi", f'echo "$@" >> "{notes}"')
    return notes


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_target_needs_is_one_line(tools: Path, target: str) -> None:
    """A missing Pulumi CLI, login or AWS account is reported with what to do."""
    arguments = (target, "STACK=staging", "TAG=v1")
    assert "the Pulumi CLI is not on PATH" in complaint(make(tools, *arguments))
    script(tools, "pulumi", "exit 1")
    assert "pulumi login" in complaint(make(tools, *arguments))
    if target not in STATE_ONLY:
        script(tools, "pulumi", "exit 0")
        nobody = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere"}
        assert "AWS does not accept your credentials" in complaint(make(tools, *arguments, **nobody))


def test_docker_is_needed_for_an_image(tools: Path, account: dict[str, str]) -> None:
    """A missing Docker and one without a running daemon are told apart."""
    script(tools, "pulumi", "exit 0")
    for target in ("build", "push"):
        assert "docker is not on PATH" in complaint(make(tools, target, "TAG=v1", **account))
    script(tools, "docker", "exit 1")
    assert "daemon does not answer" in complaint(make(tools, "build"))


@pytest.mark.parametrize("target", ["rollback", "push"])
def test_a_tag_is_asked_for(tools: Path, account: dict[str, str], target: str) -> None:
    """The line shows one."""
    for name in ("pulumi", "docker"):
        script(tools, name, "exit 0")
    assert f"make {target} TAG=v1." in complaint(make(tools, target, **account))


@pytest.mark.parametrize("target", ["destroy", "release"])
@pytest.mark.parametrize("given", [[], ["STACK="]])
def test_a_dangerous_target_has_no_default_stack(
    tools: Path, pulumi_calls: Path, account: dict[str, str], target: str, given: list[str]
) -> None:
    """What deletes, or deploys without asking, needs the name of the stack; nothing runs without it."""
    assert complaint(make(tools, target, *given, **account)) == f"name the stack: make {target} STACK=name"
    assert not pulumi_calls.exists()


def test_destroy_and_up_ask(tools: Path, pulumi_calls: Path, account: dict[str, str]) -> None:
    """Neither confirms by itself or skips its preview; destroy names the stack that was given."""
    for target in ("destroy", "up"):
        assert make(tools, target, "STACK=staging", **account).returncode == 0

    calls = pulumi_calls.read_text().splitlines()
    assert [call for call in calls if call != "whoami"] == ["destroy --stack staging", f"{UP} staging"]


@pytest.mark.parametrize("target", ["preview", "lint"])
def test_a_missing_python_is_one_line(tools: Path, tmp_path: Path, target: str) -> None:
    """Without a suitable Python the line names the versions."""
    script(tools, "pulumi", "exit 0")
    elsewhere = [f"VENV={tmp_path / 'venv'}", "PYTHON=python3.99"]
    assert "story-tts needs Python 3.11 or 3.12" in complaint(make(tools, *elsewhere, target))


def test_a_rollback_sets_the_image_of_the_stack(
    tools: Path, pulumi_calls: Path, account: dict[str, str]
) -> None:
    """The stack's file names the image that runs; settings that would contradict it are removed."""
    done = make(tools, "rollback", "TAG=v1.3.0", "STACK=staging", **account)
    assert done.returncode == 0, done.stderr
    assert pulumi_calls.read_text().splitlines() == [
        "whoami",
        "config rm --stack staging story-tts:app_image_tag",
        "config rm --stack staging --path story-tts:image.existing_digest",
        "config set --stack staging --path story-tts:image.existing_tag v1.3.0",
        f"{UP} staging",
    ]


@pytest.mark.parametrize(
    ("tag", "tag_setting"),
    [
        (["TAG=v1.4.0"], "config set --stack production story-tts:app_image_tag v1.4.0"),
        # Tags are immutable: the registry would refuse other sources under the tag of the last deployment.
        ([], "config rm --stack production story-tts:app_image_tag"),
    ],
)
def test_a_deployment_builds_again(
    tools: Path, pulumi_calls: Path, account: dict[str, str], tag: list[str], tag_setting: str
) -> None:
    """`make deploy` undoes a rollback; without TAG it does not reuse the last one."""
    done = make(tools, "deploy", *tag, **account)
    assert done.returncode == 0, done.stderr
    assert pulumi_calls.read_text().splitlines() == [
        "whoami",
        "config rm --stack production --path story-tts:image.existing_tag",
        "config rm --stack production --path story-tts:image.existing_digest",
        tag_setting,
        f"{UP} production",
    ]


# The Python of a new environment: a copy of itself that prints noise while it installs.
PYTHON = """\
case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cat "$0" > "$3/bin/python" && chmod +x "$3/bin/python" && echo created ;;
  "-m ops environment "*) echo "export QUEUE_URL=here" ;;
  "-m pip "*) echo installing ;;
esac
"""


def test_the_environment_has_export_lines_only(tools: Path, tmp_path: Path) -> None:
    """`eval "$(make environment)"` before any set-up runs nothing but the export lines."""
    script(tools, "pulumi", "exit 0")
    script(tools, "python3.12", PYTHON)
    venv = f"VENV={tmp_path / 'venv'}"
    done = subprocess.run(
        [str(tools / "make"), venv, "PYTHON=python3.12", "environment"],
        cwd=ROOT,
        env={"PATH": str(tools), "HOME": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "export QUEUE_URL=here\n"), done.stderr
    assert "installing requirements/dev.txt" in done.stderr


def test_the_smoke_test_gets_the_environment_of_the_stack(tools: Path, tmp_path: Path) -> None:
    """`make smoke` runs with the variables that `make environment` prints, and not at all without them."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    script(venv / "bin", "python", """echo "export QUEUE_URL='a b' STACK_ARG=$5" """)
    script(venv / "bin", "story-tts", 'echo "$QUEUE_URL, $STACK_ARG: $*"')
    arguments = ("-o", f"{venv}/.dev-installed", f"VENV={venv}", "smoke", "STACK=staging")
    assert make(tools, *arguments).stdout == "a b, staging: smoke --timeout 900\n"

    script(venv / "bin", "python", "echo 'error: no stack' >&2; exit 1")
    assert complaint(make(tools, *arguments)) == "error: no stack"


def test_the_help_groups_targets_without_colours_in_a_pipe(tools: Path) -> None:
    """Targets for users come before those for developers, one line each within 80 columns."""
    shown = make(tools, "help").stdout

    assert "\x1b" not in shown
    assert re.findall(r"^(\w.*)$", shown, re.MULTILINE) == [
        "Narrate on this machine",
        "Deploy and operate",
        "Develop",
        "Measure",
    ]
    assert {*TARGETS, "build", "release", "smoke", "demo", "local", "check", "test", "test-speech"} <= set(
        re.findall(r"^  ([a-z-]+) ", shown, re.MULTILINE)
    )
    assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_the_help_has_colours_in_a_terminal_unless_no_color_is_set(
    tools: Path, no_color: str, coloured: bool
) -> None:
    """https://no-color.org: any value that is not empty switches colours off."""
    leader, follower = os.openpty()
    subprocess.run(
        [str(tools / "make"), "help"],
        cwd=ROOT,
        env={"PATH": str(tools), "NO_COLOR": no_color},
        stdout=follower,
        check=True,
    )
    shown = os.read(leader, 65_536)
    os.close(leader)
    os.close(follower)

    assert (b"\x1b[36m" in shown) == coloured
