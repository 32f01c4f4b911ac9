"""The jobs of the workflows: real make, Pulumi engine and worker, with AWS and GitHub on loopback."""

import re
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.ops.conftest import Account
from tests.ops.servers import BOT, PERSON, GitHubServer, serve_json
from tests.ops.workflows import CI, Run, run_steps
from tests.tree import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# test_release.py runs the jobs of release.yml, which need no account.
JOBS = sorted(
    {(file, job) for file, job, script in run_steps() if script not in CI and file != "release.yml"}
)
WORKERS = {"smoke": "story-tts-staging-service", "production": "story-tts-service"}


def previewed(account: Account, github: GitHubServer) -> tuple[Run, Run]:
    """Run the job that previews, and the one that comments."""
    preview = account.run("pulumi.yml", "preview")
    account.runner.environment |= github.environment()
    return preview, account.run("pulumi.yml", "comment")


def test_a_preview_is_one_comment_that_is_kept_up_to_date(account: Account, github: GitHubServer) -> None:
    """The comment lists every change, contains no secret, and is rewritten; a person's copy is not."""
    github.add_comment(7, "<!-- story-tts: preview -->\nmine", PERSON)
    github.add_comment(7, "<!-- story-tts: preview -->\nof the push before", BOT)
    account.settings("production", memory=4096, monitoring={"create_topic": False})
    preview, comment = previewed(account, github)
    account.settings("production")
    assert preview.succeeded, preview.log
    assert comment.succeeded, comment.log

    copied, written = github.comments
    assert copied["body"].endswith("mine")
    assert written["body"] == f"<!-- story-tts: preview -->\n{preview.summary.rstrip()}"
    assert "### `production`: 2 to delete, 1 to replace, 6 to update" in preview.summary
    assert "| ± replace | `aws:ecs:TaskDefinition` **task** | `memory` |" in preview.summary
    assert '- memory: "2048"\n+ memory: "4096"' in preview.summary
    assert "| - delete | `aws:sns:Topic` **alarm-topic** |" in preview.summary
    assert "Policies: all" in preview.summary
    assert "at `0123456789ab`" in preview.summary
    # The registry's login is an input of the image; the hash is an output.
    assert "auth-token" not in preview.summary
    assert "contextHash" not in preview.summary


def test_a_broken_policy_and_a_broken_program_fail_the_check(account: Account, github: GitHubServer) -> None:
    """The comment says what is wrong, also if only one of the stacks could be previewed."""
    account.settings("production", features={"protect": False})
    account.settings("staging", memroy=4096)
    preview, comment = previewed(account, github)
    account.settings("production")
    account.settings("staging")

    (written,) = github.comments
    assert (preview.succeeded, comment.succeeded) == (False, True)
    assert "### `staging`: the preview failed" in written["body"]
    assert "story-tts:memroy: unknown setting" in written["body"]
    assert "❌ **protected-data**: `aws:ecr/repository:Repository repository`" in written["body"]
    assert "::error::the preview of staging failed" in preview.log
    assert "::error::protected-data: aws:ecr/repository:Repository repository" in preview.log


def test_main_reaches_production_through_staging_by_one_digest(account: Account, tmp_path: Path) -> None:
    """Staging builds the image, a story passes through it, and production runs the same digest."""
    staging = account.run("deploy.yml", "staging", inputs={})
    assert staging.succeeded, staging.log
    digest = staging.outputs["digest"]
    needs = {"staging": {"outputs": {"digest": digest}}}
    runs = []
    for job, service in WORKERS.items():
        with account.worker(service, tmp_path):
            runs.append(account.run("deploy.yml", job, needs=needs, inputs={}))
        assert runs[-1].succeeded, runs[-1].log
        assert "real-time factor" in runs[-1].log

    assert {account.outputs(stack)["image_digest"] for stack in ("staging", "production")} == {digest}
    for run in (staging, runs[-1]):
        assert f"**Scan** of `{digest}`: 1 high" in run.summary


def test_an_earlier_image_is_deployed_by_its_tag(account: Account, tmp_path: Path) -> None:
    """Started by hand with a tag and without staging, production runs the image with that tag."""
    tag = account.outputs("production")["image_tag"]
    with account.worker("story-tts-service", tmp_path):
        run = account.run("deploy.yml", "production", needs={}, inputs={"image": tag})

    assert run.succeeded, run.log
    assert f"| tag | `{tag}` |" in run.summary


@pytest.mark.parametrize("image", ["no-such-tag", "$(touch made)", '"; touch made; "', "latest\ntouch made"])
def test_what_is_typed_as_an_image_is_never_a_command(account: Account, image: str) -> None:
    """An input that is not an image is refused in one line, and no part of it is run."""
    run = account.run("deploy.yml", "production", needs={}, inputs={"image": image})

    assert not run.succeeded
    assert "::error::" in run.log
    assert list(account.runner.folder.glob("**/made")) == []


def test_a_smoke_story_that_is_not_narrated_fails_the_job(account: Account) -> None:
    """Without a worker the smoke job fails; production needs its success."""
    account.runner.environment["SMOKE_TIMEOUT"] = "1"
    run = account.run("deploy.yml", "smoke")
    account.runner.environment["SMOKE_TIMEOUT"] = "90"

    assert not run.succeeded
    assert "✗ story         still waiting" in run.log


def test_drift_fails_the_run_and_names_what_differs(account: Account) -> None:
    """The log has resource and property, but not the values; a stack without a difference passes."""
    account.settings("production", memory=8192)
    run = account.run("drift.yml", "check")
    account.settings("production")

    assert not run.succeeded
    assert re.search(r"aws:ecs:TaskDefinition +task .*memory", run.log)
    assert "8192" not in run.log
    assert re.findall(r"(\w+) and the cloud differ", run.log) == ["production"]


def test_an_image_that_was_replaced_is_not_promoted(account: Account) -> None:
    """If another deployment replaced the image in the meantime, this run did not test its own."""
    code, log = account.runner.shell("make same-image", STACK="production", IMAGE=f"sha256:{'0' * 64}")

    assert code != 0
    assert f"production now runs {account.outputs('production')['image_digest']}, not sha256:0000" in log


@pytest.mark.parametrize(("file", "job"), JOBS, ids=lambda name: name)
def test_every_step_succeeds(
    account: Account, github: GitHubServer, tmp_path: Path, file: str, job: str
) -> None:
    """No step runs for the first time on GitHub: each succeeds here, or is a line of .ci/run."""
    steps = {step for step in run_steps() if step[:2] == (file, job)}
    if steps <= account.runner.executed:
        return
    needs: dict[str, Any] = {"staging": {"outputs": {"digest": account.outputs("staging")["image_digest"]}}}
    with serve_json(lambda _: (200, {})) as address:
        account.runner.environment |= github.environment() | {
            "AUDIT_FLAGS": f"--vulnerability-service osv --osv-url {address}",
            "PYTEST_FLAGS": "-q tests/ops/test_changes.py",
            "GUARDS": "If-Match",
            "JOBS": "3",
            "BODIES": "100",
            "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache"),
        }
        for name in ("preview", job) if job == "comment" else (job,):
            with account.worker(WORKERS[name], tmp_path) if name in WORKERS else nullcontext():
                run = account.run(file, name, needs=needs, inputs={})
    assert steps <= account.runner.executed, run.log
