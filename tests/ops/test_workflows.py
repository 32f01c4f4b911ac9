"""What the workflows allow. zizmor and actionlint check pins, injections and triggers (`make lint`)."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.ops.workflows import NAMES, WORKFLOWS, run_steps, workflow
from tests.tree import ROOT

DEPLOYING = {"staging": "staging", "smoke": "staging", "production": "production"}
"""Job of deploy.yml -> environment."""


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield file, name and content of every job."""
    for file in NAMES:
        for name, job in workflow(file)["jobs"].items():
            yield file, name, job


def steps(action: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield file and inputs of every step that uses an action whose name starts with `action`."""
    for file, _, job in jobs():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith(action):
                yield file, step.get("with", {})


def test_a_pull_request_from_a_fork_reaches_no_secret() -> None:
    """A fork can start two workflows: one reads no secret, the other runs only for own branches."""
    # YAML 1.1 parses the key `on` as True.
    triggers = {name: set(workflow(name)[True]) for name in NAMES}
    assert {name for name in NAMES if "pull_request" in triggers[name]} == {"test.yml", "pulumi.yml"}
    assert set.union(*triggers.values()) == {
        "pull_request",
        "push",
        "schedule",
        "workflow_call",
        "workflow_dispatch",
    }

    text = (WORKFLOWS / "test.yml").read_text()
    assert re.findall(r"secrets\.|vars\.|environment:|id-token", text) == []
    preview, comment, deploy = (
        workflow("pulumi.yml")["jobs"][name] for name in ("preview", "comment", "deploy")
    )
    assert "github.event.pull_request.head.repo.full_name == github.repository" in preview["if"]
    assert (comment["needs"], "needs.preview.result != 'skipped'" in comment["if"]) == ("preview", True)
    assert "github.event_name == 'push'" in deploy["if"]


def test_only_a_job_without_credentials_may_write_to_the_repository() -> None:
    """The comment's job has no cloud credentials and installs nothing; every other job reads."""
    writers = []
    for file, name, job in jobs():
        writes = {scope for scope, access in job["permissions"].items() if access == "write"}
        if writes - {"id-token"}:
            writers.append((file, name, writes))
            assert re.findall(r"aws|secrets\.|setup-python|make setup", yaml.safe_dump(job)) == []
    assert writers == [
        ("pulumi.yml", "comment", {"pull-requests"}),
        # For a tag, which only those who may push set.
        ("release.yml", "image", {"packages"}),
    ]


def test_the_deploying_role_is_assumed_behind_an_environment() -> None:
    """Jobs of deploy.yml run in an environment with its approvals; other jobs assume the role that reads."""
    roles = {(file, inputs["role-to-assume"]) for file, inputs in steps("aws-actions/")}
    assert roles == {
        ("deploy.yml", "${{ vars.AWS_DEPLOY_ROLE }}"),
        ("drift.yml", "${{ vars.AWS_PREVIEW_ROLE }}"),
        ("pulumi.yml", "${{ vars.AWS_PREVIEW_ROLE }}"),
    }
    deploying = workflow("deploy.yml")["jobs"]
    assert {name: job["environment"] for name, job in deploying.items()} == DEPLOYING


def test_production_waits_for_staging_on_main_and_deployments_take_turns() -> None:
    """Production needs staging and its smoke test; one deployment per stack runs at a time, to its end."""
    deploying = workflow("deploy.yml")["jobs"]
    assert deploying["production"]["needs"] == ["staging", "smoke"]
    assert "needs.smoke.result == 'success'" in deploying["production"]["if"]
    for name in ("staging", "production"):
        assert "github.ref == 'refs/heads/main'" in deploying[name]["if"]
        assert deploying[name]["concurrency"] == {"group": f"deploy-{name}"}
    assert workflow("pulumi.yml")[True]["push"] == {"branches": ["main"]}


def test_jobs_leave_and_find_nothing_of_other_runs() -> None:
    """A checkout keeps no token, a job on main with cloud credentials restores no cache, every job ends."""
    assert [file for file, inputs in steps("actions/checkout") if inputs["persist-credentials"]] == []
    cached = {file for file, inputs in steps("actions/setup-") if "cache" in inputs}
    assert cached & {"deploy.yml", "drift.yml"} == set()
    assert [name for _, name, job in jobs() if "steps" in job and not job["timeout-minutes"] <= 90] == []


def test_a_release_is_published_last_and_without_a_token() -> None:
    """PyPI takes nothing back: its job waits for wheel and image, runs no script and reads no secret."""
    jobs = workflow("release.yml")["jobs"]
    assert workflow("release.yml")[True] == {"push": {"tags": ["v*"]}}
    publish = jobs["pypi"]
    assert (publish["needs"], publish["environment"]) == (["wheel", "image"], "pypi")
    assert publish["permissions"] == {"id-token": "write"}
    assert [step for step in publish["steps"] if "run" in step] == []
    assert "secrets." not in (WORKFLOWS / "release.yml").read_text()
    (built,) = (inputs for _, inputs in steps("docker/build-push-action"))
    assert built["platforms"] == "linux/amd64,linux/arm64"
    assert (built["sbom"], built["provenance"]) == (True, "mode=max")


def test_scripts_are_make_targets() -> None:
    """A script in a workflow is a list of targets without values: nothing in it can be injected."""
    assert [step for step in run_steps() if not re.fullmatch(r"make( [a-z][a-z-]*)+", step[2])] == []


def test_the_called_workflow_gets_every_secret_that_it_reads() -> None:
    """A secret that is not passed on would be empty."""
    read = set(re.findall(r"secrets\.([A-Z_]+)", (WORKFLOWS / "deploy.yml").read_text()))
    passed = {name: f"${{{{ secrets.{name} }}}}" for name in read}

    assert set(workflow("deploy.yml")[True]["workflow_call"]["secrets"]) == read
    assert workflow("pulumi.yml")["jobs"]["deploy"]["secrets"] == passed


def test_dependabot_updates_every_go_module() -> None:
    """A tool that is pinned in a go.mod of its own does not grow old unnoticed."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    (watched,) = (entry["directories"] for entry in updates if entry["package-ecosystem"] == "gomod")

    assert {f"/{path.parent.relative_to(ROOT)}" for path in ROOT.glob("tools/**/go.mod")} == set(watched)
