"""The workflows as files: who may do what, what a stranger can reach, and whether the documents say so."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from tests.ops.workflows import WORKFLOWS, names, run_steps, workflow
from tests.tree import ROOT

DOCUMENT = (ROOT / "docs" / "delivery.md").read_text()
LOOKS = {"contents": "read", "id-token": "write"}
PERMISSIONS = {
    "test.yml: rules": {"contents": "read"},
    "test.yml: test": {"contents": "read"},
    "test.yml: demo": {"contents": "read"},
    "pulumi.yml: preview": LOOKS,
    "pulumi.yml: comment": {"contents": "read", "pull-requests": "write"},
    "pulumi.yml: deploy": LOOKS,
    "deploy.yml: staging": LOOKS,
    "deploy.yml: smoke": LOOKS,
    "deploy.yml: production": LOOKS,
    "drift.yml: look": LOOKS,
    "drift.yml: tell": {"contents": "read", "issues": "write"},
}
DEPLOYING = ("staging", "smoke", "production")


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every job with its file and name."""
    for file in names():
        for name, job in workflow(file)["jobs"].items():
            yield file, name, job


def steps(using: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the steps that use actions whose names begin so, and where they stand."""
    for file, name, job in jobs():
        for step in job.get("steps", []):
            if "uses" in step and step["uses"].startswith(using):
                yield f"{file}: {name}", step


def asked_for(kind: str) -> set[str]:
    """Return the names of all `vars` or `secrets` that workflows read."""
    text = "".join((WORKFLOWS / name).read_text() for name in names())
    return set(re.findall(rf"\b{kind}\.([A-Z_]+)", text))


def targets() -> set[str]:
    """Return what make can make."""
    told = subprocess.run(["make", "-pnq", "help"], cwd=ROOT, capture_output=True, text=True, check=False)
    return set(re.findall(r"^([a-z][a-z-]*):", told.stdout, re.MULTILINE))


def test_nothing_runs_a_strangers_code_with_the_repositorys_rights() -> None:
    """No trigger hands secrets or a writing token to code that a fork's pull request brings."""
    assert {name: sorted(workflow(name)["on"]) for name in names()} == {
        "deploy.yml": ["workflow_call", "workflow_dispatch"],
        "drift.yml": ["schedule", "workflow_dispatch"],
        "pulumi.yml": ["pull_request", "push"],
        "test.yml": ["pull_request", "push"],
    }


def test_pushes_deploy_from_main_alone() -> None:
    """Tests run for both branches; nothing but main is deployed."""
    assert workflow("test.yml")["on"]["push"] == {"branches": ["main", "develop"]}
    assert workflow("pulumi.yml")["on"]["push"] == {"branches": ["main"]}
    for name in ("staging", "production"):
        assert "github.ref == 'refs/heads/main'" in workflow("deploy.yml")["jobs"][name]["if"]


def test_what_a_fork_runs_names_no_secret() -> None:
    """The one workflow that runs for a fork reads no secret, no variable, and no environment."""
    text = (WORKFLOWS / "test.yml").read_text()

    assert re.findall(r"secrets\.|vars\.|environment:|id-token", text) == []


def test_a_forks_pull_request_is_not_previewed() -> None:
    """The preview asks where the pull request comes from, and the comment needs the preview."""
    preview, comment = (workflow("pulumi.yml")["jobs"][name] for name in ("preview", "comment"))

    assert "github.event.pull_request.head.repo.full_name == github.repository" in preview["if"]
    assert (comment["needs"], "needs.preview.result != 'skipped'" in comment["if"]) == ("preview", True)


def test_every_job_may_do_what_it_must_and_no_more() -> None:
    """Nothing is granted to a workflow as a whole; a job's grants are these."""
    assert {name: workflow(name)["permissions"] for name in names()} == {name: {} for name in names()}
    assert {f"{file}: {name}": job["permissions"] for file, name, job in jobs()} == PERMISSIONS


def test_who_may_write_to_the_repository_has_no_way_into_the_cloud() -> None:
    """A job that comments holds no credentials, and installs nothing before it does."""
    writers = [job for _, _, job in jobs() if {"pull-requests", "issues"} & set(job["permissions"])]
    for job in writers:
        text = yaml.safe_dump(job)
        assert re.findall(r"aws|secrets\.|setup-python|make setup", text) == []
    assert len(writers) == 2


def test_the_deploying_role_is_assumed_in_an_environment() -> None:
    """Deploying jobs are in one file, behind an environment's rules; others take the role that looks."""
    taken = {where: step["with"]["role-to-assume"] for where, step in steps("aws-actions/")}
    looking = {"pulumi.yml: preview", "drift.yml: look"}

    assert taken == {
        **{f"deploy.yml: {name}": "${{ vars.AWS_DEPLOY_ROLE }}" for name in DEPLOYING},
        **dict.fromkeys(looking, "${{ vars.AWS_PREVIEW_ROLE }}"),
    }
    environments = {name: workflow("deploy.yml")["jobs"][name]["environment"] for name in DEPLOYING}
    assert environments == {"staging": "staging", "smoke": "staging", "production": "production"}


def test_production_runs_the_digest_that_staging_ran() -> None:
    """What was tried goes on, after the smoke job; a typed name counts only where staging was left out."""
    production = workflow("deploy.yml")["jobs"]["production"]
    (image,) = [step["env"]["IMAGE"] for step in production["steps"] if "IMAGE" in step.get("env", {})]

    assert image == "${{ needs.staging.outputs.digest || inputs.image }}"
    assert production["needs"] == ["staging", "smoke"]
    assert "needs.smoke.result == 'success'" in production["if"]


def test_deployments_take_turns_and_are_never_cut_short() -> None:
    """One deployment a stack at a time; only a pull request's older run is cancelled."""
    deploying = workflow("deploy.yml")["jobs"]
    groups = {name: deploying[name]["concurrency"] for name in ("staging", "production")}

    assert groups == {
        "staging": {"group": "deploy-staging"},
        "production": {"group": "deploy-production"},
    }
    for file in ("test.yml", "pulumi.yml"):
        cancels = workflow(file)["concurrency"]["cancel-in-progress"]
        assert cancels == "${{ github.event_name == 'pull_request' }}"
    assert workflow("drift.yml")["concurrency"] == {"group": "${{ github.workflow }}"}


def test_every_job_ends() -> None:
    """A job that hangs is stopped within an hour and a half."""
    running = {
        f"{file}: {name}": job.get("timeout-minutes", 0) for file, name, job in jobs() if "steps" in job
    }

    assert [where for where, minutes in running.items() if not 0 < minutes <= 90] == []


def test_actions_are_pinned_by_commit_with_their_release_beside() -> None:
    """A tag can move, a commit cannot; the release is there for people and for Dependabot."""
    for name in names():
        for line in re.findall(r"uses: (?!\./)(.+)", (WORKFLOWS / name).read_text()):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_has_one_pin() -> None:
    """All workflows run the same release of an action."""
    pins = {tuple(step["uses"].split("@")) for _, step in steps("")}

    assert len(pins) == len({action for action, _ in pins})


def test_checkouts_keep_no_token() -> None:
    """What a later step runs finds no token in the checkout."""
    kept = [where for where, step in steps("actions/checkout") if step["with"]["persist-credentials"]]

    assert kept == []


def test_jobs_that_deploy_restore_no_cache() -> None:
    """What another run left in a cache never reaches the account."""
    cached = {where for where, step in steps("actions/setup-") if "cache" in step.get("with", {})}

    assert {where for where in cached if where.startswith(("deploy.yml", "drift.yml"))} == set()


def test_scripts_are_bare_make_targets_that_exist() -> None:
    """A step's script is nothing but targets: no shell to get wrong, no foreign text in it."""
    known = targets()
    for step in run_steps():
        assert re.fullmatch(r"make( [a-z][a-z-]*)+", step.run), step
        assert set(step.run.split()[1:]) <= known, step


def test_both_pythons_are_tested() -> None:
    """The matrix holds the versions that the package says it runs on."""
    matrix = workflow("test.yml")["jobs"]["test"]["strategy"]["matrix"]

    assert matrix == {"python": ["3.11", "3.12"]}
    assert 'requires-python = ">=3.11,<3.13"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(("kind", "heading"), [("vars", "variable"), ("secrets", "secret")])
def test_the_documents_name_every_variable_and_secret(kind: str, heading: str) -> None:
    """Whoever sets the workflows up finds each name in a table, and none that nothing reads."""
    tables = re.findall(rf"^\| {heading} \|.*\n\|[-|]+\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    rows = [row.split("|")[1] for table in tables for row in table.splitlines()]

    assert set(re.findall(r"`([A-Z_]+)`", "".join(rows))) == asked_for(kind)


def test_the_called_workflow_is_handed_every_secret_that_it_reads() -> None:
    """A secret that is not passed on would be empty, and nobody would say so."""
    read = set(re.findall(r"secrets\.([A-Z_]+)", (WORKFLOWS / "deploy.yml").read_text()))

    assert set(workflow("deploy.yml")["on"]["workflow_call"]["secrets"]) == read
    assert workflow("pulumi.yml")["jobs"]["deploy"]["secrets"] == {
        name: f"${{{{ secrets.{name} }}}}" for name in read
    }


def test_the_documents_name_every_workflow() -> None:
    """Each file under .github/workflows stands in the first table."""
    assert set(re.findall(r"^\| `(\w+\.yml)` \|", DOCUMENT, re.MULTILINE)) == set(names())


def test_everything_that_is_pinned_is_kept_fresh() -> None:
    """Actions, the base image, Python and both Go modules: no pin grows old unseen."""
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    watched = {
        (entry["package-ecosystem"], folder)
        for entry in updates
        for folder in entry.get("directories", [entry.get("directory")])
    }
    modules = {f"/{path.parent.relative_to(ROOT)}" for path in ROOT.glob("tools/**/go.mod")}

    assert watched == {
        ("github-actions", "/"),
        ("docker", "/"),
        ("pip", "/"),
        ("pip", "/requirements"),
        *(("gomod", module) for module in modules),
    }


def test_owners_are_named_for_what_is_there() -> None:
    """Every path of CODEOWNERS leads to something in the tree."""
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    patterns = [line.split()[0] for line in lines if line and not line.startswith("#")]
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [PurePosixPath(line) for line in kept.splitlines()]

    for pattern in patterns:
        wanted = pattern.strip("/") or "*"
        there = any(wanted == path.parts[0] or PurePosixPath(path.parts[0]).match(wanted) for path in files)
        assert there, f"CODEOWNERS names {pattern}, which is not there"


@pytest.mark.parametrize("form", ["fault.yml", "wish.yml"])
def test_forms_are_what_github_takes(form: str) -> None:
    """A form with a field that has no id, label or known type is not shown at all."""
    document = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / form).read_text())
    fields = document["body"]

    assert {"name", "description", "body"} <= set(document)
    assert {field["type"] for field in fields} <= {"textarea", "input", "dropdown", "checkboxes"}
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
