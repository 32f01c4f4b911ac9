"""
The two IAM roles that workflows assume by OpenID Connect, without a long-lived key.

Who may assume them is decided here; their permissions are in stack/policies, beside the program.

- `github-story-tts-preview` reads. Pull requests from branches of the repository and checks on `main` assume
  it. GitHub gives a pull request from a fork no token to assume anything with.
- `github-story-tts-deploy` deploys. Only jobs of deploy.yml on `main` in the environments `staging` and
  `production` assume it, behind their approvals and branch rules.

Their names are outside of `story-tts*`, the names that the deploying role may change: it cannot grant itself
more permissions.

The subject of a token names the repository. For repositories that were created, renamed or moved since
summer 2026 it also has the numeric ids of owner and repository: `owner@1/name@2`.
https://github.blog/changelog/2026-04-23-immutable-subject-claims-for-github-actions-oidc-tokens
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import aws_client, error_code
from ops.errors import OpsError

ISSUER = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
PREVIEW, DEPLOY = "github-story-tts-preview", "github-story-tts-deploy"
ENVIRONMENTS = ("staging", "production")
POLICIES = Path("stack/policies")
SESSION_SECS = 7200
"""Enough for a first deployment: it builds the image, waits for a steady service, and may roll back."""
EXISTS = "EntityAlreadyExists"
_REPOSITORY = re.compile(r"([\w.-]+)/([\w.-]+)|([\w.-]+)@\d+/([\w.-]+)@\d+")
_ROLE_ARN = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What the permissions of both roles are limited to; the values of the placeholders in stack/policies."""

    state_bucket: str
    """Bucket of Pulumi's state."""
    terraform_bucket: str = "story-service-terraform-state"
    """Bucket of story-infra's Terraform state."""
    clusters: Sequence[str] = ()
    """Names of story-infra's ECS clusters; a cluster of the stack's own, `story-tts*`, is always included."""
    pass_roles: Sequence[str] = ()
    """ARNs of story-infra's task and execution role, for stacks with `features.roles: story_infra`."""

    def __post_init__(self) -> None:
        """Raise OpsError for a value that would make the policies useless or too wide."""
        if not self.state_bucket:
            raise OpsError("no bucket of Pulumi's state: add STATE_BUCKET=bucket")
        for cluster in self.clusters:
            if not re.fullmatch(r"[A-Za-z0-9][\w-]*", cluster):
                raise OpsError(f"{cluster} is not the name of an ECS cluster, like story-cluster")
        for role in self.pass_roles:
            if not _ROLE_ARN.fullmatch(role):
                raise OpsError(f"{role} is not the ARN of a role, like arn:aws:iam::123456789012:role/task")

    def fill(self, policy: Mapping[str, Any], *, account: str) -> dict[str, Any]:
        """
        Return a policy with its placeholders filled in.

        A list gives one resource per value; a statement that is left without a resource is dropped.
        """
        values = {
            "account": (account,),
            "state_bucket": (self.state_bucket,),
            "terraform_bucket": (self.terraform_bucket,),
            "cluster": self.clusters,
            "pass_role": self.pass_roles,
        }
        filled = [
            {**statement, "Resource": _expand(statement["Resource"], values)}
            for statement in policy["Statement"]
        ]
        return {**policy, "Statement": [statement for statement in filled if statement["Resource"]]}


def _expand(resources: str | Sequence[str], values: Mapping[str, Sequence[str]]) -> list[str]:
    templates = [Template(text) for text in ([resources] if isinstance(resources, str) else resources)]
    return [
        template.substitute(dict(zip(template.get_identifiers(), chosen, strict=True)))
        for template in templates
        for chosen in itertools.product(*(values[name] for name in template.get_identifiers()))
    ]


def trust_policy(repository: str, account: str, *, role: str) -> dict[str, Any]:
    """
    Return the policy that says who may assume `role`; `repository` as the subject of a token names it.

    Claims: docs.github.com/en/actions/reference/security/oidc; condition keys:
    docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    """
    equal: dict[str, Any] = {f"{ISSUER}:aud": AUDIENCE, f"{ISSUER}:sub": _subjects(repository, role)}
    if role == DEPLOY:
        # File and branch: a changed copy of the workflow on another branch is refused.
        workflow = f"{repository_name(repository)}/.github/workflows/deploy.yml"
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


def repository_name(repository: str) -> str:
    """Return owner/name without the ids. Raises OpsError if `repository` has neither form."""
    match = _REPOSITORY.fullmatch(repository)
    if match is None:
        raise OpsError(
            f"{repository or 'an empty text'} is not a repository, like owner/name or owner@1/name@2"
        )
    return "/".join(filter(None, match.groups()))


def _subjects(repository: str, role: str) -> list[str]:
    if role == DEPLOY:
        return [f"repo:{repository}:environment:{environment}" for environment in ENVIRONMENTS]
    return [f"repo:{repository}:pull_request", f"repo:{repository}:ref:refs/heads/main"]


def permissions(role: str, scope: Scope, *, account: str) -> dict[str, Any]:
    """Return the permissions of `role`: its file in stack/policies, filled in."""
    file = POLICIES / f"{role.removeprefix('github-story-tts-')}.json"
    if not file.exists():
        raise OpsError(f"there is no {file}: run this in the root of the repository")
    document: dict[str, Any] = json.loads(file.read_text())
    for statement in document["Statement"]:
        # For readers of the file only; IAM limits the length of a role's policies.
        statement.pop("Sid", None)
    return scope.fill(document, account=account)


def show_roles(repository: str, scope: Scope, *, account: str) -> str:
    """Return all four policies as JSON, for those who create the roles with tools of their own."""
    return json.dumps(
        {
            role: {
                "trust": trust_policy(repository, account, role=role),
                "policy": permissions(role, scope, account=account),
            }
            for role in (PREVIEW, DEPLOY)
        },
        indent=2,
    )


def ensure_roles(repository: str, scope: Scope) -> Iterator[str]:
    """
    Create the identity provider and both roles, or bring them up to date.

    Yields one command per GitHub variable to set. Raises OpsError on AWS errors.
    """
    name = repository_name(repository)
    with aws_client("sts") as sts:
        account = sts.get_caller_identity()["Account"]
    with aws_client("iam") as iam:
        _ensure_provider(iam)
        for role, variable in ((PREVIEW, "AWS_PREVIEW_ROLE"), (DEPLOY, "AWS_DEPLOY_ROLE")):
            trust = trust_policy(repository, account, role=role)
            arn = _ensure_role(iam, role, trust, permissions(role, scope, account=account))
            yield f"gh variable set {variable} --repo {name} --body {arn}"


def _ensure_provider(iam: Any) -> None:
    try:
        # AWS trusts GitHub's certificate authority and needs no thumbprint.
        iam.create_open_id_connect_provider(Url=f"https://{ISSUER}", ClientIDList=[AUDIENCE])
    except ClientError as error:
        if error_code(error) != EXISTS:
            raise


def _ensure_role(iam: Any, name: str, trust: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    document = json.dumps(trust)
    try:
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=document,
            MaxSessionDuration=SESSION_SECS,
            Description="Workflows of story-tts",
        )
    except ClientError as error:
        if error_code(error) != EXISTS:
            raise
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
    iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    return str(iam.get_role(RoleName=name)["Role"]["Arn"])
