"""Data at rest: encrypted, kept, and in production safe from deletion."""

from collections.abc import Iterator

from .resource import Resource, Rule

QUEUE = "aws:sqs/queue:Queue"
STATEFUL = frozenset(
    {"aws:dynamodb/table:Table", "aws:ecr/repository:Repository", "aws:s3/bucket:Bucket", QUEUE}
)
BUCKET_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"


def _encrypted_queue(resource: Resource) -> Iterator[str]:
    if not (resource.inputs.get("sqsManagedSseEnabled") or resource.inputs.get("kmsMasterKeyId")):
        yield "its messages are not encrypted: set sqsManagedSseEnabled or kmsMasterKeyId"


def _encrypted_bucket(resource: Resource) -> Iterator[str]:
    for rule in resource.inputs.get("rules") or [{}]:
        default = rule.get("applyServerSideEncryptionByDefault") or {}
        if default.get("sseAlgorithm") not in {"AES256", "aws:kms", "aws:kms:dsse"}:
            yield "its objects are not encrypted by default"


def _protected(resource: Resource) -> Iterator[str]:
    """The tag is the setting `environment`."""
    if (resource.inputs.get("tags") or {}).get("Environment") != "production":
        return
    if not resource.is_protected:
        yield "it holds data of production and can be deleted: leave features.protect on"
    if resource.type == "aws:dynamodb/table:Table" and not resource.inputs.get("deletionProtectionEnabled"):
        yield "DynamoDB does not protect it from deletion: set deletionProtectionEnabled"


def _log_retention(resource: Resource) -> Iterator[str]:
    if not resource.inputs.get("retentionInDays"):
        yield "its logs never expire: set retentionInDays"


RULES = (
    Rule("encrypted-queues", "Queues are encrypted at rest.", frozenset({QUEUE}), _encrypted_queue),
    Rule(
        "encrypted-buckets",
        "Buckets are encrypted at rest.",
        frozenset({BUCKET_ENCRYPTION}),
        _encrypted_bucket,
    ),
    Rule("protected-data", "What holds data of production cannot be deleted.", STATEFUL, _protected),
    Rule("log-retention", "Logs expire.", frozenset({"aws:cloudwatch/logGroup:LogGroup"}), _log_retention),
)
