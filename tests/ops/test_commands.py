"""`python -m ops`: the outputs of a stack, and one line for everything that is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.environment import export_lines
from ops.errors import OpsError
from ops.pulumi import Stack
from tests.tree import ROOT

OUTPUTS = {
    "service_name": "s",
    "region": "us-east-1",
    "queue_url": "https://q/a b",
    "table_name": "tasks",
    "bucket_name": "media",
    "dead_letter_queue_url": "https://q/dead",
    "topic_arn": None,
}
NO_PULUMI = "error: the Pulumi CLI is not on PATH: https://www.pulumi.com/docs/iac/download-install/\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("same-image --stack production", NO_PULUMI),
        ("release --stack production", NO_PULUMI),
        ("drift --stack production", NO_PULUMI),
        ("scan --stack production", NO_PULUMI),
        ("info --stack production", NO_PULUMI),
        ("release --stack nope", "error: there is no Pulumi.nope.yaml"),
        ("release --stack production --image a/b", "error: IMAGE is neither a tag nor a digest"),
        ("preview-page", "error: out/preview has no preview"),
        ("roles --repository acme --state-bucket b", "error: acme is not a repository"),
        ("roles --repository a/b --state-bucket=", "error: no bucket of Pulumi's state"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path: Path, words: str, message: str) -> None:
    """No command ends in a stack trace because a tool, a file or a variable is missing."""
    (tmp_path / "Pulumi.production.yaml").write_text((ROOT / "Pulumi.production.yaml").read_text())
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words.split()],
        cwd=tmp_path,
        env={"PATH": "/nonexistent", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(message)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "there is no out/preview/comment.md"),
        ({"FILE": "1"}, "PULL_REQUEST must be the number of a pull request"),
        (
            {"FILE": "1", "PULL_REQUEST": "7", "GITHUB_TOKEN": "t"},
            "GITHUB_API_URL, GITHUB_REPOSITORY not set",
        ),
    ],
)
def test_the_comment_needs_no_installed_package(
    tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    """What may write to the repository runs on the standard library alone, and names what is missing."""
    if environment.pop("FILE", None):
        (tmp_path / "out/preview").mkdir(parents=True)
        (tmp_path / "out/preview/comment.md").write_text("text")
    done = subprocess.run(
        # -S leaves out site-packages.
        [sys.executable, "-S", "-m", "ops", "preview-comment"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (1, True, 1), done.stderr


def pulumi_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a `pulumi` on PATH that runs `script`."""
    file = tmp_path / "pulumi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_outputs_include_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI is asked for secrets too, for one stack, without prompts."""
    pulumi_that(tmp_path, monkeypatch, f"echo \"$@\" > '{tmp_path}/notes'; echo '{json.dumps(OUTPUTS)}'")

    assert Stack("staging").service_outputs() == OUTPUTS
    assert {"--show-secrets", "--stack", "staging", "--non-interactive"} <= set(
        (tmp_path / "notes").read_text().split()
    )


def test_the_environment_is_quoted_for_a_shell() -> None:
    """Every variable is exported; one that the stack does not have is emptied."""
    assert list(export_lines(OUTPUTS, stack="production")) == [
        "export AWS_REGION=us-east-1",
        "export QUEUE_URL='https://q/a b'",
        "export DYNAMODB_TABLE=tasks",
        "export OUTPUT_BUCKET=media",
        "export DEAD_LETTER_QUEUE_URL=https://q/dead",
        "export SNS_TOPIC_ARN=''",
    ]


def test_all_missing_outputs_are_named() -> None:
    """A stack without queue and bucket is reported in one line."""
    with pytest.raises(
        OpsError, match="stack ground has no output queue_url, bucket_name: run `make up STACK="
    ):
        list(export_lines({**OUTPUTS, "queue_url": "", "bucket_name": None}, stack="ground"))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo '{}'", "stack live does not run the service: run `make up STACK=live`"),
        ("echo 'error: no stack named live found' >&2; exit 255", "does not run the service"),
        ("echo 'error: PULUMI_ACCESS_TOKEN must be set' >&2; exit 255", "Pulumi is not logged in"),
        (
            "echo 'warning: w' >&2; echo 'error: passphrase' >&2; exit 255",
            "outputs of stack live: error: passphrase$",
        ),
    ],
)
def test_outputs_that_cannot_be_read_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    """The message says whether the stack, the service or the login is missing."""
    pulumi_that(tmp_path, monkeypatch, script)

    with pytest.raises(OpsError, match=message):
        Stack("live").service_outputs()


def test_the_drift_check_refreshes_and_expects_no_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi compares the cloud itself with the program, and its exit code decides."""
    pulumi_that(tmp_path, monkeypatch, f"echo \"$@\" > '{tmp_path}/notes'; exit 1")

    with pytest.raises(OpsError, match="stack staging and the cloud differ"):
        Stack("staging", folder=ROOT).check_drift("v1")
    assert " preview --refresh --expect-no-changes " in (tmp_path / "notes").read_text()
