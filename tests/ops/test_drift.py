"""The drift issue, from its beginning to its end, told from what the check saved."""

import subprocess
import sys
from pathlib import Path

import pytest

from ops.changes import Change, Value
from ops.report import Report
from tests.ops.github_server import PERSON, TOKEN, GitHubServer
from tests.ops.workflows import runner_environment
from tests.tree import ROOT

ISSUES = "/repos/acme/story-tts/issues"


def drifted(retention: int) -> Change:
    """Return a queue that somebody changed by hand."""
    value = Value("messageRetentionSeconds", str(retention), "1209600")
    return Change("update", "aws:sqs:Queue", "dead-letters", (value.path,), (value,))


def told(github: GitHubServer, folder: Path, *reports: Report) -> list[tuple[str, str]]:
    """Save these, take both steps behind the check, and return what was written to GitHub."""
    before = len(github.writes)
    for report in reports:
        report.save(folder)
    for step in ("drift-page", "drift-issue"):
        subprocess.run(
            [sys.executable, "-m", "ops", step, "--folder", str(folder)],
            cwd=ROOT,
            env=runner_environment(GITHUB_TOKEN=TOKEN, **github.environment()),
            check=True,
            capture_output=True,
        )
    return github.writes[before:]


def test_drift_is_one_issue_from_its_beginning_to_its_end(github: GitHubServer, tmp_path: Path) -> None:
    """Nothing is opened without drift; one issue is opened, left alone, brought up to date, and closed."""
    github.add_issue("A person's copy", "<!-- story-tts: drift -->\n", PERSON)

    assert told(github, tmp_path, Report("staging"), Report("production")) == []
    assert told(github, tmp_path, Report("production", [drifted(3600)])) == [("POST", ISSUES)]
    assert told(github, tmp_path) == []
    assert told(github, tmp_path, Report("production", [drifted(7200)])) == [("PATCH", f"{ISSUES}/2")]
    assert told(github, tmp_path, Report("production")) == [
        ("POST", f"{ISSUES}/2/comments"),
        ("PATCH", f"{ISSUES}/2"),
    ]
    assert [issue["state"] for issue in github.issues] == ["open", "closed"]


def test_a_check_that_failed_is_no_agreement(github: GitHubServer, tmp_path: Path) -> None:
    """A preview that could not be made keeps the issue open, and says why."""
    assert told(github, tmp_path, Report("production", error="error: no credentials")) == [("POST", ISSUES)]
    assert "no credentials" in github.issues[0]["body"]


def test_no_report_at_all_fails(tmp_path: Path) -> None:
    """A check that saved nothing compared nothing: it must not close the issue."""
    with pytest.raises(subprocess.CalledProcessError):
        told(GitHubServer(), tmp_path)
