"""Reads the policy files of the deploying and the previewing role."""

import json
from collections.abc import Iterator, Mapping
from string import Template
from typing import Any

from tests.tree import ROOT

POLICIES = ROOT / "stack" / "policies"
ACCOUNT = "123456789012"

# Where IAM's action has another name than the operation that it authorises.
RENAMED: Mapping[str, str] = {
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:PutBucketReplication": "s3:PutReplicationConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    # IAM lets everybody ask who they are.
    "sts:GetCallerIdentity": "",
}


def statements(name: str) -> list[dict[str, Any]]:
    """The statements of a policy file, with an account and a bucket filled in."""
    text = Template((POLICIES / f"{name}.json").read_text()).substitute(
        account=ACCOUNT, state_bucket="pulumi-state"
    )
    return list(json.loads(text)["Statement"])


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


def deploys(action: str) -> bool:
    """Whether the deploying role may take an action."""
    return not action or action in actions("deploy")
