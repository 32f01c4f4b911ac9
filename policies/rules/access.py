"""Who may do what: identity policies, trust policies and policies of resources."""

from collections.abc import Iterator, Mapping
from typing import Any

from .resource import Resource, Rule, as_list, statements

# They support no narrower resource: a login covers the whole registry, and channels of ECS Exec have no ARN.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsessionmanagermessagegatewayservice.html
WITHOUT_RESOURCES = ("ecr:GetAuthorizationToken", "ssmmessages:")
POLICIES_WITH_TLS = frozenset(
    {"aws:s3/bucketPolicy:BucketPolicy", "aws:sns/topicPolicy:TopicPolicy", "aws:sqs/queuePolicy:QueuePolicy"}
)
# The property that holds the policy document.
DOCUMENTS = {"aws:iam/role:Role": "assumeRolePolicy"}


def _least_privilege(resource: Resource) -> Iterator[str]:
    for statement in _allowing(resource):
        actions = [str(action) for action in as_list(statement.get("Action"))]
        for action in actions:
            if "*" in action:
                yield f"it grants {action}: name the actions"
        if "NotAction" in statement or "NotResource" in statement:
            yield "it grants all but some: name actions and resources"
        unbound = [action for action in actions if not action.startswith(WITHOUT_RESOURCES)]
        if "*" in as_list(statement.get("Resource")) and unbound and not statement.get("Condition"):
            yield f"it grants {', '.join(unbound)} on every resource"


def _no_public_access(resource: Resource) -> Iterator[str]:
    for statement in _allowing(resource):
        principal = statement.get("Principal")
        named = principal.values() if isinstance(principal, Mapping) else [principal]
        if any("*" in as_list(one) for one in named) and not statement.get("Condition"):
            yield "it lets everybody in: name a principal, or add a condition"


def _tls_only(resource: Resource) -> Iterator[str]:
    for statement in statements(resource.inputs.get("policy")):
        condition: Mapping[str, Any] = statement.get("Condition") or {}
        secure = str((condition.get("Bool") or {}).get("aws:SecureTransport")).lower()
        if (statement.get("Effect"), statement.get("Principal"), secure) == ("Deny", "*", "false"):
            return
    yield "it accepts requests without TLS: deny them where aws:SecureTransport is false"


def _blocked(resource: Resource) -> Iterator[str]:
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for switch in switches:
        if not resource.inputs.get(switch):
            yield f"{switch} is off, so the bucket can be made public"


def _allowing(resource: Resource) -> Iterator[Mapping[str, Any]]:
    document = resource.inputs.get(DOCUMENTS.get(resource.type, "policy"))
    return (statement for statement in statements(document) if statement.get("Effect") == "Allow")


RULES = (
    Rule(
        "least-privilege",
        "Policies name actions and resources.",
        frozenset({"aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy"}),
        _least_privilege,
    ),
    Rule(
        "no-public-access",
        "No policy of a role, bucket, queue, topic or repository lets everybody in.",
        POLICIES_WITH_TLS | {"aws:iam/role:Role", "aws:ecr/repositoryPolicy:RepositoryPolicy"},
        _no_public_access,
    ),
    Rule("tls-only", "Buckets, queues and topics refuse requests without TLS.", POLICIES_WITH_TLS, _tls_only),
    Rule(
        "private-buckets",
        "Buckets cannot be made public.",
        frozenset({"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"}),
        _blocked,
    ),
)
