"""The AWS resource types that reach the embedded AWS; any other type is a `PassThrough`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import jmespath  # type: ignore[import-untyped]

from tests.e2e.standin.aws import ACCOUNT, Aws, Properties, rename


class PassThrough:
    """A type that no test looks for in AWS: its outputs are its properties, a new id and an ARN."""

    replaced_by: str = "name"
    """Properties that AWS sets at creation only: a change of one replaces the resource."""
    delete_first: bool = True
    """Whether the old resource goes before the new one comes, because both have the same name."""

    def create(self, aws: Aws, inputs: Properties) -> Properties:
        """Create the resource; return its id and its other computed properties."""
        id_ = inputs.get("name", str(uuid4()))
        return {"id": id_, "arn": f"arn:aws:stand-in:{aws.region}:{ACCOUNT}:{id_}"}

    def update(self, aws: Aws, state: Properties) -> Properties:  # noqa: ARG002  # AWS hears nothing of it
        """Change the resource in place; return the computed properties that are new."""
        return {}

    def delete(self, aws: Aws, state: Properties) -> None:
        """Delete the resource."""


@dataclass(frozen=True)
class ResourceType(PassThrough):
    """A type whose operations are called in order, each with those properties that its input has."""

    operations: str
    """service: create; update; delete. Without an update the stand-in cannot change it in place."""
    outputs: str
    """property=JMESPath over the properties and the answers; the ARN is made up where it is missing."""
    names: str = ""
    """property=parameter, where they differ by more than case; see `rename`."""
    replaced_by: str = "name"
    delete_first: bool = True
    constants: Properties = field(default_factory=dict)
    """Parameters of all operations."""
    deleted_with: Properties = field(default_factory=dict)
    """Properties at the deletion alone; None for those that it may not have."""
    prepare: Callable[[Properties], Properties] = dict
    """Rearranges the properties where names are not enough."""

    def create(self, aws: Aws, inputs: Properties) -> Properties:
        """Create the resource; return its id and its other computed properties."""
        answers = self._call(aws, 0, inputs)
        outputs = {name: jmespath.search(path, answers) for name, path in _pairs(self.outputs)}
        service = self.operations.partition(":")[0]
        return {"arn": f"arn:aws:{service}:{aws.region}:{ACCOUNT}:{outputs['id']}", **outputs}

    def update(self, aws: Aws, state: Properties) -> Properties:
        """Change the resource in place."""
        self._call(aws, 1, state)
        return {}

    def delete(self, aws: Aws, state: Properties) -> None:
        """Delete the resource."""
        self._call(aws, 2, state | self.deleted_with)

    def _call(self, aws: Aws, step: int, properties: Properties) -> Properties:
        service, _, steps = self.operations.partition(":")
        operations = steps.split(";")[step].split()
        if not operations:
            message = f"the stand-in has no operation {step} of {self.operations}"
            raise NotImplementedError(message)
        values = self.constants | rename(self.prepare(properties), _pairs(self.names))
        for operation in operations:
            values |= aws.call(service, operation, values)
        return properties | values


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in text.split())]


def _arrange_table(table: Properties) -> Properties:
    return {
        **table,
        "keySchema": [
            {"attributeName": table[key], "keyType": kind}
            for key, kind in (("hashKey", "HASH"), ("rangeKey", "RANGE"))
        ],
        "attributeDefinitions": [
            {"attributeName": item["name"], "attributeType": item["type"]} for item in table["attributes"]
        ],
        "globalSecondaryIndexes": [
            {"indexName": item["name"], "keySchema": item["keySchemas"], "projection": item}
            for item in table["globalSecondaryIndexes"]
        ],
        "pointInTimeRecoverySpecification": {
            "pointInTimeRecoveryEnabled": table["pointInTimeRecovery"]["enabled"]
        },
    }


def _arrange_rule(rule: Properties) -> Properties:
    permission: Properties = {key: rule[key] for key in ("ipProtocol", "fromPort", "toPort")}
    for name, member, key in (
        ("ipRanges", "cidrIp", "cidrIpv4"),
        ("prefixListIds", "prefixListId", "prefixListId"),
        ("userIdGroupPairs", "groupId", "referencedSecurityGroupId"),
    ):
        if key in rule:
            permission[name] = [{member: rule[key], "description": rule["description"]}]
    return {"groupId": rule["securityGroupId"], "ipPermissions": [permission], "rule": str(permission)}


def _rule(way: str) -> ResourceType:
    return ResourceType(
        f"ec2: AuthorizeSecurityGroup{way}; ; RevokeSecurityGroup{way}",
        outputs="id=join('-',[groupId,rule])",
        prepare=_arrange_rule,
        replaced_by="securityGroupId",
    )


def _queue_attribute(name: str, attribute: str) -> ResourceType:
    return ResourceType(
        "sqs: SetQueueAttributes; SetQueueAttributes; SetQueueAttributes",
        outputs="id=queueUrl",
        names=f"{name}=Attributes.{attribute}",
        deleted_with={name: ""},
        replaced_by="queueUrl",
    )


RESOURCE_TYPES: Mapping[str, PassThrough] = {
    "aws:cloudwatch/dashboard:Dashboard": ResourceType(
        "cloudwatch: PutDashboard; PutDashboard; DeleteDashboards",
        outputs="id=dashboardName",
        names="dashboardName=dashboardName dashboardName=dashboardNames",
        replaced_by="dashboardName",
    ),
    "aws:cloudwatch/logGroup:LogGroup": ResourceType(
        "logs: CreateLogGroup PutRetentionPolicy; PutRetentionPolicy; DeleteLogGroup",
        outputs="id=name",
        names="name=logGroupName",
    ),
    "aws:dynamodb/table:Table": ResourceType(
        "dynamodb: CreateTable UpdateContinuousBackups; UpdateTable UpdateContinuousBackups; DeleteTable",
        outputs="id=name arn=TableDescription.TableArn",
        names="name=tableName",
        prepare=_arrange_table,
        replaced_by="name hashKey rangeKey",
    ),
    # AWS opens a new group to everywhere, and the real provider closes it again.
    "aws:ec2/securityGroup:SecurityGroup": ResourceType(
        "ec2: CreateSecurityGroup RevokeSecurityGroupEgress; ; DeleteSecurityGroup",
        outputs="id=GroupId",
        names="id=GroupId name=groupName",
        deleted_with={"name": None},  # a group has an id or a name
        constants={"ipPermissions": [{"ipProtocol": "-1", "ipRanges": [{"cidrIp": "0.0.0.0/0"}]}]},
        replaced_by="name description vpcId",
    ),
    "aws:ec2/subnet:Subnet": ResourceType(
        "ec2: CreateSubnet; ; DeleteSubnet",
        outputs="id=Subnet.SubnetId",
        names="id=subnetId",
        replaced_by="vpcId cidrBlock availabilityZone",
    ),
    "aws:ec2/vpc:Vpc": ResourceType(
        "ec2: CreateVpc; ; DeleteVpc", outputs="id=Vpc.VpcId", names="id=vpcId", replaced_by="cidrBlock"
    ),
    "aws:ecr/repository:Repository": ResourceType(
        "ecr: CreateRepository; PutImageScanningConfiguration; DeleteRepository",
        outputs="id=name arn=repository.repositoryArn repositoryUrl=repository.repositoryUri",
        names="name=repositoryName encryptionConfigurations=encryptionConfiguration forceDelete=force",
        replaced_by="name encryptionConfigurations",
    ),
    "aws:ecs/cluster:Cluster": ResourceType(
        "ecs: CreateCluster; ; DeleteCluster",
        outputs="id=cluster.clusterArn arn=cluster.clusterArn",
        names="name=clusterName name=cluster",
    ),
    "aws:ecs/service:Service": ResourceType(
        "ecs: CreateService; UpdateService; DeleteService",
        outputs="id=service.serviceArn arn=service.serviceArn",
        names=(
            "name=serviceName name=service capacityProviderStrategies=capacityProviderStrategy"
            " networkConfiguration=networkConfiguration.awsvpcConfiguration"
            " deploymentMinimumHealthyPercent=deploymentConfiguration.minimumHealthyPercent"
            " deploymentMaximumPercent=deploymentConfiguration.maximumPercent"
            " deploymentCircuitBreaker=deploymentConfiguration.deploymentCircuitBreaker"
            " alarms=deploymentConfiguration.alarms"
        ),
        deleted_with={"force": True},
        replaced_by="name cluster launchType deploymentController",
    ),
    "aws:ecs/taskDefinition:TaskDefinition": ResourceType(
        "ecs: RegisterTaskDefinition; ; DeregisterTaskDefinition",
        outputs="id=family arn=taskDefinition.taskDefinitionArn revision=taskDefinition.revision",
        names="arn=taskDefinition",
        replaced_by=(
            "family containerDefinitions cpu memory executionRoleArn taskRoleArn runtimePlatform volumes"
        ),
        delete_first=False,
    ),
    "aws:iam/role:Role": ResourceType(
        "iam: CreateRole; UpdateAssumeRolePolicy; DeleteRole",
        outputs="id=name arn=Role.Arn",
        names="name=roleName assumeRolePolicy=assumeRolePolicyDocument assumeRolePolicy=policyDocument",
    ),
    "aws:iam/rolePolicy:RolePolicy": ResourceType(
        "iam: PutRolePolicy; PutRolePolicy; DeleteRolePolicy",
        outputs="id=join(':',[role,name])",
        names="role=roleName name=policyName policy=policyDocument",
        replaced_by="name role",
    ),
    "aws:s3/bucket:Bucket": ResourceType(
        "s3: CreateBucket PutBucketTagging; PutBucketTagging; DeleteBucket",
        outputs="id=bucket arn=join('',['arn:aws:s3:::',bucket])",
        names="tags=tagging.tagSet region=region region=createBucketConfiguration.locationConstraint",
        replaced_by="bucket region",
    ),
    "aws:sns/topic:Topic": ResourceType(
        "sns: CreateTopic; ; DeleteTopic",
        outputs="id=TopicArn arn=TopicArn",
        names="arn=topicArn maximumMessageSize=Attributes.MaximumMessageSize",
    ),
    "aws:sns/topicSubscription:TopicSubscription": ResourceType(
        "sns: Subscribe; ; Unsubscribe",
        outputs="id=SubscriptionArn arn=SubscriptionArn",
        names="topic=topicArn filterPolicy=Attributes.FilterPolicy arn=subscriptionArn",
        constants={"returnSubscriptionArn": True},
        replaced_by="topic protocol endpoint",
    ),
    "aws:sqs/queue:Queue": ResourceType(
        "sqs: CreateQueue GetQueueAttributes; SetQueueAttributes; DeleteQueue",
        outputs="id=QueueUrl url=QueueUrl arn=Attributes.QueueArn",
        names=(
            "id=QueueUrl name=queueName maxMessageSize=Attributes.MaximumMessageSize"
            " messageRetentionSeconds=Attributes.MessageRetentionPeriod"
            " visibilityTimeoutSeconds=Attributes.VisibilityTimeout"
            " receiveWaitTimeSeconds=Attributes.ReceiveMessageWaitTimeSeconds"
            " sqsManagedSseEnabled=Attributes.SqsManagedSseEnabled"
        ),
        constants={"attributeNames": ["QueueArn"]},
    ),
    "aws:sqs/queuePolicy:QueuePolicy": _queue_attribute("policy", "Policy"),
    "aws:sqs/redrivePolicy:RedrivePolicy": _queue_attribute("redrivePolicy", "RedrivePolicy"),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rule("Egress"),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rule("Ingress"),
}
