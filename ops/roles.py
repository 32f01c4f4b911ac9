"""
The two roles that workflows assume by OpenID Connect, with no key anywhere: one that looks, one that deploys.

Who may assume them is said here; what they may do is in stack/policies, beside the program that needs it.

- `github-story-tts-preview` looks. Pull requests of the repository's own branches have it, and checks on
  `main`. A pull request from a fork gets no token from GitHub to assume anything with.
- `github-story-tts-deploy` deploys. Only jobs of deploy.yml as it stands on `main` have it, in the
  environments `staging` and `production`, whose approvals and branch rules stand in front.

Their names lie outside `story-tts*`, which the one that deploys may change: it cannot widen what it may do.

A token's subject names the repository, and, where that was made, renamed or moved since the summer of 2026,
the numbers of owner and repository too: `owner@1/name@2`.
https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from string import Template
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ops.errors import DeliveryError

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
PREVIEW, DEPLOY = "github-story-tts-preview", "github-story-tts-deploy"
ENVIRONMENTS = ("staging", "production")
POLICIES = Path("stack/policies")
SESSION_SECS = 7200
"""A first deployment builds the image, waits for a steady service, and may roll back."""
EXISTS = "EntityAlreadyExists"
_REPOSITORY = re.compile(r"([\w.-]+)/([\w.-]+)|([\w.-]+)@\d+/([\w.-]+)@\d+")


def trust(repository: str, account: str, *, role: str) -> dict[str, Any]:
    """
    Return who may assume `role`, as a policy document; `repository` as the token's subject names it.

    Claims: docs.github.com/en/actions/reference/security/oidc; condition keys:
    docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    equal: dict[str, Any] = {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": _subjects(repository, role)}
    if role == DEPLOY:
        # The file and the branch: a changed copy on another branch names the environment in vain.
        workflow = f"{name_of(repository)}/.github/workflows/deploy.yml"
        equal[f"{ISSUER}:job_workflow_ref"] = f"{workflow}@refs/heads/main"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{ISSUER}"},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": equal},
            }
        ],
    }


def name_of(repository: str) -> str:
    """Return owner/name without numbers. Raises DeliveryError where it is neither form."""
    match = _REPOSITORY.fullmatch(repository)
    if match is None:
        raise DeliveryError(f"{repository or 'nothing'} is no repository, like owner/name or owner@1/name@2")
    return "/".join(filter(None, match.groups()))


def _subjects(repository: str, role: str) -> list[str]:
    if role == DEPLOY:
        return [f"repo:{repository}:environment:{environment}" for environment in ENVIRONMENTS]
    return [f"repo:{repository}:pull_request", f"repo:{repository}:ref:refs/heads/main"]


def grant(role: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return what `role` may do: its policy file with account and names filled in."""
    file = POLICIES / f"{role.removeprefix('github-story-tts-')}.json"
    if not file.exists():
        raise DeliveryError(f"{file} is missing: run this in the repository's root")
    document: dict[str, Any] = json.loads(Template(file.read_text()).substitute(values))
    return document


def documents(repository: str, account: str, state_bucket: str) -> str:
    """Return all four documents as JSON, for those who make roles with tools of their own."""
    values = {"account": account, "state_bucket": state_bucket}
    return json.dumps(
        {
            role: {"trust": trust(repository, account, role=role), "policy": grant(role, values)}
            for role in (PREVIEW, DEPLOY)
        },
        indent=2,
    )


def ensure_roles(repository: str, *, state_bucket: str) -> Iterator[str]:
    """
    Create the identity provider and both roles where they are missing, and bring them up to date where not.

    Yields what to tell GitHub, a line each. Raises DeliveryError where AWS refuses.
    """
    name = name_of(repository)
    if not state_bucket:
        raise DeliveryError("no bucket of Pulumi's state: STATE_BUCKET=bucket")
    try:
        with closing(boto3.client("sts")) as sts:
            account = sts.get_caller_identity()["Account"]
        with closing(boto3.client("iam")) as iam:
            _ensure_provider(iam)
            for role, variable in ((PREVIEW, "AWS_PREVIEW_ROLE"), (DEPLOY, "AWS_DEPLOY_ROLE")):
                policy = grant(role, {"account": account, "state_bucket": state_bucket})
                arn = _ensure_role(iam, role, trust(repository, account, role=role), policy)
                yield f"gh variable set {variable} --repo {name} --body {arn}"
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise DeliveryError(f"iam: {error.operation_name} answered {code}") from error


def _ensure_provider(iam: Any) -> None:
    try:
        # AWS knows GitHub's certificate authority, and asks for no thumbprint.
        iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=[AUDIENCE])
    except ClientError as error:
        if error.response["Error"]["Code"] != EXISTS:
            raise


def _ensure_role(iam: Any, name: str, trusted: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    trusted_text = json.dumps(trusted)
    try:
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=trusted_text,
            MaxSessionDuration=SESSION_SECS,
            Description="Workflows of story-tts",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != EXISTS:
            raise
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusted_text)
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])
