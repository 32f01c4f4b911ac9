"""The steps by hand: whoever lacks something is told what, in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ops.workflows import runner_environment
from tests.tree import ROOT


def step(*words: str, **environment: str) -> tuple[int, str]:
    """Take a step on a machine that has Python, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=environment.pop("cwd", str(ROOT)),
        env=runner_environment(PYTHONPATH=str(ROOT), **environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


NO_PULUMI = "error: the Pulumi CLI is not on PATH: www.pulumi.com/docs/iac/download-install\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("same-image", "--stack", "production"), NO_PULUMI),
        (("release", "--stack", "production"), NO_PULUMI),
        (("scan", "--stack", "production"), NO_PULUMI),
        (("release", "--stack", "nope"), "error: there is no Pulumi.nope.yaml"),
        (
            ("release", "--stack", "production", "--image", "a b"),
            "error: the image is neither a tag nor",
        ),
        (("comment",), "error: there is no out/preview/comment.md"),
        (("verdict",), "error: out/preview holds no preview"),
        (("drift-issue",), "error: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN not set"),
        (("roles", "--repository", "acme", "--state-bucket", "b"), "error: acme is no repository"),
    ],
)
def test_what_is_missing_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """No step ends in a trace because a tool, a file or a variable is not there."""
    (tmp_path / "Pulumi.production.yaml").write_text((ROOT / "Pulumi.production.yaml").read_text())

    code, told = step(*words, cwd=str(tmp_path), PATH="/nonexistent")

    assert (code, told.count("\n"), told[: len(said)]) == (1, 1, said)
