"""Options of the output bucket, and the recovery state of the table."""

import json
import logging

import pytest

from stack.config import SettingsError
from tests.stack.recording import STORY_INFRA, Recording, record, record_afresh

VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
BUCKET = "aws:s3/bucket:Bucket"


def test_the_bucket_is_left_alone_unasked(plain: Recording) -> None:
    """An existing bucket is not changed unless configured."""
    assert [plain.names(kind) for kind in (VERSIONING, LIFECYCLE, REPLICATION, BUCKET)] == [[], [], [], []]


def test_versioning() -> None:
    """Versioning is enabled by its setting."""
    assert record({"storage": {"versioning": True}}).one(VERSIONING) == {
        "bucket": "story-video-data",
        "versioningConfiguration": {"status": "Enabled"},
    }


SEGMENTS_RULE = {
    "id": "segments",
    "status": "Enabled",
    "filter": {"prefix": "segments/"},
    "expiration": {"days": 7},
    "noncurrentVersionExpiration": {"noncurrentDays": 1},
}


def test_segments_that_a_crash_left_are_removed() -> None:
    """The stack's own bucket and every replica have the rule for segments, whatever is configured."""
    for service in (True, False):
        own = record({"story_infra": {"source": "own"}, "features": {"service": service}})
        assert own.one(LIFECYCLE)["rules"] == [SEGMENTS_RULE]
    run = record(
        {"storage": {"versioning": True, "replica_region": "eu-central-1", "replace_existing": True}}
    )
    replica = run.one(LIFECYCLE)
    assert (replica["region"], replica["rules"]) == ("eu-central-1", [SEGMENTS_RULE])


def test_lifecycle() -> None:
    """Lifecycle rules for segments, noncurrent versions and incomplete uploads, with configurable days."""
    assert record({"storage": {"lifecycle": True, "replace_existing": True}}).one(LIFECYCLE) == {
        "bucket": "story-video-data",
        "rules": [
            SEGMENTS_RULE,
            {
                "id": "noncurrent-versions",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "noncurrentVersionExpiration": {"noncurrentDays": 30},
            },
            {
                "id": "incomplete-uploads",
                "status": "Enabled",
                "filter": {"prefix": ""},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
            },
        ],
    }
    rules = record(
        {
            "storage": {
                "lifecycle": True,
                "replace_existing": True,
                "noncurrent_days": 3,
                "incomplete_upload_days": 2,
            }
        }
    ).one(LIFECYCLE)["rules"]
    assert (rules[1]["noncurrentVersionExpiration"], rules[2]["abortIncompleteMultipartUpload"]) == (
        {"noncurrentDays": 3},
        {"daysAfterInitiation": 2},
    )


def test_replication() -> None:
    """New objects are replicated to a private, encrypted, versioned bucket; deletions are not."""
    run = record(
        {"storage": {"versioning": True, "replica_region": "eu-central-1", "replace_existing": True}}
    )
    replica = run.one(BUCKET)
    assert (replica["bucket"], replica["region"], replica["forceDestroy"]) == (
        "story-video-data-eu-central-1",
        "eu-central-1",
        False,
    )
    assert run.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock") == {
        "bucket": "story-video-data-eu-central-1",
        "region": "eu-central-1",
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    encryption = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    assert run.one(encryption)["rules"] == [
        {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    ]
    assert run.one(VERSIONING, "replica-versioning")["region"] == "eu-central-1"
    (rule,) = run.one(REPLICATION)["rules"]
    assert rule == {
        "id": "all-media",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "deleteMarkerReplication": {"status": "Disabled"},
        "destination": {
            "bucket": "arn:aws:s3:us-east-1:123456789012:story-video-data-eu-central-1",
            "storageClass": "STANDARD_IA",
        },
    }
    assert run.options[f"{BUCKET} replica"].protect is True


def test_a_replica_whose_name_is_too_long_is_refused() -> None:
    """S3 allows 63 characters: the error shows the setting that names the replica."""
    outputs = {**STORY_INFRA, "s3_bucket_name": "media-" + "x" * 50}
    storage = {"versioning": True, "replica_region": "ap-southeast-2", "replace_existing": True}
    with pytest.raises(
        SettingsError, match=r"story-tts:storage\.replica_bucket: .* of 71 characters"
    ) as refused:
        record({"storage": storage}, story_infra=outputs)
    assert "replica_bucket: media-ap-southeast-2" in str(refused.value)
    named = record({"storage": {**storage, "replica_bucket": "short"}}, story_infra=outputs)
    assert named.one(BUCKET)["bucket"] == "short"


def test_the_copying_role_is_s3s() -> None:
    """The replication role can be assumed only by S3, and may only replicate."""
    run = record(
        {"storage": {"versioning": True, "replica_region": "eu-central-1", "replace_existing": True}}
    )
    trust = json.loads(run.one("aws:iam/role:Role", "replication")["assumeRolePolicy"])["Statement"][0]
    assert trust["Principal"] == {"Service": "s3.amazonaws.com"}
    policy = json.loads(run.one("aws:iam/rolePolicy:RolePolicy", "replication-copy-media")["policy"])
    assert [statement["Action"] for statement in policy["Statement"]] == [
        ["s3:GetReplicationConfiguration", "s3:ListBucket"],
        ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"],
        ["s3:ReplicateObject", "s3:ReplicateTags"],
    ]


def test_a_table_without_recovery_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """A table without point-in-time recovery is reported and warned about."""
    with caplog.at_level(logging.WARNING):
        run = record_afresh()
    assert run.outputs["table_point_in_time_recovery"] is False
    assert "story-video-tasks has no point-in-time recovery" in caplog.text
