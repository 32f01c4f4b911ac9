"""Translates recorded resources into a CloudFormation template, for AWS's own resource schemas to judge.

Input names become CloudFormation's by a capital letter; the tables below list the exceptions. An input that
neither rule translates reaches the template as it is, and the schema refuses it.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.stack.recording import Declared

# Inputs that only the provider reads, by their name in every resource.
PROVIDER_ONLY = {
    "forceDestroy": "deletes a bucket's objects, or a service's instances, before it is deleted",
    "waitForSteadyState": "how long an update waits",
    "region": "the region of the single resource",
}
# Inputs that hold JSON.
DOCUMENTS = {"policy", "assumeRolePolicy", "redrivePolicy", "filterPolicy", "containerDefinitions"}
# Types that are not AWS's, and why nobody's schema is asked.
NOT_AWS = {
    "docker-build:index:Image": "built by buildx",
    "docker-build:index:Index": "built by buildx",
}

Inputs = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Translation:
    """How a Pulumi type becomes a CloudFormation type.

    `names` maps an input's dotted path to the dotted name that it has within its parent; None leaves it out.
    """

    type: str
    names: Mapping[str, str | None] = field(default_factory=dict)
    adjust: Callable[[Inputs], Inputs] = lambda inputs: inputs


def _table(inputs: Inputs) -> Inputs:
    keys = [{"attributeName": inputs.pop("hashKey"), "keyType": "HASH"}]
    if "rangeKey" in inputs:
        keys.append({"attributeName": inputs.pop("rangeKey"), "keyType": "RANGE"})
    if "serverSideEncryption" in inputs:
        # The only type that there is, which the provider sends and CloudFormation wants named.
        inputs["serverSideEncryption"]["SSEType"] = "KMS"
    return {**inputs, "keySchema": keys}


def _service(inputs: Inputs) -> Inputs:
    network = inputs["networkConfiguration"]
    network["assignPublicIp"] = "ENABLED" if network["assignPublicIp"] else "DISABLED"
    if "serviceRegistries" in inputs:
        inputs["serviceRegistries"] = [inputs["serviceRegistries"]]
    return inputs


def _without_strategy(inputs: Inputs) -> Inputs:
    # CloudFormation insists on the list, which the provider sends empty.
    return {"defaultCapacityProviderStrategy": [], **inputs}


def _scheduled(inputs: Inputs) -> Inputs:
    action = {key: inputs.pop(key) for key in ("name", "schedule", "timezone", "scalableTargetAction")}
    return {**inputs, "minCapacity": 0, "maxCapacity": 1, "scheduledActions": [action]}


def _first_of(name: str) -> Callable[[Inputs], Inputs]:
    return lambda inputs: {**inputs, name: inputs[name][0]}


def _list_of(name: str) -> Callable[[Inputs], Inputs]:
    return lambda inputs: {**inputs, name: [inputs[name]]}


_RULES = {"securityGroupId": "GroupId", "cidrIpv4": "CidrIp", "tags": None}
TRANSLATIONS: Mapping[str, Translation] = {
    "aws:appautoscaling/policy:Policy": Translation(
        type="AWS::ApplicationAutoScaling::ScalingPolicy", names={"name": "PolicyName"}
    ),
    # CloudFormation has schedules as a part of the target.
    "aws:appautoscaling/scheduledAction:ScheduledAction": Translation(
        type="AWS::ApplicationAutoScaling::ScalableTarget",
        names={"scheduledActions.name": "ScheduledActionName"},
        adjust=_scheduled,
    ),
    "aws:appautoscaling/target:Target": Translation(
        type="AWS::ApplicationAutoScaling::ScalableTarget", names={"tags": None}
    ),
    "aws:cloudwatch/dashboard:Dashboard": Translation(type="AWS::CloudWatch::Dashboard"),
    "aws:cloudwatch/logGroup:LogGroup": Translation(
        type="AWS::Logs::LogGroup", names={"name": "LogGroupName"}
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Translation(
        type="AWS::CloudWatch::Alarm",
        names={
            "name": "AlarmName",
            "okActions": "OKActions",
            "metricQueries": "Metrics",
            "metricQueries.metric": "MetricStat",
            "metricQueries.metric.namespace": "Metric.Namespace",
            "metricQueries.metric.metricName": "Metric.MetricName",
            "metricQueries.metric.dimensions": "Metric.Dimensions",
        },
    ),
    "aws:dynamodb/table:Table": Translation(
        type="AWS::DynamoDB::Table",
        adjust=_table,
        names={
            "name": "TableName",
            "attributes": "AttributeDefinitions",
            "attributes.name": "AttributeName",
            "attributes.type": "AttributeType",
            "globalSecondaryIndexes.name": "IndexName",
            "globalSecondaryIndexes.keySchemas": "KeySchema",
            "globalSecondaryIndexes.projectionType": "Projection.ProjectionType",
            "pointInTimeRecovery": "PointInTimeRecoverySpecification",
            "pointInTimeRecovery.enabled": "PointInTimeRecoveryEnabled",
            "serverSideEncryption": "SSESpecification",
            "serverSideEncryption.enabled": "SSEEnabled",
            "serverSideEncryption.kmsKeyArn": "KMSMasterKeyId",
        },
    ),
    "aws:ec2/eip:Eip": Translation(type="AWS::EC2::EIP"),
    # The provider attaches the gateway with a call of its own.
    "aws:ec2/internetGateway:InternetGateway": Translation(
        type="AWS::EC2::InternetGateway", names={"vpcId": None}
    ),
    "aws:ec2/natGateway:NatGateway": Translation(type="AWS::EC2::NatGateway"),
    "aws:ec2/route:Route": Translation(type="AWS::EC2::Route"),
    "aws:ec2/routeTable:RouteTable": Translation(type="AWS::EC2::RouteTable"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Translation(
        type="AWS::EC2::SubnetRouteTableAssociation"
    ),
    "aws:ec2/securityGroup:SecurityGroup": Translation(
        type="AWS::EC2::SecurityGroup", names={"name": "GroupName", "description": "GroupDescription"}
    ),
    "aws:ec2/subnet:Subnet": Translation(type="AWS::EC2::Subnet"),
    "aws:ec2/vpc:Vpc": Translation(type="AWS::EC2::VPC"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Translation(type="AWS::EC2::VPCEndpoint"),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Translation(
        type="AWS::ECR::Repository",
        names={"repository": "RepositoryName", "policy": "LifecyclePolicy.LifecyclePolicyText"},
        adjust=lambda inputs: {**inputs, "policy": json.dumps(inputs["policy"])},
    ),
    "aws:ecr/repository:Repository": Translation(
        type="AWS::ECR::Repository",
        adjust=_first_of("encryptionConfigurations"),
        names={
            "name": "RepositoryName",
            "encryptionConfigurations": "EncryptionConfiguration",
            "forceDelete": "EmptyOnDelete",
            "imageTagMutabilityExclusionFilters.filter": "ImageTagMutabilityExclusionFilterValue",
            "imageTagMutabilityExclusionFilters.filterType": "ImageTagMutabilityExclusionFilterType",
        },
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Translation(
        type="AWS::ECR::Repository", names={"repository": "RepositoryName", "policy": "RepositoryPolicyText"}
    ),
    "aws:ecs/cluster:Cluster": Translation(type="AWS::ECS::Cluster", names={"name": "ClusterName"}),
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": Translation(
        type="AWS::ECS::ClusterCapacityProviderAssociations",
        names={"clusterName": "Cluster"},
        adjust=_without_strategy,
    ),
    "aws:ecs/service:Service": Translation(
        type="AWS::ECS::Service",
        adjust=_service,
        names={
            "name": "ServiceName",
            "alarms": "DeploymentConfiguration.Alarms",
            "capacityProviderStrategies": "CapacityProviderStrategy",
            "deploymentCircuitBreaker": "DeploymentConfiguration.DeploymentCircuitBreaker",
            "deploymentMaximumPercent": "DeploymentConfiguration.MaximumPercent",
            "deploymentMinimumHealthyPercent": "DeploymentConfiguration.MinimumHealthyPercent",
            "enableEcsManagedTags": "EnableECSManagedTags",
            "forceNewDeployment": "ForceNewDeployment.EnableForceNewDeployment",
            "networkConfiguration": "NetworkConfiguration.AwsvpcConfiguration",
        },
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Translation(type="AWS::ECS::TaskDefinition"),
    "aws:iam/role:Role": Translation(
        type="AWS::IAM::Role",
        names={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
    ),
    "aws:iam/rolePolicy:RolePolicy": Translation(
        type="AWS::IAM::RolePolicy",
        names={"name": "PolicyName", "policy": "PolicyDocument", "role": "RoleName"},
    ),
    "aws:s3/bucket:Bucket": Translation(type="AWS::S3::Bucket", names={"bucket": "BucketName"}),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Translation(
        type="AWS::S3::Bucket",
        names={
            "bucket": "BucketName",
            "rules": "LifecycleConfiguration.Rules",
            "rules.filter": "",
            "rules.expiration": "",
            "rules.expiration.days": "ExpirationInDays",
        },
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Translation(
        type="AWS::S3::Bucket",
        names={
            "bucket": "BucketName",
            **{
                name: f"PublicAccessBlockConfiguration.{name[0].upper()}{name[1:]}"
                for name in (
                    "blockPublicAcls",
                    "blockPublicPolicy",
                    "ignorePublicAcls",
                    "restrictPublicBuckets",
                )
            },
        },
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Translation(
        type="AWS::S3::Bucket",
        names={
            "bucket": "BucketName",
            "role": "ReplicationConfiguration.Role",
            "rules": "ReplicationConfiguration.Rules",
            "rules.destination.encryptionConfiguration.replicaKmsKeyId": "ReplicaKmsKeyID",
        },
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Translation(
        type="AWS::S3::Bucket",
        names={
            "bucket": "BucketName",
            "rules": "BucketEncryption.ServerSideEncryptionConfiguration",
            "rules.applyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault",
            "rules.applyServerSideEncryptionByDefault.sseAlgorithm": "SSEAlgorithm",
            "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId": "KMSMasterKeyID",
        },
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Translation(
        type="AWS::S3::Bucket", names={"bucket": "BucketName"}
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Translation(
        type="AWS::S3::BucketPolicy", names={"policy": "PolicyDocument"}
    ),
    "aws:servicediscovery/privateDnsNamespace:PrivateDnsNamespace": Translation(
        type="AWS::ServiceDiscovery::PrivateDnsNamespace"
    ),
    "aws:servicediscovery/service:Service": Translation(
        type="AWS::ServiceDiscovery::Service", names={"dnsConfig.dnsRecords.ttl": "TTL"}
    ),
    "aws:sns/topic:Topic": Translation(type="AWS::SNS::Topic", names={"name": "TopicName"}),
    "aws:sns/topicPolicy:TopicPolicy": Translation(
        type="AWS::SNS::TopicPolicy",
        names={"arn": "Topics", "policy": "PolicyDocument"},
        adjust=_list_of("arn"),
    ),
    "aws:sns/topicSubscription:TopicSubscription": Translation(
        type="AWS::SNS::Subscription", names={"topic": "TopicArn"}
    ),
    "aws:sqs/queue:Queue": Translation(
        type="AWS::SQS::Queue",
        names={
            "name": "QueueName",
            "maxMessageSize": "MaximumMessageSize",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Translation(
        type="AWS::SQS::QueuePolicy",
        names={"queueUrl": "Queues", "policy": "PolicyDocument"},
        adjust=_list_of("queueUrl"),
    ),
    "aws:sqs/redrivePolicy:RedrivePolicy": Translation(type="AWS::SQS::Queue", names={"queueUrl": None}),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Translation(
        type="AWS::EC2::SecurityGroupEgress",
        names={
            **_RULES,
            "prefixListId": "DestinationPrefixListId",
            "referencedSecurityGroupId": "DestinationSecurityGroupId",
        },
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Translation(
        type="AWS::EC2::SecurityGroupIngress",
        names={**_RULES, "referencedSecurityGroupId": "SourceSecurityGroupId"},
    ),
}


def template(resources: Iterable[Declared]) -> dict[str, Any]:
    """A template with every distinct AWS resource, keyed by the letters of its type and name.

    Raises KeyError for a type without a translation.
    """
    found: dict[str, Any] = {}
    for item in resources:
        if not item.custom or item.type in NOT_AWS:
            continue
        written = translate(item)
        stem = "".join(filter(str.isalnum, f"{item.type.rsplit(':', 1)[-1]}{item.name.title()}"))
        if written not in found.values():
            number = sum(key.rstrip("0123456789") == stem for key in found)
            found[f"{stem}{number or ''}"] = written
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": found}


def translate(item: Declared) -> dict[str, Any]:
    """A resource as CloudFormation writes it. Raises KeyError where its type has no translation."""
    translation = TRANSLATIONS[item.type]
    inputs = {name: _parsed(name, value) for name, value in item.inputs.items() if name not in PROVIDER_ONLY}
    return {
        "Type": translation.type,
        "Properties": _mapping(translation.adjust(inputs), "", translation.names),
    }


def _parsed(name: str, value: Any) -> Any:
    return json.loads(value) if name in DOCUMENTS else value


def _mapping(inputs: Mapping[str, Any], path: str, names: Mapping[str, str | None]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for name, value in inputs.items():
        inner = f"{path}{name}"
        target = names.get(inner, name[0].upper() + name[1:])
        if target is not None:
            _merge(written, [part for part in target.split(".") if part], _value(value, inner, names))
    return written


def _value(value: Any, path: str, names: Mapping[str, str | None]) -> Any:
    last = path.rsplit(".", 1)[-1]
    if isinstance(value, list):
        return [_mapping(item, f"{path}.", names) if isinstance(item, dict) else item for item in value]
    if last == "tags":
        return [{"Key": key, "Value": text} for key, text in value.items()]
    if last == "dimensions":
        return [{"Name": name, "Value": text} for name, text in value.items()]
    if isinstance(value, dict) and last not in DOCUMENTS | {"options"}:
        return _mapping(value, f"{path}.", names)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _merge(into: dict[str, Any], target: list[str], value: Any) -> None:
    for name in target[:-1]:
        into = into.setdefault(name, {})
    if not target or (isinstance(into.get(target[-1]), dict) and isinstance(value, dict)):
        (into[target[-1]] if target else into).update(value)
    else:
        into[target[-1]] = value
