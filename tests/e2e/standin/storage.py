"""Queues, topics, buckets and tables of the double."""

from typing import Any

from typing_extensions import override

from tests.e2e.standin.base import Properties, Resource, pairs, pascal, resource


@resource
class Queue(Resource):
    """An SQS queue."""

    token = "aws:sqs/queue:Queue"
    replaces = frozenset({"name"})

    def _attributes(self, inputs: Properties) -> dict[str, str]:
        names = {
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
            "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
            "sqsManagedSseEnabled": "SqsManagedSseEnabled",
        }
        return {name: str(inputs[key]).lower() for key, name in names.items() if key in inputs}

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        sqs = self.aws.client("sqs")
        url = sqs.create_queue(
            QueueName=inputs["name"], Attributes=self._attributes(inputs), tags=inputs.get("tags", {})
        )["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        return url, {"url": url, "arn": arn}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("sqs").set_queue_attributes(QueueUrl=id_, Attributes=self._attributes(inputs))
        return {key: state[key] for key in ("url", "arn")}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("sqs").delete_queue(QueueUrl=id_)


class QueueAttribute(Resource):
    """One attribute of a queue that is a resource of its own."""

    replaces = frozenset({"queueUrl"})
    attribute: str
    source: str

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("sqs").set_queue_attributes(
            QueueUrl=inputs["queueUrl"], Attributes={self.attribute: inputs[self.source]}
        )
        return inputs["queueUrl"], {}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("sqs").set_queue_attributes(QueueUrl=id_, Attributes={self.attribute: ""})


@resource
class QueuePolicy(QueueAttribute):
    """Who may send."""

    token = "aws:sqs/queuePolicy:QueuePolicy"
    attribute, source = "Policy", "policy"


@resource
class RedrivePolicy(QueueAttribute):
    """Where what was received too often goes."""

    token = "aws:sqs/redrivePolicy:RedrivePolicy"
    attribute, source = "RedrivePolicy", "redrivePolicy"


@resource
class Topic(Resource):
    """An SNS topic."""

    token = "aws:sns/topic:Topic"
    replaces = frozenset({"name"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        arn = self.aws.client("sns").create_topic(Name=inputs["name"], Tags=pairs(inputs.get("tags")))[
            "TopicArn"
        ]
        return arn, {"arn": arn}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("sns").delete_topic(TopicArn=id_)


@resource
class TopicSubscription(Resource):
    """Who hears of a topic."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    replaces = frozenset({"topic", "protocol", "endpoint"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        attributes = {"FilterPolicy": inputs["filterPolicy"]} if "filterPolicy" in inputs else {}
        arn = self.aws.client("sns").subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return arn, {"arn": arn}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("sns").unsubscribe(SubscriptionArn=id_)


@resource
class Table(Resource):
    """A DynamoDB table."""

    token = "aws:dynamodb/table:Table"
    replaces = frozenset({"name", "hashKey", "rangeKey"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        dynamodb = self.aws.client("dynamodb")
        made = dynamodb.create_table(
            TableName=inputs["name"],
            BillingMode=inputs["billingMode"],
            KeySchema=[
                {"AttributeName": inputs["hashKey"], "KeyType": "HASH"},
                {"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": item["name"], "AttributeType": item["type"]}
                for item in inputs["attributes"]
            ],
            GlobalSecondaryIndexes=[_index(item) for item in inputs["globalSecondaryIndexes"]],
            DeletionProtectionEnabled=inputs["deletionProtectionEnabled"],
            Tags=pairs(inputs.get("tags")),
        )["TableDescription"]
        dynamodb.update_continuous_backups(
            TableName=inputs["name"],
            PointInTimeRecoverySpecification={
                "PointInTimeRecoveryEnabled": inputs["pointInTimeRecovery"]["enabled"]
            },
        )
        return inputs["name"], {"arn": made["TableArn"]}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("dynamodb").update_table(
            TableName=id_, DeletionProtectionEnabled=inputs["deletionProtectionEnabled"]
        )
        return {"arn": state["arn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("dynamodb").delete_table(TableName=id_)


def _index(index: Properties) -> dict[str, Any]:
    return {
        "IndexName": index["name"],
        "KeySchema": [pascal(item) for item in index["keySchemas"]],
        "Projection": {"ProjectionType": index["projectionType"]},
    }


@resource
class Bucket(Resource):
    """An S3 bucket."""

    token = "aws:s3/bucket:Bucket"
    replaces = frozenset({"bucket", "region"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        region = inputs.get("region")
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}} if region else {}
        s3 = self.aws.client("s3", region)
        s3.create_bucket(Bucket=inputs["bucket"], **where)
        s3.put_bucket_tagging(Bucket=inputs["bucket"], Tagging={"TagSet": pairs(inputs.get("tags"))})
        return inputs["bucket"], {"arn": f"arn:aws:s3:::{inputs['bucket']}"}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return {"arn": state["arn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        s3 = self.aws.client("s3", state.get("region"))
        if state.get("forceDestroy"):
            listed = s3.list_object_versions(Bucket=id_)
            for item in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
                s3.delete_object(Bucket=id_, Key=item["Key"], VersionId=item["VersionId"])
        s3.delete_bucket(Bucket=id_)


class BucketOption(Resource):
    """One aspect of a bucket that is a resource of its own."""

    replaces = frozenset({"bucket", "region"})
    put: str
    argument: str

    def body(self, inputs: Properties) -> Properties:
        """The aspect as S3's interface takes it."""
        raise NotImplementedError

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        s3 = self.aws.client("s3", inputs.get("region"))
        getattr(s3, f"put_{self.put}")(Bucket=inputs["bucket"], **{self.argument: self.body(inputs)})
        return inputs["bucket"], {}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        getattr(self.aws.client("s3", state.get("region")), f"delete_{self.put}")(Bucket=id_)


@resource
class BucketPublicAccessBlock(BucketOption):
    """Never public."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    put, argument = "public_access_block", "PublicAccessBlockConfiguration"

    @override
    def body(self, inputs: Properties) -> Properties:
        return {key: value for key, value in pascal(inputs).items() if key not in ("Bucket", "Region")}


@resource
class BucketEncryption(BucketOption):
    """Encrypted."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    put, argument = "bucket_encryption", "ServerSideEncryptionConfiguration"

    @override
    def body(self, inputs: Properties) -> Properties:
        algorithm = inputs["rules"][0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"]
        return {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}]}


@resource
class BucketVersioning(BucketOption):
    """Versioned; AWS has no way back but suspension."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    put, argument = "bucket_versioning", "VersioningConfiguration"

    @override
    def body(self, inputs: Properties) -> Properties:
        return {"Status": inputs["versioningConfiguration"]["status"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("s3", state.get("region")).put_bucket_versioning(
            Bucket=id_, VersioningConfiguration={"Status": "Suspended"}
        )


@resource
class BucketLifecycle(BucketOption):
    """Cleaned up."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    put, argument = "bucket_lifecycle_configuration", "LifecycleConfiguration"

    @override
    def body(self, inputs: Properties) -> Properties:
        return {"Rules": [_rule(rule) for rule in inputs["rules"]]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("s3").delete_bucket_lifecycle(Bucket=id_)


@resource
class BucketReplication(BucketOption):
    """Copied elsewhere."""

    token = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    put, argument = "bucket_replication", "ReplicationConfiguration"

    @override
    def body(self, inputs: Properties) -> Properties:
        rules = [{**_rule(rule), "Priority": index + 1} for index, rule in enumerate(inputs["rules"])]
        return {"Role": inputs["role"], "Rules": rules}


def _rule(rule: Properties) -> Properties:
    taken: Properties = pascal(rule)
    taken["ID"] = taken.pop("Id")
    return taken
