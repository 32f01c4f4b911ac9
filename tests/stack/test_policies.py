"""The policies of the deploying and the previewing role: sufficient and minimal."""

import json
from collections.abc import Iterator

import pytest

from ops.roles import DEPLOY, PREVIEW, Scope, permissions
from tests.provider.journal import read_journal
from tests.provider.terraform_json import type_of
from tests.stack import provider_actions as provider
from tests.stack.policies import ACCOUNT, actions, grants, provider_actions, statements
from tests.stack.recording import record
from tests.stack.test_program import VARIANTS

# IAM takes at most this many characters of inline policies a role, white space aside.
INLINE_LIMIT = 10_240
READING = ("Describe", "Get", "List", "Filter", "BatchGet", "BatchCheck", "Decrypt")


@pytest.fixture(scope="session")
def declared() -> set[str]:
    """Every type that any variant of the program declares."""
    return {item.type for settings in VARIANTS.values() for item in record(settings).resources if item.custom}


@pytest.mark.slow
def test_the_journal_is_of_what_the_program_declares(declared: set[str]) -> None:
    """The provider's calls are known for exactly the resource types that the program declares."""
    journal = read_journal()
    assert {type_of(token, journal) for token in declared if token.startswith("aws:")} == {
        type_ for type_ in journal if not type_.startswith("data ")
    }
    assert set(provider.IMPLIED) <= set(journal)


def test_the_deploying_role_can_deploy_and_no_more() -> None:
    """deploy.json allows exactly the actions of provider, image, program, smoke test, scan and state."""
    implied = {action for actions_ in provider.IMPLIED.values() for action in actions_}
    image = {*provider.LOOK_AT_IMAGE, *provider.PUSH_IMAGE}
    steps = {*provider.ASK, *provider.SMOKE, *provider.SCAN, *provider.KEEP_STATE}
    called = provider_actions() | implied
    untag = {
        f"{service}:{provider.UNTAG[name]}"
        for service, _, name in (action.partition(":") for action in called)
        if name in provider.UNTAG
    }
    assert actions("deploy") == called | untag | set(provider.LATER) | image | steps


def test_the_previewing_role_can_look_and_no_more() -> None:
    """preview.json allows exactly the reading actions."""
    beside = {*provider.LOOK_AT_IMAGE, *provider.ASK, *provider.READ_STATE}
    needed = provider_actions("read") | beside
    assert actions("preview") == needed
    assert {action for action in needed if not action.split(":")[1].startswith(READING)} == set()


def mine(name: str) -> Iterator[tuple[str, str]]:
    """Allowed actions on resources that the stack names."""
    services = ("dynamodb", "ecr", "iam", "logs", "s3", "sns", "sqs")
    return ((action, resource) for action, resource in grants(name) if action.split(":")[0] in services)


UNNAMED = {
    "ecr:GetAuthorizationToken",
    "logs:DescribeLogGroups",
    "sns:GetSubscriptionAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
}


@pytest.mark.parametrize("name", ["deploy", "preview"])
def test_named_resources_are_the_projects(name: str) -> None:
    """The policies do not cover resources of other projects."""
    for action, resource in mine(name):
        if resource == "*":
            assert action in UNNAMED
        else:
            tail = resource.split(":", 5)[5]
            assert any(word in tail for word in ("story-", "pulumi-state", "aws-service-role/")), resource


def test_roles_are_passed_to_their_services_only() -> None:
    """iam:PassRole is limited to the services that use the roles."""
    (passing,) = (item for item in statements("deploy") if item["Action"] == "iam:PassRole")
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": ["ecs-tasks.amazonaws.com", "s3.amazonaws.com"]}
    }


@pytest.mark.parametrize("role", [DEPLOY, PREVIEW])
def test_a_policy_fits_into_a_role(role: str) -> None:
    """IAM refuses a longer one, also with story-infra's clusters and roles of two environments."""
    scope = Scope(
        state_bucket="s" * 63,
        terraform_bucket="t" * 63,
        clusters=[f"story-cluster-{name}" for name in ("staging", "production")],
        pass_roles=[f"arn:aws:iam::{ACCOUNT}:role/{'r' * 64}-{number}" for number in range(4)],
    )
    document = permissions(role, scope, account=ACCOUNT)
    assert len(json.dumps(document, separators=(",", ":"))) < INLINE_LIMIT
