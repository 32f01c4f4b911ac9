"""Customer managed keys: what they encrypt, and who may use them."""

from tests.stack.recording import REGION, record
from tests.stack.test_iam import statements
from tests.stack.test_program import KEY

OTHER_KEY = KEY.replace("us-east-1", "eu-central-1")


def test_keys_are_used_through_their_services_only() -> None:
    """The task role may use the keys of its stack and platform, through SQS, S3 and DynamoDB."""
    run = record({"encryption": {"key_arn": KEY, "platform_key_arns": [OTHER_KEY]}})
    (statement,) = statements(run)["task-use-keys"]
    assert (statement["Action"], statement["Resource"]) == (
        ["kms:Decrypt", "kms:GenerateDataKey"],
        [KEY, OTHER_KEY],
    )
    services = [f"{name}.{REGION}.amazonaws.com" for name in ("dynamodb", "s3", "sqs")]
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": services}}


def test_a_key_encrypts_everything_that_the_stack_creates() -> None:
    """Queues, topics, table, buckets, repository and logs are encrypted with the key of their region."""
    run = record(
        {
            "story_infra": {"source": "own"},
            "monitoring": {"create_topic": True},
            "storage": {"versioning": True, "replica_region": "eu-central-1"},
            "encryption": {"key_arn": KEY, "replica_key_arn": OTHER_KEY},
        }
    )
    for kind in ("aws:sqs/queue:Queue", "aws:sns/topic:Topic"):
        assert {item.inputs["kmsMasterKeyId"] for item in run.all(kind)} == {KEY}
    assert run.one("aws:dynamodb/table:Table")["serverSideEncryption"]["kmsKeyArn"] == KEY
    assert run.one("aws:cloudwatch/logGroup:LogGroup")["kmsKeyId"] == KEY
    (repository,) = run.one("aws:ecr/repository:Repository")["encryptionConfigurations"]
    assert repository == {"encryptionType": "KMS", "kmsKey": KEY}
    rules = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    for name, key in (("media-encryption", KEY), ("replica-encryption", OTHER_KEY)):
        (rule,) = run.one(rules, name)["rules"]
        assert rule["applyServerSideEncryptionByDefault"] == {
            "sseAlgorithm": "aws:kms",
            "kmsMasterKeyId": key,
        }
    copying = {tuple(item["Action"]): item["Resource"] for item in statements(run)["replication-use-keys"]}
    assert copying == {("kms:Decrypt",): [KEY], ("kms:Encrypt", "kms:GenerateDataKey"): [OTHER_KEY]}
