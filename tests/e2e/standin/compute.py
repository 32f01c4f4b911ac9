"""ECR, ECS, autoscaling, roles, logs and alarms of the double."""

import json
from typing import Any

from typing_extensions import override

from tests.e2e.standin.base import Properties, Resource, pairs, pascal, resource


@resource
class Repository(Resource):
    """An ECR repository."""

    token = "aws:ecr/repository:Repository"
    replaces = frozenset({"name", "encryptionConfigurations"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("ecr").create_repository(
            repositoryName=inputs["name"],
            imageTagMutability=inputs["imageTagMutability"],
            imageTagMutabilityExclusionFilters=inputs["imageTagMutabilityExclusionFilters"],
            imageScanningConfiguration=inputs["imageScanningConfiguration"],
            encryptionConfiguration=inputs["encryptionConfigurations"][0],
            tags=pairs(inputs.get("tags")),
        )["repository"]
        return made["repositoryName"], {
            "arn": made["repositoryArn"],
            "repositoryUrl": made["repositoryUri"],
            "registryId": made["registryId"],
        }

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("ecr").put_image_scanning_configuration(
            repositoryName=id_, imageScanningConfiguration=inputs["imageScanningConfiguration"]
        )
        return {key: state[key] for key in ("arn", "repositoryUrl", "registryId")}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ecr").delete_repository(repositoryName=id_, force=bool(state.get("forceDelete")))


@resource
class LifecyclePolicy(Resource):
    """Its clean-up."""

    token = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
    replaces = frozenset({"repository"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("ecr").put_lifecycle_policy(
            repositoryName=inputs["repository"], lifecyclePolicyText=inputs["policy"]
        )
        return inputs["repository"], {"registryId": self.aws.account}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ecr").delete_lifecycle_policy(repositoryName=id_)


@resource
class RepositoryPolicy(Resource):
    """Who may pull from it."""

    token = "aws:ecr/repositoryPolicy:RepositoryPolicy"
    replaces = frozenset({"repository"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("ecr").set_repository_policy(
            repositoryName=inputs["repository"], policyText=inputs["policy"]
        )
        return inputs["repository"], {"registryId": self.aws.account}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ecr").delete_repository_policy(repositoryName=id_)


@resource
class Cluster(Resource):
    """An ECS cluster."""

    token = "aws:ecs/cluster:Cluster"
    replaces = frozenset({"name"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("ecs").create_cluster(
            clusterName=inputs["name"], tags=pairs(inputs.get("tags"), "key", "value")
        )["cluster"]
        return made["clusterArn"], {"arn": made["clusterArn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ecs").delete_cluster(cluster=id_)


@resource
class ClusterCapacityProviders(Resource):
    """What a cluster's services may run on."""

    token = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
    replaces = frozenset({"clusterName"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("ecs").put_cluster_capacity_providers(
            cluster=inputs["clusterName"],
            capacityProviders=inputs["capacityProviders"],
            defaultCapacityProviderStrategy=inputs.get("defaultCapacityProviderStrategies", []),
        )
        return inputs["clusterName"], {}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ecs").put_cluster_capacity_providers(
            cluster=id_, capacityProviders=[], defaultCapacityProviderStrategy=[]
        )


@resource
class TaskDefinition(Resource):
    """A task definition: every change is a new revision."""

    token = "aws:ecs/taskDefinition:TaskDefinition"
    replaces = frozenset(
        {
            "containerDefinitions",
            "cpu",
            "memory",
            "executionRoleArn",
            "taskRoleArn",
            "runtimePlatform",
            "volumes",
            "family",
        }
    )
    delete_first = False

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        taken = {key: value for key, value in inputs.items() if key not in ("tags", "containerDefinitions")}
        made = self.aws.client("ecs").register_task_definition(
            **taken,
            containerDefinitions=json.loads(inputs["containerDefinitions"]),
            tags=pairs(inputs.get("tags"), "key", "value"),
        )["taskDefinition"]
        return made["family"], {"arn": made["taskDefinitionArn"], "revision": made["revision"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("ecs").deregister_task_definition(taskDefinition=state["arn"])


@resource
class Service(Resource):
    """An ECS service; the emulator starts no task, and so it is steady at once."""

    token = "aws:ecs/service:Service"
    replaces = frozenset({"name", "cluster", "launchType", "deploymentController"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("ecs").create_service(
            serviceName=inputs["name"],
            cluster=inputs["cluster"],
            desiredCount=inputs["desiredCount"],
            deploymentController=inputs["deploymentController"],
            tags=pairs(inputs.get("tags"), "key", "value"),
            serviceRegistries=_list(inputs.get("serviceRegistries")),
            **_launch(inputs),
            **_changeable(inputs),
        )["service"]
        return made["serviceArn"], {"arn": made["serviceArn"]}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("ecs").update_service(
            service=inputs["name"],
            cluster=inputs["cluster"],
            forceNewDeployment=inputs["forceNewDeployment"],
            **_changeable(inputs),
        )
        return {"arn": state["arn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        ecs = self.aws.client("ecs")
        ecs.update_service(service=state["name"], cluster=state["cluster"], desiredCount=0)
        ecs.delete_service(service=state["name"], cluster=state["cluster"], force=True)


def _list(item: Any) -> list[Any]:
    return [item] if item else []


def _launch(inputs: Properties) -> Properties:
    if "launchType" in inputs:
        return {"launchType": inputs["launchType"]}
    return {"capacityProviderStrategy": inputs["capacityProviderStrategies"]}


def _changeable(inputs: Properties) -> Properties:
    network = inputs["networkConfiguration"]
    configuration: Properties = {
        "minimumHealthyPercent": inputs["deploymentMinimumHealthyPercent"],
        "maximumPercent": inputs["deploymentMaximumPercent"],
        "deploymentCircuitBreaker": inputs["deploymentCircuitBreaker"],
        "strategy": inputs["deploymentConfiguration"]["strategy"],
    }
    if "bakeTimeInMinutes" in inputs["deploymentConfiguration"]:
        configuration["bakeTimeInMinutes"] = int(inputs["deploymentConfiguration"]["bakeTimeInMinutes"])
    if "alarms" in inputs:
        configuration["alarms"] = inputs["alarms"]
    return {
        "taskDefinition": inputs["taskDefinition"],
        "deploymentConfiguration": configuration,
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": network["subnets"],
                "securityGroups": network["securityGroups"],
                "assignPublicIp": "ENABLED" if network["assignPublicIp"] else "DISABLED",
            }
        },
        "availabilityZoneRebalancing": inputs["availabilityZoneRebalancing"],
        "enableExecuteCommand": inputs["enableExecuteCommand"],
        "propagateTags": inputs["propagateTags"],
        "enableECSManagedTags": inputs["enableEcsManagedTags"],
    }


@resource
class ScalingTarget(Resource):
    """What the autoscaler may change."""

    token = "aws:appautoscaling/target:Target"
    replaces = frozenset({"resourceId", "scalableDimension", "serviceNamespace"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("application-autoscaling").register_scalable_target(
            ServiceNamespace=inputs["serviceNamespace"],
            ResourceId=inputs["resourceId"],
            ScalableDimension=inputs["scalableDimension"],
            MinCapacity=inputs["minCapacity"],
            MaxCapacity=inputs["maxCapacity"],
        )
        return inputs["resourceId"], {}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("application-autoscaling").deregister_scalable_target(
            ServiceNamespace=state["serviceNamespace"],
            ResourceId=state["resourceId"],
            ScalableDimension=state["scalableDimension"],
        )


@resource
class ScalingPolicy(Resource):
    """When and how far."""

    token = "aws:appautoscaling/policy:Policy"
    replaces = frozenset({"name", "resourceId", "scalableDimension", "serviceNamespace", "policyType"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        configuration: Properties = {}
        if inputs["policyType"] == "TargetTrackingScaling":
            tracking = pascal(inputs["targetTrackingScalingPolicyConfiguration"])
            configuration["TargetTrackingScalingPolicyConfiguration"] = tracking
        else:
            step = pascal(inputs["stepScalingPolicyConfiguration"])
            for adjustment in step["StepAdjustments"]:
                adjustment["MetricIntervalLowerBound"] = float(adjustment["MetricIntervalLowerBound"])
            configuration["StepScalingPolicyConfiguration"] = step
        made = self.aws.client("application-autoscaling").put_scaling_policy(
            PolicyName=inputs["name"],
            PolicyType=inputs["policyType"],
            ResourceId=inputs["resourceId"],
            ScalableDimension=inputs["scalableDimension"],
            ServiceNamespace=inputs["serviceNamespace"],
            **configuration,
        )
        return inputs["name"], {
            "arn": made["PolicyARN"],
            "alarmArns": [item["AlarmARN"] for item in made["Alarms"]],
        }

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("application-autoscaling").delete_scaling_policy(
            PolicyName=state["name"],
            ServiceNamespace=state["serviceNamespace"],
            ResourceId=state["resourceId"],
            ScalableDimension=state["scalableDimension"],
        )


@resource
class Role(Resource):
    """An IAM role."""

    token = "aws:iam/role:Role"
    replaces = frozenset({"name"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        made = self.aws.client("iam").create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Description=inputs.get("description", ""),
            Tags=pairs(inputs.get("tags")),
        )["Role"]
        return made["RoleName"], {"arn": made["Arn"], "uniqueId": made["RoleId"]}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("iam").update_assume_role_policy(
            RoleName=id_, PolicyDocument=inputs["assumeRolePolicy"]
        )
        return {key: state[key] for key in ("arn", "uniqueId")}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("iam").delete_role(RoleName=id_)


@resource
class RolePolicy(Resource):
    """A policy inside a role."""

    token = "aws:iam/rolePolicy:RolePolicy"
    replaces = frozenset({"name", "role"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("iam").put_role_policy(
            RoleName=inputs["role"], PolicyName=inputs["name"], PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{inputs['name']}", {}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("iam").delete_role_policy(RoleName=state["role"], PolicyName=state["name"])


@resource
class LogGroup(Resource):
    """A log group."""

    token = "aws:cloudwatch/logGroup:LogGroup"
    replaces = frozenset({"name"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        logs = self.aws.client("logs")
        logs.create_log_group(logGroupName=inputs["name"], tags=inputs.get("tags", {}))
        logs.put_retention_policy(logGroupName=inputs["name"], retentionInDays=inputs["retentionInDays"])
        found = logs.describe_log_groups(logGroupNamePrefix=inputs["name"])["logGroups"]
        return inputs["name"], {"arn": found[0]["arn"].removesuffix(":*")}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        self.aws.client("logs").put_retention_policy(
            logGroupName=id_, retentionInDays=inputs["retentionInDays"]
        )
        return {"arn": state["arn"]}

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("logs").delete_log_group(logGroupName=id_)


@resource
class MetricAlarm(Resource):
    """An alarm on a metric or an expression."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    replaces = frozenset({"name"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        left = (
            "name",
            "tags",
            "dimensions",
            "metricQueries",
            "okActions",
            "alarmActions",
            "alarmDescription",
        )
        taken = pascal({key: value for key, value in inputs.items() if key not in left})
        if "dimensions" in inputs:
            taken["Dimensions"] = pairs(inputs["dimensions"], "Name", "Value")
        if "metricQueries" in inputs:
            taken["Metrics"] = [_query(query) for query in inputs["metricQueries"]]
        cloudwatch = self.aws.client("cloudwatch")
        cloudwatch.put_metric_alarm(
            AlarmName=inputs["name"],
            AlarmDescription=inputs.get("alarmDescription", ""),
            AlarmActions=inputs.get("alarmActions", []),
            OKActions=inputs.get("okActions", []),
            Tags=pairs(inputs.get("tags")),
            **taken,
        )
        (found,) = cloudwatch.describe_alarms(AlarmNames=[inputs["name"]])["MetricAlarms"]
        return inputs["name"], {"arn": found["AlarmArn"]}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("cloudwatch").delete_alarms(AlarmNames=[id_])


def _query(query: Properties) -> Properties:
    taken: Properties = {"Id": query["id"], "ReturnData": query["returnData"]}
    if "expression" in query:
        taken["Expression"] = query["expression"]
    if "metric" in query:
        metric = query["metric"]
        taken["MetricStat"] = {
            "Metric": {
                "Namespace": metric["namespace"],
                "MetricName": metric["metricName"],
                "Dimensions": pairs(metric["dimensions"], "Name", "Value"),
            },
            "Period": metric["period"],
            "Stat": metric["stat"],
        }
    return taken


@resource
class Dashboard(Resource):
    """A dashboard."""

    token = "aws:cloudwatch/dashboard:Dashboard"
    replaces = frozenset({"dashboardName"})

    @override
    def create(self, inputs: Properties) -> tuple[str, Properties]:
        self.aws.client("cloudwatch").put_dashboard(
            DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
        )
        return inputs["dashboardName"], {}

    @override
    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        return self.create(inputs)[1]

    @override
    def delete(self, id_: str, state: Properties) -> None:
        self.aws.client("cloudwatch").delete_dashboards(DashboardNames=[id_])
