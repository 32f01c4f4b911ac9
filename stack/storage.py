"""Optional settings of the output bucket, private buckets, and the recovery state of the table."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack.config import EncryptionSettings, StorageSettings
from stack.iam import Account, Role
from stack.naming import Naming, replica_bucket
from stack.permissions import bucket_policy, reencrypt, replicate
from stack.worker_interface import SEGMENTS_PREFIX

SEGMENT_DAYS = 7
"""Days that segments of a job stay that nobody works on; made again later, they cost time only."""


@dataclass(frozen=True, kw_only=True)
class PrivateBucket:
    """A bucket of this stack, and the resource that versions it."""

    bucket: aws.s3.Bucket
    versioning: aws.s3.BucketVersioning


class BucketOptions(pulumi.ComponentResource):
    """Versioning, lifecycle rules and replication of the output bucket.

    A bucket of this stack always has the rule for segments.

    `versioning` is the resource that versions the bucket already, if this stack created it: S3 has one such
    configuration per bucket.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        settings: StorageSettings,
        bucket_name: pulumi.Input[str],
        versioning: aws.s3.BucketVersioning | None,
        encryption: EncryptionSettings,
        account: Account,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:BucketOptions", "bucket-options", None, opts)
        is_own = versioning is not None
        self._naming = naming
        self._bucket_name = bucket_name
        self._account = account
        self._encryption = encryption
        if settings.versioning and versioning is None:
            versioning = self._versioning()
        # S3 has one lifecycle configuration per bucket: that of another stack's bucket is left alone unasked.
        if settings.lifecycle or is_own:
            self._lifecycle(settings)
        if settings.replica_region and versioning:
            self._replicate(settings, region=settings.replica_region, versioning=versioning, protect=protect)
        self.register_outputs({})

    def _versioning(self) -> aws.s3.BucketVersioning:
        return aws.s3.BucketVersioning(
            "bucket-versioning",
            bucket=self._bucket_name,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _lifecycle(self, settings: StorageSettings) -> None:
        rules = aws.s3
        optional = (
            [
                rules.BucketLifecycleConfigurationRuleArgs(
                    id="noncurrent-versions",
                    status="Enabled",
                    filter=rules.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    noncurrent_version_expiration=rules.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=settings.noncurrent_days
                    ),
                ),
                rules.BucketLifecycleConfigurationRuleArgs(
                    id="incomplete-uploads",
                    status="Enabled",
                    filter=rules.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                    abort_incomplete_multipart_upload=rules.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=settings.incomplete_upload_days
                    ),
                ),
            ]
            if settings.lifecycle
            else []
        )
        aws.s3.BucketLifecycleConfiguration(
            "bucket-lifecycle",
            bucket=self._bucket_name,
            rules=[_segments_rule(), *optional],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _replicate(
        self, settings: StorageSettings, *, region: str, versioning: aws.s3.BucketVersioning, protect: bool
    ) -> None:
        replica = Replica(
            naming=self._naming,
            name=settings.replica_bucket or replica_name(self._bucket_name, region=region),
            region=region,
            key_arn=self._encryption.replica_key_arn,
            protect=protect,
            opts=pulumi.ResourceOptions(parent=self),
        )
        role = Role(
            "replication",
            naming=self._naming,
            service="s3.amazonaws.com",
            description=f"Copies media of {self._naming.app} to {region}",
            account=self._account,
            opts=pulumi.ResourceOptions(parent=self),
        )
        role.attach_policy(
            "copy-media",
            replicate(source_arn=self._account.bucket_arn(self._bucket_name), replica_arn=replica.arn),
        )
        if self._encryption.replica_key_arn:
            role.attach_policy(
                "use-keys",
                reencrypt(
                    source_keys=self._encryption.media_keys,
                    source_region=self._account.region,
                    replica_key=self._encryption.replica_key_arn,
                    replica_region=region,
                ),
            )
        aws.s3.BucketReplicationConfig(
            "bucket-replication",
            bucket=self._bucket_name,
            role=role.arn,
            rules=[_replication_rule(replica.arn, key_arn=self._encryption.replica_key_arn)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning, replica, *role.policies]),
        )


def _segments_rule() -> aws.s3.BucketLifecycleConfigurationRuleArgs:
    """Removes the segments that a crash left behind; those of ended jobs the worker deletes itself."""
    rules = aws.s3
    return rules.BucketLifecycleConfigurationRuleArgs(
        id="segments",
        status="Enabled",
        filter=rules.BucketLifecycleConfigurationRuleFilterArgs(prefix=SEGMENTS_PREFIX),
        expiration=rules.BucketLifecycleConfigurationRuleExpirationArgs(days=SEGMENT_DAYS),
        # In a versioned bucket a deleted object lives on as a noncurrent version.
        noncurrent_version_expiration=rules.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
            noncurrent_days=1
        ),
    )


