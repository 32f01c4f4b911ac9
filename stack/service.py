"""The worker on Fargate: log group, task definition and service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack import worker_interface as worker
from stack.config import DeploymentSettings, SpotSettings
from stack.iam import RoleArns
from stack.naming import Naming

HEALTH_INTERVAL_SECONDS = 30
HEALTH_TIMEOUT_SECONDS = 5
HEALTH_RETRIES = 3
# Fargate's maximum. The worker uses the time to finish its sentence, or to return the job to the queue.
STOP_TIMEOUT_SECONDS = 120
MINIMUM_HEALTHY_PERCENT = 100
MAXIMUM_PERCENT = 200
LOG_STREAM_PREFIX = "ecs"
# Non-blocking mode buffers log lines that CloudWatch does not accept at once.
LOG_BUFFER = "25m"

ARCHITECTURES = {"linux/amd64": "X86_64", "linux/arm64": "ARM64"}


class WorkerLogs(pulumi.ComponentResource):
    """The log group of the worker's containers."""

    def __init__(
        self,
        *,
        naming: Naming,
        retention_days: int,
        key_arn: str | None,
        retain: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:WorkerLogs", "logs", None, opts)
        self.group = aws.cloudwatch.LogGroup(
            "logs",
            name=naming.log_group,
            retention_in_days=retention_days,
            kms_key_id=key_arn,
            tags=naming.tags(naming.log_group),
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=retain),
        )
        self.name = self.group.name
        self.arn = self.group.arn
        self.register_outputs({"name": self.name})


@dataclass(frozen=True, kw_only=True)
class TaskArgs:
    """The size, image, environment and roles of a task."""

    cpu: int
    memory: int
    port: int
    platform: str
    image: pulumi.Input[str]
    environment: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, str]
    roles: RoleArns
    start_period_seconds: int
    exec_enabled: bool


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    """Where tasks run, how many at first, and the resources that must exist before the first task."""

    cluster_name: pulumi.Input[str]
    subnet_ids: pulumi.Input[list[str]]
    group_ids: Sequence[pulumi.Input[str]]
    registry_arn: pulumi.Input[str]
    count: int
    count_changes: bool
    exec_enabled: bool
    alarm_names: Sequence[pulumi.Input[str]]
    depends_on: Sequence[pulumi.Resource]


class WorkerService(pulumi.ComponentResource):
    """The task definition and the ECS service that runs it."""

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
        self.task_definition = self._define_task(task, logs=logs, region=region)
        self.service = self._create_service(service, deployment=deployment, spot=spot)
        self.name = self.service.name
        self.register_outputs({"name": self.name})

    def _define_task(self, task: TaskArgs, *, logs: WorkerLogs, region: str) -> aws.ecs.TaskDefinition:
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
            execution_role_arn=task.roles.execution,
            task_role_arn=task.roles.task,
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
            # The agent of ECS Exec writes to the root filesystem and does not start on a read-only one.
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
            # Sorted: another order would make a new task definition.
            "environment": [
                {"name": name, "value": task.environment[name]} for name in sorted(task.environment)
            ],
            **_secrets(task.secrets),
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

    def _create_service(
        self, service: ServiceArgs, *, deployment: DeploymentSettings, spot: SpotSettings
    ) -> aws.ecs.Service:
        strategies = _capacity_providers(spot)
        return aws.ecs.Service(
            "service",
            name=self._naming.service,
            cluster=service.cluster_name,
            task_definition=self.task_definition.arn,
            desired_count=service.count,
            launch_type=None if strategies else "FARGATE",
            capacity_provider_strategies=strategies,
            # ECS accepts a change of capacity providers only with a new deployment.
            force_new_deployment=True,
            network_configuration=aws.ecs.ServiceNetworkConfigurationArgs(
                subnets=service.subnet_ids, security_groups=list(service.group_ids), assign_public_ip=False
            ),
            service_registries=_registries(deployment, service.registry_arn),
            deployment_controller=aws.ecs.ServiceDeploymentControllerArgs(type="ECS"),
            deployment_configuration=_deployment_configuration(deployment),
            # The API reference names rolling updates only; blue/green deployments have it as well:
            # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-failure-detection.html
            # The provider's acceptance test BlueGreenDeployment_circuitBreakerRollback rolls one back by it.
            deployment_circuit_breaker=aws.ecs.ServiceDeploymentCircuitBreakerArgs(
                enable=deployment.circuit_breaker != "off",
                rollback=deployment.circuit_breaker == "roll_back",
            ),
            deployment_minimum_healthy_percent=MINIMUM_HEALTHY_PERCENT,
            deployment_maximum_percent=MAXIMUM_PERCENT,
            alarms=aws.ecs.ServiceAlarmsArgs(alarm_names=service.alarm_names, enable=True, rollback=True)
            if service.alarm_names
            else None,
            # Rebalancing would stop tasks in the middle of long jobs.
            availability_zone_rebalancing="DISABLED",
            enable_execute_command=service.exec_enabled,
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            wait_for_steady_state=deployment.wait_for_steady_state,
            tags=self._naming.tags(self._naming.service),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=list(service.depends_on),
                custom_timeouts=_timeouts(deployment.timeout_minutes),
                ignore_changes=["desiredCount"] if service.count_changes else None,
            ),
        )


def _secrets(secrets: Mapping[str, str]) -> dict[str, object]:
    if not secrets:
        return {}
    return {"secrets": [{"name": name, "valueFrom": secrets[name]} for name in sorted(secrets)]}


def _timeouts(minutes: int) -> pulumi.CustomTimeouts:
    # The provider waits for 20 minutes by default, and busy tasks finish their jobs first.
    return pulumi.CustomTimeouts(create=f"{minutes}m", update=f"{minutes}m", delete=f"{minutes}m")


def _capacity_providers(spot: SpotSettings) -> list[aws.ecs.ServiceCapacityProviderStrategyArgs] | None:
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
    # Blue/green without managed traffic is offered only for services without a registry. The worker gets its
    # work from a queue. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-implementation.html
    if deployment.strategy == "blue_green":
        return None
    return aws.ecs.ServiceServiceRegistriesArgs(registry_arn=registry_arn)


def _deployment_configuration(deployment: DeploymentSettings) -> aws.ecs.ServiceDeploymentConfigurationArgs:
    if deployment.strategy == "blue_green":
        return aws.ecs.ServiceDeploymentConfigurationArgs(
            strategy="BLUE_GREEN", bake_time_in_minutes=str(deployment.bake_minutes)
        )
    return aws.ecs.ServiceDeploymentConfigurationArgs(strategy="ROLLING")
