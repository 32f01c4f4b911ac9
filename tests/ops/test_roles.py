"""The roles that workflows assume: whom they trust, and that making them twice changes nothing."""

import fnmatch
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import unquote

import boto3
import pytest

from ops.errors import DeliveryError
from ops.roles import DEPLOY, PREVIEW, documents, ensure_roles, grant, name_of, trust
from tests.stack.policies import grants

NUMBERED = "acme@12/story-tts@34"
HOST = "token.actions.githubusercontent.com"


def conditions(role: str, repository: str = NUMBERED) -> dict[str, Any]:
    """Return what a token must say to be trusted."""
    (statement,) = trust(repository, "123456789012", role=role)["Statement"]
    assert list(statement["Condition"]) == ["StringEquals"], "a pattern would trust more than it names"
    found: dict[str, Any] = statement["Condition"]["StringEquals"]
    return {key.removeprefix(f"{HOST}:"): value for key, value in found.items()}


def test_the_role_that_looks_trusts_pull_requests_and_main() -> None:
    """Its tokens come from pull requests of this repository, or from its main branch."""
    assert conditions(PREVIEW) == {
        "aud": "sts.amazonaws.com",
        "sub": [f"repo:{NUMBERED}:pull_request", f"repo:{NUMBERED}:ref:refs/heads/main"],
    }


def test_the_role_that_deploys_trusts_one_file_on_main_in_two_environments() -> None:
    """No pull request, no other branch, no other workflow: the environment's rules stand before it."""
    assert conditions(DEPLOY) == {
        "aud": "sts.amazonaws.com",
        "sub": [f"repo:{NUMBERED}:environment:staging", f"repo:{NUMBERED}:environment:production"],
        "job_workflow_ref": "acme/story-tts/.github/workflows/deploy.yml@refs/heads/main",
    }


def test_an_older_repository_is_named_without_numbers() -> None:
    """Both forms of GitHub's subjects are understood, and nothing between them."""
    assert conditions(PREVIEW, "acme/story-tts")["sub"][0] == "repo:acme/story-tts:pull_request"
    assert name_of(NUMBERED) == name_of("acme/story-tts") == "acme/story-tts"
    for wrong in ("", "acme", "acme/story-tts/x", "acme@12/story-tts", "acme/*", "*/*", "acme/story-tts:ref"):
        with pytest.raises(DeliveryError, match="is no repository"):
            name_of(wrong)


def test_the_deploying_role_cannot_widen_itself() -> None:
    """No grant on a role reaches the roles that the workflows assume."""
    patterns = {
        resource.rsplit("/", 1)[-1]
        for action, resource in grants("deploy")
        if action.startswith("iam:") and action != "iam:CreateServiceLinkedRole"
    }

    assert patterns == {"story-tts*"}
    assert [role for role in (PREVIEW, DEPLOY) for name in patterns if fnmatch.fnmatch(role, name)] == []


@pytest.fixture
def account(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account of IAM, and credentials for it."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    with closing(boto3.client("iam")) as iam:
        yield iam


def test_roles_are_made_once_and_brought_up_to_date(account: Any) -> None:
    """The second run changes what is different and makes nothing new; it prints what GitHub must be told."""
    first = list(ensure_roles("acme/old", state_bucket="states"))
    second = list(ensure_roles(NUMBERED, state_bucket="states"))

    arns = {role: account.get_role(RoleName=role)["Role"] for role in (PREVIEW, DEPLOY)}
    assert second == [
        f"gh variable set AWS_PREVIEW_ROLE --repo acme/story-tts --body {arns[PREVIEW]['Arn']}",
        f"gh variable set AWS_DEPLOY_ROLE --repo acme/story-tts --body {arns[DEPLOY]['Arn']}",
    ]
    assert len(first) == len(account.list_open_id_connect_providers()["OpenIDConnectProviderList"]) + 1
    for role in (PREVIEW, DEPLOY):
        kept = arns[role]["AssumeRolePolicyDocument"]
        trusted = json.loads(unquote(kept)) if isinstance(kept, str) else kept
        assert trusted == trust(NUMBERED, "123456789012", role=role)
        inline = account.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
        assert inline == grant(role, {"account": "123456789012", "state_bucket": "states"})


def test_the_documents_are_shown_for_other_tools() -> None:
    """All four documents, with account and bucket filled in."""
    shown = json.loads(documents(NUMBERED, "123456789012", "states"))

    assert {role: sorted(parts) for role, parts in shown.items()} == {
        PREVIEW: ["policy", "trust"],
        DEPLOY: ["policy", "trust"],
    }
    assert "${" not in json.dumps(shown)


def test_a_missing_bucket_is_told_before_anything_is_made() -> None:
    """Half a set of roles would be worse than none."""
    with pytest.raises(DeliveryError, match="STATE_BUCKET"):
        list(ensure_roles(NUMBERED, state_bucket=""))