def _replication_rule(
    replica_arn: pulumi.Input[str], *, key_arn: str | None
) -> aws.s3.BucketReplicationConfigRuleArgs:
    rules = aws.s3
    encrypted, encryption = None, None
    if key_arn is not None:
        encrypted = rules.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
            sse_kms_encrypted_objects=rules.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(
                status="Enabled"
            )
        )
        encryption = rules.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
            replica_kms_key_id=key_arn
        )
    return rules.BucketReplicationConfigRuleArgs(
        id="all-media",
        status="Enabled",
        filter=rules.BucketReplicationConfigRuleFilterArgs(prefix=""),
        # The copy is a backup: deletions are not replicated.
        delete_marker_replication=rules.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(
            status="Disabled"
        ),
        source_selection_criteria=encrypted,
        destination=rules.BucketReplicationConfigRuleDestinationArgs(
            bucket=replica_arn, storage_class="STANDARD_IA", encryption_configuration=encryption
        ),
    )


class Replica(pulumi.ComponentResource):
    """The bucket in another region that receives the copies."""

    def __init__(
        self,
        *,
        naming: Naming,
        name: pulumi.Input[str],
        region: str,
        key_arn: str | None,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Replica", "replica", None, opts)
        bucket = private_bucket(
            "replica",
            name=name,
            tags=naming.tags(naming.prefixed("replica")),
            key_arn=key_arn,
            protect=protect,
            region=region,
            parent=self,
        )
        # Deletions are not replicated, so the copies of segments would stay.
        aws.s3.BucketLifecycleConfiguration(
            "replica-lifecycle",
            bucket=bucket.bucket.bucket,
            region=region,
            rules=[_segments_rule()],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = bucket.bucket.arn
        self.register_outputs({"arn": self.arn})


def replica_name(source: pulumi.Input[str], *, region: str) -> pulumi.Input[str]:
    """The name of a bucket's replica. Raises SettingsError if it is too long."""
    if isinstance(source, str):
        return replica_bucket(source, region=region)
    return pulumi.Output.concat(source).apply(lambda name: replica_bucket(name, region=region))


def private_bucket(
    resource: str,
    *,
    name: pulumi.Input[str],
    tags: dict[str, str],
    key_arn: str | None,
    protect: bool,
    parent: pulumi.Resource,
    region: str | None = None,
) -> PrivateBucket:
    """A versioned, encrypted bucket that cannot be made public; `region` defaults to the provider's."""
    bucket = aws.s3.Bucket(
        resource,
        bucket=name,
        region=region,
        force_destroy=not protect,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent, protect=protect),
    )
    opts = pulumi.ResourceOptions(parent=parent)
    aws.s3.BucketPublicAccessBlock(
        f"{resource}-private",
        bucket=bucket.bucket,
        region=region,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=opts,
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        f"{resource}-encryption",
        bucket=bucket.bucket,
        region=region,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                    sse_algorithm="AES256" if key_arn is None else "aws:kms", kms_master_key_id=key_arn
                ),
                # One data key per bucket instead of one per object: fewer calls of KMS.
                bucket_key_enabled=None if key_arn is None else True,
            )
        ],
        opts=opts,
    )
    aws.s3.BucketPolicy(
        f"{resource}-policy",
        bucket=bucket.bucket,
        region=region,
        policy=bucket_policy(bucket.arn),
        opts=opts,
    )
    versioning = aws.s3.BucketVersioning(
        f"{resource}-versioning",
        bucket=bucket.bucket,
        region=region,
        versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=opts,
    )
    return PrivateBucket(bucket=bucket, versioning=versioning)


def has_point_in_time_recovery(table_name: pulumi.Input[str]) -> pulumi.Output[bool]:
    """Whether a table of another stack has point-in-time recovery; logs a warning if not."""

    def report(table: aws.dynamodb.GetTableResult) -> bool:
        if not table.point_in_time_recovery.enabled:
            pulumi.log.warn(
                f"the table {table.name} has no point-in-time recovery;"
                " enable it in story-infra, which owns the table"
            )
        return bool(table.point_in_time_recovery.enabled)

    return aws.dynamodb.get_table_output(name=table_name).apply(report)
