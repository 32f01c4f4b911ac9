"""Reads the policy files of the deploying and the previewing role."""

from collections.abc import Iterator, Mapping
from typing import Any

from ops.roles import DEPLOY, PREVIEW, Scope, permissions
from tests.provider.journal import operations, read_journal

ACCOUNT = "123456789012"

# Where IAM's action has another name than the operation that it authorises.
RENAMED: Mapping[str, str] = {
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutBucketReplication": "s3:PutReplicationConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    # The stand-in tags buckets so; the provider does it through S3 Control.
    "s3:PutBucketTagging": "s3:TagResource",
    # IAM lets everybody ask who they are.
    "sts:GetCallerIdentity": "",
}


# Where an SDK's name of a service is not its prefix in IAM.
PREFIXES = {
    "application auto scaling": "application-autoscaling",
    "cloudwatch logs": "logs",
    "s3 control": "s3",
}


def statements(name: str) -> list[dict[str, Any]]:
    """The statements of a policy file, filled in for an account with story-infra's cluster."""
    role = {"deploy": DEPLOY, "preview": PREVIEW}[name]
    scope = Scope(state_bucket="pulumi-state", clusters=["story-infra"])
    return list(permissions(role, scope, account=ACCOUNT)["Statement"])


def grants(name: str) -> Iterator[tuple[str, str]]:
    """Pairs of an action and a resource that a policy allows."""
    for statement in statements(name):
        assert statement["Effect"] == "Allow"
        actions, resources = (
            [item] if isinstance(item, str) else item for item in (statement["Action"], statement["Resource"])
        )
        yield from ((action, resource) for action in actions for resource in resources)


def actions(name: str) -> set[str]:
    """The actions that a policy allows on anything."""
    return {action for action, _ in grants(name)}


def action_of(operation: str) -> str:
    """The IAM action that an operation (service:Operation) requires; empty if it requires none."""
    return RENAMED.get(operation, operation)


def provider_actions(*steps: str) -> set[str]:
    """The actions that the AWS provider needs, by its journal: for these steps, or for all."""
    found = set()
    for call in operations(read_journal(), *steps):
        service, _, operation = call.partition("/")
        prefix = PREFIXES.get(service.lower(), service.lower())
        found.add(action_of(f"{prefix}:{operation}"))
    return found - {""}


def deploys(action: str) -> bool:
    """Whether the deploying role may take an action."""
    return not action or action in actions("deploy")
