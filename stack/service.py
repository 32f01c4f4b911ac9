"""The worker as a Fargate service: its log group, its task definition, and how a new one takes over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack import worker_contract as worker
from stack.config import DeploymentSettings, SpotSettings
from stack.iam import Account, Role, Statement
from stack.naming import Naming

HEALTH_INTERVAL_SECONDS = 30
HEALTH_TIMEOUT_SECONDS = 5
HEALTH_RETRIES = 3
# Fargate's longest; the worker uses it to end its sentence, or to hand the job back.
STOP_TIMEOUT_SECONDS = 120
MINIMUM_HEALTHY_PERCENT = 100
MAXIMUM_PERCENT = 200
LOG_STREAM_PREFIX = "ecs"
# Log lines that CloudWatch cannot take at once are buffered in place of stopping the worker.
LOG_BUFFER = "25m"

ARCHITECTURES = {"linux/amd64": "X86_64", "linux/arm64": "ARM64"}


class WorkerLogs(pulumi.ComponentResource):
    """The log group of the worker's containers."""

    def __init__(
        self,
        *,
        naming: Naming,
        retention_days: int,
        retain: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:WorkerLogs", "logs", None, opts)
        self.group = aws.cloudwatch.LogGroup(
            "logs",
            name=naming.log_group,
            retention_in_days=retention_days,
            tags=naming.tags(naming.log_group),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=retain),
        )
        self.name = self.group.name
        self.register_outputs({"name": self.name})

    def grant_write(self, role: Role) -> None:
        """Open streams in this group and write to them."""
        role.receive(
            "write-logs",
            [
                Statement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[pulumi.Output.concat(self.group.arn, ":*")],
                )
            ],
        )


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """One task: its size, its image, what it is told and whom it acts as."""

    cpu: int
    memory: int
    port: int
    platform: str
    image: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    execution_role_arn: pulumi.Input[str]
    task_role_arn: pulumi.Input[str]
    start_period_seconds: int
    exec_enabled: bool


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """Where tasks run, how many to begin with, and what must be in place before the first."""

    cluster_name: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    group_ids: Sequence[pulumi.Input[str]]
    registry_arn: pulumi.Input[str]
    initial_count: int
    scaled: bool
    exec_enabled: bool
    alarm_names: Sequence[pulumi.Input[str]]
    after: Sequence[pulumi.Resource]


