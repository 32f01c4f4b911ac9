"""The policies of the deploying and the previewing role: sufficient and minimal."""

import json
from collections.abc import Iterator, Mapping

import pytest

from ops.roles import DEPLOY, PREVIEW, Scope, permissions
from tests.stack import provider_actions as provider
from tests.stack.policies import ACCOUNT, actions, grants, statements
from tests.stack.recording import record
from tests.stack.test_program import VARIANTS

# IAM takes at most this many characters of inline policies a role, white space aside.
INLINE_LIMIT = 10_240
READING = ("Describe", "Get", "List", "Filter", "BatchGet", "BatchCheck", "Decrypt")


@pytest.fixture(scope="session")
def declared() -> set[str]:
    """Every type that any variant of the program declares."""
    return {item.type for settings in VARIANTS.values() for item in record(settings).resources if item.custom}


def union(*tables: Mapping[str, tuple[str, ...]]) -> set[str]:
    """All actions of some tables."""
    return {action for table in tables for needed in table.values() for action in needed}


@pytest.mark.slow
def test_the_table_of_actions_is_of_what_the_program_declares(declared: set[str]) -> None:
    """The table of actions covers exactly the resource types that the program declares."""
    assert set(provider.MAKE) == declared
    assert set(provider.LOOK) | set(provider.RULES) == declared


def test_the_deploying_role_can_deploy_and_no_more() -> None:
    """deploy.json allows exactly the actions of provider, program, smoke test, scan and state."""
    looks = union(provider.LOOK, provider.RULES) | set(provider.ASK)
    steps = set(provider.SMOKE) | set(provider.SCAN) | set(provider.KEEP_STATE)
    assert actions("deploy") == union(provider.MAKE) | looks | steps


def test_the_previewing_role_can_look_and_no_more() -> None:
    """preview.json allows exactly the reading actions."""
    needed = union(provider.LOOK, provider.RULES) | set(provider.ASK) | set(provider.READ_STATE)
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
