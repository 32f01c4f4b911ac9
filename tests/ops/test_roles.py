"""The roles that workflows assume: whom they trust, what they may do, and how they are created."""

import fnmatch
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import unquote

import boto3
import pytest

from ops.errors import OpsError
from ops.roles import (
    DEPLOY,
    PREVIEW,
    Scope,
    ensure_roles,
    permissions,
    repository_name,
    show_roles,
    trust_policy,
)
from tests.stack.policies import grants

NUMBERED = "acme@12/story-tts@34"
HOST = "token.actions.githubusercontent.com"
ACCOUNT = "123456789012"
SCOPE = Scope(state_bucket="states")


def conditions(role: str, repository: str = NUMBERED) -> dict[str, Any]:
    """Return the claims that a token needs."""
    (statement,) = trust_policy(repository, ACCOUNT, role=role)["Statement"]
    assert list(statement["Condition"]) == ["StringEquals"], "a pattern would trust more than it names"
    found: dict[str, Any] = statement["Condition"]["StringEquals"]
    return {key.removeprefix(f"{HOST}:"): value for key, value in found.items()}


def test_the_preview_role_trusts_pull_requests_and_main() -> None:
    """A token must come from a pull request of this repository, or from its main branch."""
    assert conditions(PREVIEW) == {
        "aud": "sts.amazonaws.com",
        "sub": [f"repo:{NUMBERED}:pull_request", f"repo:{NUMBERED}:ref:refs/heads/main"],
    }


def test_the_deploy_role_trusts_one_workflow_on_main_in_two_environments() -> None:
    """No pull request, other branch or other workflow can assume it; the environments have approvals."""
    assert conditions(DEPLOY) == {
        "aud": "sts.amazonaws.com",
        "sub": [f"repo:{NUMBERED}:environment:staging", f"repo:{NUMBERED}:environment:production"],
        "job_workflow_ref": "acme/story-tts/.github/workflows/deploy.yml@refs/heads/main",
    }


def test_both_forms_of_a_repository_are_accepted() -> None:
    """With ids or without; a mixture or a wildcard is refused."""
    assert conditions(PREVIEW, "acme/story-tts")["sub"][0] == "repo:acme/story-tts:pull_request"
    assert repository_name(NUMBERED) == repository_name("acme/story-tts") == "acme/story-tts"
    for wrong in ("", "acme", "acme/story-tts/x", "acme@12/story-tts", "acme/*", "*/*", "acme/story-tts:ref"):
        with pytest.raises(OpsError, match="is not a repository"):
            repository_name(wrong)


def test_the_deploying_role_cannot_widen_itself() -> None:
    """No permission on a role covers the roles that the workflows assume."""
    patterns = {
        resource.rsplit("/", 1)[-1]
        for action, resource in grants("deploy")
        if action.startswith("iam:") and action != "iam:CreateServiceLinkedRole"
    }

    assert patterns == {"story-tts*"}
    assert [role for role in (PREVIEW, DEPLOY) for name in patterns if fnmatch.fnmatch(role, name)] == []


@pytest.fixture
def account(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """IAM of the embedded AWS, with credentials in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(boto3.client("iam")) as iam:
        yield iam


def test_roles_are_created_once_and_then_updated(account: Any) -> None:
    """The second run updates both roles; it prints the variables to set on GitHub."""
    first = list(ensure_roles("acme/old", SCOPE))
    second = list(ensure_roles(NUMBERED, SCOPE))

    arns = {role: account.get_role(RoleName=role)["Role"] for role in (PREVIEW, DEPLOY)}
    assert second == [
        f"gh variable set AWS_PREVIEW_ROLE --repo acme/story-tts --body {arns[PREVIEW]['Arn']}",
        f"gh variable set AWS_DEPLOY_ROLE --repo acme/story-tts --body {arns[DEPLOY]['Arn']}",
    ]
    assert len(first) == len(account.list_open_id_connect_providers()["OpenIDConnectProviderList"]) + 1
    for role in (PREVIEW, DEPLOY):
        kept = arns[role]["AssumeRolePolicyDocument"]
        trusted = json.loads(unquote(kept)) if isinstance(kept, str) else kept
        assert trusted == trust_policy(NUMBERED, ACCOUNT, role=role)
        inline = account.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
        assert inline == permissions(role, SCOPE, account=ACCOUNT)


def test_the_policies_are_shown_for_other_tools() -> None:
    """All four policies, with every placeholder filled in."""
    shown = json.loads(show_roles(NUMBERED, SCOPE, account=ACCOUNT))

    assert {role: sorted(parts) for role, parts in shown.items()} == {
        PREVIEW: ["policy", "trust"],
        DEPLOY: ["policy", "trust"],
    }
    assert "${" not in json.dumps(shown)


def granted(role: str, action: str, **scope: Any) -> set[str]:
    """Return the resources on which `role` may take `action`."""
    filled = permissions(role, Scope(state_bucket="states", **scope), account=ACCOUNT)
    return {
        resource
        for statement in filled["Statement"]
        if action in statement["Action"]
        for resource in statement["Resource"]
    }


def test_story_infras_roles_and_clusters_are_included_by_name() -> None:
    """With story-infra's task roles and clusters the deploying role can run the service, and no more."""
    role = f"arn:aws:iam::{ACCOUNT}:role/story-task"
    own = f"arn:aws:iam::{ACCOUNT}:role/story-tts*"
    services = f"arn:aws:ecs:*:{ACCOUNT}:service"

    assert granted(DEPLOY, "iam:PassRole") == {own}
    assert granted(DEPLOY, "iam:PassRole", pass_roles=[role]) == {own, role}
    for name, action in ((DEPLOY, "ecs:UpdateService"), (PREVIEW, "ecs:DescribeServices")):
        found = granted(name, action, clusters=["live", "test"])
        assert {f"{services}/live/story-tts*", f"{services}/test/story-tts*"} <= found
        assert f"{services}/live/story-tts*" not in granted(name, action)
    assert not any("live" in resource for resource in granted(DEPLOY, "ecs:DeleteCluster", clusters=["live"]))
    assert "arn:aws:s3:::infra/*" in granted(PREVIEW, "s3:GetObject", terraform_bucket="infra")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"state_bucket": ""}, "STATE_BUCKET"),
        ({"clusters": ["*"]}, r"\* is not the name of an ECS cluster"),
        ({"pass_roles": ["*"]}, r"\* is not the ARN of a role"),
    ],
)
def test_a_wrong_scope_is_refused_before_anything_is_created(wrong: dict[str, Any], message: str) -> None:
    """An empty bucket or a wildcard never reaches a policy."""
    with pytest.raises(OpsError, match=message):
        Scope(**{"state_bucket": "states", **wrong})