class WorkerService(pulumi.ComponentResource):
    """The task definition and the service that keeps its tasks running."""

    def __init__(
        self,
        *,
        naming: Naming,
        region: str,
        logs: WorkerLogs,
        task: TaskArgs,
        service: ServiceArgs,
        deployment: DeploymentSettings,
        spot: SpotSettings,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:WorkerService", "service", None, opts)
        self._naming = naming
        self.task_definition = self._define(task, logs=logs, region=region)
        self.service = self._run(service, deployment=deployment, spot=spot)
        self.name = self.service.name
        self.register_outputs({"name": self.name})

    def _define(self, task: TaskArgs, *, logs: WorkerLogs, region: str) -> aws.ecs.TaskDefinition:
        return aws.ecs.TaskDefinition(
            "task",
            family=self._naming.app,
            cpu=str(task.cpu),
            memory=str(task.memory),
            network_mode="awsvpc",
            requires_compatibilities=["FARGATE"],
            runtime_platform=aws.ecs.TaskDefinitionRuntimePlatformArgs(
                cpu_architecture=ARCHITECTURES[task.platform], operating_system_family="LINUX"
            ),
            execution_role_arn=task.execution_role_arn,
            task_role_arn=task.task_role_arn,
            volumes=[aws.ecs.TaskDefinitionVolumeArgs(name="tmp")],
            container_definitions=pulumi.Output.json_dumps([self._container(task, logs=logs, region=region)]),
            tags=self._naming.tags(self._naming.app),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _container(self, task: TaskArgs, *, logs: WorkerLogs, region: str) -> dict[str, object]:
        # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
        return {
            "name": self._naming.app,
            "image": task.image,
            "essential": True,
            "entryPoint": list(worker.ENTRY_POINT),
            "command": list(worker.COMMAND),
            "user": worker.USER,
            # The agent of ECS Exec writes into the container's root, and does not start on a read-only one.
            "readonlyRootFilesystem": not task.exec_enabled,
            "mountPoints": [
                {"sourceVolume": "tmp", "containerPath": worker.TEMPORARY_FOLDER, "readOnly": False}
            ],
            "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
            "stopTimeout": STOP_TIMEOUT_SECONDS,
            "portMappings": [{"containerPort": task.port, "hostPort": task.port, "protocol": "tcp"}],
            "healthCheck": {
                "command": list(worker.HEALTH_COMMAND),
                "interval": HEALTH_INTERVAL_SECONDS,
                "timeout": HEALTH_TIMEOUT_SECONDS,
                "retries": HEALTH_RETRIES,
                "startPeriod": task.start_period_seconds,
            },
            # Sorted, or the order alone would make a new task definition.
            "environment": [
                {"name": name, "value": task.environment[name]} for name in sorted(task.environment)
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": logs.name,
                    "awslogs-region": region,
                    "awslogs-stream-prefix": LOG_STREAM_PREFIX,
                    "mode": "non-blocking",
                    "max-buffer-size": LOG_BUFFER,
                },
            },
        }

    def _run(
        self, service: ServiceArgs, *, deployment: DeploymentSettings, spot: SpotSettings
    ) -> aws.ecs.Service:
        spread = _capacity(spot)
        return aws.ecs.Service(
            "service",
            name=self._naming.service,
            cluster=service.cluster_name,
            task_definition=self.task_definition.arn,
            desired_count=service.initial_count,
            launch_type=None if spread else "FARGATE",
            capacity_provider_strategies=spread,
            # ECS takes a change of capacity providers with a new deployment only.
            force_new_deployment=True,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=service.subnet_ids, security_groups=list(service.group_ids), assign_public_ip=False
            ),
            service_registries=_registries(deployment, service.registry_arn),
            deployment_controller=aws.ecs.ServiceDeploymentControllerArgs(type="ECS"),
            deployment_configuration=_strategy(deployment),
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=True, rollback=True
            ),
            deployment_minimum_healthy_percent=MINIMUM_HEALTHY_PERCENT,
            deployment_maximum_percent=MAXIMUM_PERCENT,
            alarms=aws.ecs.ServiceAlarmsArgs(alarm_names=service.alarm_names, enable=True, rollback=True)
            if service.alarm_names
            else None,
            # Evening out the zones would stop tasks in the middle of an hour-long job.
            availability_zone_rebalancing="DISABLED",
            enable_execute_command=service.exec_enabled,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=deployment.wait_for_steady_state,
            tags=self._naming.tags(self._naming.service),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(service.after),
                ignore_changes=["desiredCount"] if service.scaled else None,
            ),
        )


def protect_tasks(*, account: Account, cluster_name: pulumi.Input[str]) -> list[Statement]:
    """Keep tasks of a cluster from being scaled in; their ARNs end in ids that only they know."""
    tasks = account.arn("ecs", pulumi.Output.concat("task/", cluster_name, "/*"))
    return [Statement(actions=["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"], resources=[tasks])]


def grant_protection(role: Role, *, account: Account, cluster_name: pulumi.Input[str]) -> None:
    """Let a task keep itself from being scaled in."""
    role.receive("protect-task", protect_tasks(account=account, cluster_name=cluster_name))


def grant_exec(role: Role) -> None:
    """Let ECS Exec open its channels to a task."""
    role.receive(
        "exec",
        [
            Statement(
                actions=[
                    "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel",
                    "ssmmessages:OpenDataChannel",
                ],
                resources=["*"],
            )
        ],
    )


def _capacity(spot: SpotSettings) -> list[aws.ecs.ServiceCapacityProviderStrategyArgs] | None:
    if spot.spot_weight == 0:
        return None
    return [
        aws.ecs.ServiceCapacityProviderStrategyArgs(
            capacity_provider="FARGATE", base=spot.fargate_base, weight=spot.fargate_weight
        ),
        aws.ecs.ServiceCapacityProviderStrategyArgs(
            capacity_provider="FARGATE_SPOT", base=0, weight=spot.spot_weight
        ),
    ]


def _registries(
    deployment: DeploymentSettings, registry_arn: pulumi.Input[str]
) -> aws.ecs.ServiceServiceRegistriesArgs | None:
    # ECS does blue/green without managed traffic for services that are in no registry; the worker's traffic
    # is its queue. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-implementation.html
    if deployment.strategy == "blue_green":
        return None
    return aws.ecs.ServiceServiceRegistriesArgs(registry_arn=registry_arn)


def _strategy(deployment: DeploymentSettings) -> aws.ecs.ServiceDeploymentConfigurationArgs:
    if deployment.strategy == "blue_green":
        return aws.ecs.ServiceDeploymentConfigurationArgs(
            strategy="BLUE_GREEN", bake_time_in_minutes=str(deployment.bake_minutes)
        )
    return aws.ecs.ServiceDeploymentConfigurationArgs(strategy="ROLLING")
