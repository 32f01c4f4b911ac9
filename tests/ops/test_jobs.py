"""The jobs of the workflows, run: real make, real Pulumi engine, a worker; AWS and GitHub on loopback."""

import re
from contextlib import nullcontext
from typing import Any

import pytest

from tests.e2e.platform import client
from tests.ops.advisories import advisories
from tests.ops.conftest import Account
from tests.ops.github_server import BOT, PERSON, GitHubServer
from tests.ops.workflows import Ran, run_steps, workflow
from tests.tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


# What the CI script of this repository runs as it stands; no need to run it a second time.
CI = set(re.findall(r"^(make .+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
JOBS = list(dict.fromkeys((step.workflow, step.job) for step in run_steps() if step.run not in CI))
WORKERS = {"smoke": "story-tts-staging-service", "production": "story-tts-service"}


def see_executed(account: Account, file: str, job: str) -> None:
    """Run a job in its good case, after those that it needs, unless every step of it ended well before."""
    steps = {step for step in run_steps() if (step.workflow, step.job) == (file, job)}
    if steps <= account.runner.executed:
        return
    named = workflow(file)["jobs"][job].get("needs", [])
    needs: dict[str, Any] = {}
    for needed in [named] if isinstance(named, str) else named:
        see_executed(account, file, needed)
        digest = account.outputs("staging").get("image_digest", "") if needed == "staging" else ""
        needs[needed] = {"outputs": {"digest": digest}}
    with account.working(WORKERS[job]) if job in WORKERS else nullcontext():
        ran = account.run(file, job, needs=needs, inputs={})
    assert steps <= account.runner.executed, ran.log


def previewed(account: Account) -> Ran:
    """Run the job that previews."""
    return account.run("pulumi.yml", "preview")


def commented(account: Account, github: GitHubServer) -> Ran:
    """Run the job that comments."""
    account.runner.environment |= github.environment()
    return account.run("pulumi.yml", "comment")


def test_a_preview_becomes_one_comment_that_is_kept_up_to_date(
    account: Account, github: GitHubServer
) -> None:
    """A change is told resource by resource, nothing secret in it; the next push rewrites the comment."""
    github.add_comment(7, "<!-- story-tts: preview -->\nmine", PERSON)
    github.add_comment(7, "<!-- story-tts: preview -->\nof the push before", BOT)
    account.settings("production", memory=4096, monitoring={"create_topic": False})
    first = previewed(account)
    account.settings("production")
    assert first.succeeded, first.log
    assert commented(account, github).succeeded

    theirs, ours = github.comments
    assert theirs["body"].endswith("mine")
    assert ours["body"] == f"<!-- story-tts: preview -->\n{first.summary.rstrip()}"
    assert "### `production`: 1 to delete, 1 to replace, 6 to update" in first.summary
    assert "| ± replace | `aws:ecs:TaskDefinition` **task** | `memory` |" in first.summary
    assert '- memory: "2048"\n+ memory: "4096"' in first.summary
    assert "| - delete | `aws:sns:Topic` **alarm-topic** |" in first.summary
    assert "Policies: all" in first.summary
    assert "at `0123456789ab`" in first.summary
    # The registry's login, which the image's resource holds; what only outputs hold.
    assert "auth-token" not in first.summary
    assert "contextHash" not in first.summary


def test_a_broken_rule_and_a_broken_program_are_told_and_fail(account: Account, github: GitHubServer) -> None:
    """The comment says what is wrong, the check is red; the other stack's preview is there all the same."""
    account.settings("production", ecr_repository_name="another")
    account.settings("staging", memroy=4096)
    ran = previewed(account)
    told = commented(account, github)
    account.settings("production")
    account.settings("staging")

    (comment,) = github.comments
    assert (ran.succeeded, told.succeeded) == (False, True)
    assert "### `staging`: the preview failed" in comment["body"]
    assert "story-tts:memroy: no such setting" in comment["body"]
    assert "❌ **data stays**: `aws:ecr/repository:Repository repository`" in comment["body"]
    assert "::error::the preview of staging failed" in ran.log
    assert "::error::data stays: aws:ecr/repository:Repository repository" in ran.log


def test_main_goes_through_staging_and_smoke_to_production_by_one_digest(account: Account) -> None:
    """Staging builds, a real story passes through it, production runs the very digest; all is told."""
    staging = account.run("deploy.yml", "staging", inputs={})
    assert staging.succeeded, staging.log
    digest = staging.outputs["release"]["digest"]
    needs = {"staging": {"outputs": {"digest": digest}}}
    with account.working("story-tts-staging-service"):
        smoke = account.run("deploy.yml", "smoke", needs=needs)
    assert smoke.succeeded, smoke.log
    with account.working("story-tts-service"):
        production = account.run("deploy.yml", "production", needs=needs, inputs={})
    assert production.succeeded, production.log

    assert account.outputs("production")["image_digest"] == digest
    assert account.outputs("staging")["image_digest"] == digest
    assert "real-time factor" in smoke.log
    assert "real-time factor" in production.log
    for ran in (staging, production):
        assert digest in ran.summary
        assert f"**Scan** of `{digest}`: 1 high" in ran.summary


def test_an_earlier_image_is_rolled_back_to_by_its_tag(account: Account) -> None:
    """By hand, with a tag and without staging: production runs the image that has the tag."""
    tag = account.outputs("production")["image_tag"]
    with account.working("story-tts-service"):
        rolled = account.run(
            "deploy.yml", "production", needs={"staging": {"result": "skipped"}}, inputs={"image": tag}
        )

    assert rolled.succeeded, rolled.log
    assert f"| tag | `{tag}` |" in rolled.summary


@pytest.mark.parametrize("image", ["no-such-tag", "$(touch made)", '"; touch made; "', "latest\ntouch made"])
def test_what_is_typed_as_an_image_is_never_a_command(account: Account, image: str) -> None:
    """An image that is none is refused in one line, and nothing in it is run."""
    ran = account.run("deploy.yml", "production", needs={}, inputs={"image": image})

    assert not ran.succeeded
    assert "::error::" in ran.log
    assert list(account.folder.glob("**/made")) == []


def test_a_smoke_story_that_nobody_takes_stops_the_way_to_production(account: Account) -> None:
    """Without a worker the smoke job fails, and production needs its success."""
    see_executed(account, "deploy.yml", "staging")
    account.runner.environment["SMOKE_TIMEOUT"] = "1"
    ran = account.run("deploy.yml", "smoke")
    account.runner.environment["SMOKE_TIMEOUT"] = "90"

    assert not ran.succeeded
    assert "still waiting when the time was up" in ran.log


def test_drift_is_found_and_told(account: Account, github: GitHubServer) -> None:
    """A queue that was changed by hand opens an issue that names it; agreement closes it."""
    see_executed(account, "deploy.yml", "staging")
    account.runner.environment |= github.environment()
    url = account.outputs("production")["dead_letter_queue_url"]
    sqs = client(account.cloud, "sqs")

    def check(retention: int) -> dict[str, Any]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": str(retention)})
        for job in ("look", "tell"):
            ran = account.run("drift.yml", job)
            assert ran.succeeded, ran.log
        (issue,) = github.issues
        return issue

    assert check(3600)["state"] == "open"
    assert "messageRetentionSeconds" in github.issues[0]["body"]
    assert "staging" not in github.issues[0]["body"]
    assert check(1209600)["state"] == "closed"


def test_a_smoke_story_that_took_another_runs_image_goes_no_further(account: Account) -> None:
    """Where a newer deployment took staging's place meanwhile, this run's digest was not tried."""
    said = account.step("make same-image", STACK="production", IMAGE=f"sha256:{'0' * 64}")

    assert f"error: production runs {account.outputs('production')['image_digest']} by now" in said


@pytest.mark.parametrize(("file", "job"), JOBS, ids=[f"{file}: {job}" for file, job in JOBS])
def test_every_step_of_every_workflow_is_run(
    account: Account, github: GitHubServer, file: str, job: str
) -> None:
    """No script of a workflow is first tried on GitHub: each ended well here, or is a line of .ci/run."""
    with advisories({}) as address:
        account.runner.environment |= github.environment() | {
            "AUDIT_FLAGS": f"--vulnerability-service osv --osv-url {address}",
            "PYTEST_FLAGS": "-q tests/app/test_message.py",
            "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),
        }
        see_executed(account, file, job)
