"""The program that `pulumi up` runs: settings, platform, image, roles, network, service, scaling, alarms."""

from dataclasses import replace
from pathlib import Path

import pulumi
import pulumi_aws as aws
from pulumi.runtime.config import CONFIG, get_config_env

from stack.config import Settings, read_settings
from stack.dead_letters import DeadLetters
from stack.discovery import Discovery
from stack.environment import worker_environment
from stack.foundation import Foundation
from stack.iam import Account, RoleArns, TaskRoles, current_account
from stack.image import Repository, WorkerImage
from stack.metrics import WorkloadMetrics
from stack.monitoring import Dashboard, MonitoredResources, Monitoring, Topic
from stack.naming import Naming
from stack.network import Network, VpcNetwork, existing_vpc, gateway_services, interface_services
from stack.permissions import (
    consume_queue,
    delete_segments,
    open_exec_channels,
    protect_tasks,
    publish_events,
    pull_images,
    read_secrets,
    read_texts,
    send_messages,
    use_keys,
    write_logs,
    write_media,
    write_task_rows,
)
from stack.platform_outputs import Platform, output_source, read_platform
from stack.scaling import Scaling
from stack.service import ServiceArgs, TaskArgs, WorkerLogs, WorkerService
from stack.storage import BucketOptions, has_point_in_time_recovery
from stack.vpc import choose_zones

ROOT = Path(__file__).resolve().parent.parent

Outputs = dict[str, pulumi.Input[object]]


async def program() -> Outputs:
    """Declare the whole stack and return its outputs."""
    # pulumi.Config only answers for known keys, so misspelt ones would be ignored.
    raw = {**get_config_env(), **CONFIG.get()}
    settings = read_settings(raw, stack=pulumi.get_stack())
    naming = Naming(app=settings.app_name, environment=settings.environment, stack=pulumi.get_stack())
    account = current_account(permissions_boundary=settings.permissions_boundary)
    foundation = None
    if settings.story_infra.source == "own":
        foundation = create_foundation(settings, naming=naming, account=account)
        if not settings.features.service:
            bucket = foundation.platform.s3_bucket_name
            set_bucket_options(settings, bucket, naming=naming, account=account, foundation=foundation)
    outputs = foundation.outputs if foundation else {}
    if not settings.features.service:
        return outputs
    platform = foundation.platform if foundation else await find_platform(settings)
    deployment = Deployment(
        settings, naming=naming, account=account, platform=platform, foundation=foundation
    )
    return outputs | deployment.run()


def create_foundation(settings: Settings, *, naming: Naming, account: Account) -> Foundation:
    """Create an own platform."""
    services = interface_services(settings.network, extra_services=settings.extra_services)
    zones = choose_zones(region=account.region, services=services if settings.endpoints == "create" else [])
    return Foundation(
        naming=naming,
        account=account,
        vpc_cidr=settings.story_infra.vpc_cidr,
        zones=zones,
        nat=settings.endpoints == "nat",
        # A service in this stack has endpoints of its own.
        endpoint_services=(*services, *gateway_services(settings.network))
        if settings.endpoints == "create" and not settings.features.service
        else (),
        key_arn=settings.encryption.key_arn,
        protect=settings.features.protect,
    )


def set_bucket_options(
    settings: Settings,
    bucket_name: pulumi.Input[str],
    *,
    naming: Naming,
    account: Account,
    foundation: Foundation | None,
) -> None:
    """Versioning, lifecycle rules and replication of the output bucket, if enabled."""
    BucketOptions(
        naming=naming,
        settings=settings.storage,
        bucket_name=bucket_name,
        versioning=foundation.media.versioning if foundation else None,
        encryption=settings.encryption,
        account=account,
        protect=settings.features.protect,
    )


async def find_platform(settings: Settings) -> Platform:
    """Read the outputs of an existing platform. Raises PlatformError before any resource is declared."""
    return await read_platform(
        output_source(settings.story_infra),
        roles=settings.features.roles == "story_infra",
        zone_of=lambda subnet: aws.ec2.get_subnet(id=subnet).availability_zone,
    )


class Deployment:
    """The service on a platform, declared in the order of its dependencies."""

    def __init__(
        self,
        settings: Settings,
        *,
        naming: Naming,
        account: Account,
        platform: Platform,
        foundation: Foundation | None,
    ) -> None:
        self.settings = settings
        self.naming = naming
        self.account = account
        self.platform = platform
        self.foundation = foundation
        self.vpc = foundation.vpc.network if foundation else self.platform_vpc()
        self.protect = settings.features.protect
        self.key_arn = settings.encryption.key_arn

    def run(self) -> Outputs:
        """Declare all resources of the service and return the outputs."""
        repository, image = self.make_image()
        logs = WorkerLogs(
            naming=self.naming,
            retention_days=self.settings.monitoring.log_retention_days,
            key_arn=self.key_arn,
            retain=self.protect,
        )
        dead_letters = DeadLetters(naming=self.naming, key_arn=self.key_arn, protect=self.protect)
        if self.foundation:
            dead_letters.redrive_from(self.platform.task_queue_url)
        roles = self.make_roles(repository=repository, logs=logs, dead_letters=dead_letters)
        repository.allow_pull(roles.arns.execution)
        network = self.make_network()
        discovery = Discovery(naming=self.naming, vpc_id=self.platform.vpc_id)
        monitored = self.monitored_resources(dead_letters)
        topic_arn = self.alarm_topic()
        monitoring = Monitoring(
            naming=self.naming,
            settings=self.settings.monitoring,
            resources=monitored,
            actions=[topic_arn] if topic_arn is not None else [],
            paused=self.settings.paused,
        )
        service = WorkerService(
            naming=self.naming,
            region=self.account.region,
            logs=logs,
            task=self.task_args(image=image, roles=roles, dead_letters=dead_letters),
            service=self.service_args(
                roles=roles, network=network, discovery=discovery, monitoring=monitoring
            ),
            deployment=self.settings.deployment,
            spot=self.settings.spot,
        )
        image.tag_running(self.naming.running_tag, after=service.service)
        self.scale(service, metrics=monitored.metrics)
        dashboard = Dashboard(naming=self.naming, resources=monitored)
        set_bucket_options(
            self.settings,
            self.platform.s3_bucket_name,
            naming=self.naming,
            account=self.account,
            foundation=self.foundation,
        )
        return {
            "region": self.account.region,
            "image": image.reference,
            "image_tag": image.tag,
            "image_digest": image.digest,
            "repository_url": repository.url,
            "service_name": service.name,
            "task_definition_arn": service.task_definition.arn,
            "cluster_name": self.platform.ecs_cluster_name,
            "queue_url": self.platform.task_queue_url,
            "topic_arn": self.platform.sns_topic_arn,
            "dead_letter_queue_url": dead_letters.url,
            "table_name": self.platform.story_video_tasks_table_name,
            "bucket_name": self.platform.s3_bucket_name,
            "log_group_name": logs.name,
            "namespace": discovery.namespace.name,
            "dashboard_url": dashboard.address,
            "alarm_topic_arn": topic_arn,
            "table_point_in_time_recovery": self.has_recovery(),
        }

    def make_image(self) -> tuple[Repository, WorkerImage]:
        """The repository and the image to deploy."""
        repository = Repository(
            name=self.settings.ecr_repository_name,
            own=self.settings.image.repository == "create",
            naming=self.naming,
            key_arn=self.key_arn,
            protect=self.protect,
        )
        image = WorkerImage(
            settings=self.settings.image,
            tag=self.settings.app_image_tag,
            root=ROOT,
            repository=repository,
        )
        return repository, image

    def make_roles(self, *, repository: Repository, logs: WorkerLogs, dead_letters: DeadLetters) -> TaskRoles:
        """The task's two roles with their policies."""
        names = (self.platform.s3_bucket_name, *self.settings.worker.allowed_output_buckets)
        inputs = (self.platform.s3_bucket_name, *self.settings.worker.allowed_input_buckets)
        table = pulumi.Output.concat("table/", self.platform.story_video_tasks_table_name)
        keys = self.settings.encryption.media_keys
        region = self.account.region
        secrets = list(self.settings.worker.secrets.values())
        secret_keys = self.settings.worker.secret_key_arns
        bus, topic = self.settings.events.bus, self.settings.events.topic_arn
        events = publish_events(bus_arn=self.account.bus_arn(bus) if bus else None, topic_arn=topic)
        return TaskRoles(
            naming=self.naming,
            account=self.account,
            existing=self.platform_roles(),
            execution_policies={
                "pull-image": pull_images(repository.arn),
                "write-logs": write_logs(pulumi.Output.concat(logs.arn, ":*")),
                **({"read-secrets": read_secrets(secrets, secret_keys, region=region)} if secrets else {}),
            },
            task_policies={
                "consume-jobs": consume_queue(self.platform.task_queue_arn),
                "send-dead-letters": send_messages(dead_letters.arn),
                "write-media": write_media([self.account.bucket_arn(name) for name in names]),
                "delete-segments": delete_segments(self.account.bucket_arn(self.platform.s3_bucket_name)),
                "read-texts": read_texts([self.account.bucket_arn(name) for name in inputs]),
                "record-tasks": write_task_rows(self.account.arn("dynamodb", table)),
                "protect-task": protect_tasks(self.account.tasks_arn(self.platform.ecs_cluster_name)),
                **({"publish-events": events} if events else {}),
                **({"use-keys": use_keys(keys, region=region)} if keys else {}),
                **({"exec": open_exec_channels()} if self.settings.features.exec else {}),
            },
        )

    def platform_vpc(self) -> VpcNetwork:
        """The network of an existing platform."""
        return existing_vpc(
            self.platform.vpc_id,
            private_subnet_ids=self.platform.private_subnet_ids,
            route_table_ids=self.settings.network.route_table_ids,
            with_route_tables=self.settings.endpoints == "create",
        )

    def platform_roles(self) -> RoleArns | None:
        """The platform's roles, if the settings ask for them."""
        if self.settings.features.roles != "story_infra":
            return None
        execution, task = self.platform.ecs_task_execution_role_arn, self.platform.ecs_task_role_arn
        assert execution is not None and task is not None  # noqa: S101,PT018 - read_platform requires both
        return RoleArns(execution=execution, task=task)

    def make_network(self) -> Network:
        """Security groups, and VPC endpoints if they are to be created."""
        return Network(
            naming=self.naming,
            region=self.account.region,
            vpc=self.vpc,
            ecs_tasks_group_id=self.platform.ecs_tasks_security_group_id,
            app_port=self.settings.app_port,
            endpoints=self.settings.endpoints,
            settings=self.settings.network,
            extra_services=self.settings.extra_services,
            tracing=self.settings.tracing,
        )

    def monitored_resources(self, dead_letters: DeadLetters) -> MonitoredResources:
        """The resources that alarms, scaling and dashboard refer to."""
        return MonitoredResources(
            region=self.account.region,
            app=self.naming.app,
            metrics=WorkloadMetrics(
                queue_name=self.platform.task_queue_name,
                cluster_name=self.platform.ecs_cluster_name,
                service_name=self.naming.service,
            ),
            dead_letter_queue_name=dead_letters.name,
            bucket_name=self.platform.s3_bucket_name,
        )

    def alarm_topic(self) -> pulumi.Input[str] | None:
        """The topic that alarms notify: created here, existing, or none."""
        monitoring = self.settings.monitoring
        if monitoring.create_topic:
            return Topic(
                naming=self.naming,
                account_id=self.account.account_id,
                key_arn=self.key_arn,
                emails=monitoring.emails,
            ).arn
        return monitoring.topic_arn

    def task_args(self, *, image: WorkerImage, roles: TaskRoles, dead_letters: DeadLetters) -> TaskArgs:
        """Size, image, environment and roles of the worker's task."""
        return TaskArgs(
            cpu=self.settings.cpu,
            memory=self.settings.memory,
            port=self.settings.app_port,
            platform=self.settings.image.platform,
            image=image.reference,
            environment=worker_environment(
                self.settings,
                naming=self.naming,
                region=self.account.region,
                platform=self.platform,
                dead_letter_queue_url=dead_letters.url,
            ),
            secrets=self.settings.worker.secrets,
            roles=roles.arns,
            start_period_seconds=self.settings.deployment.start_period_seconds,
            exec_enabled=self.settings.features.exec,
        )

    def service_args(
        self, *, roles: TaskRoles, network: Network, discovery: Discovery, monitoring: Monitoring
    ) -> ServiceArgs:
        """Where tasks run, and the resources that must exist before the first task."""
        # Scaling changes the count, except of a paused service: an update sets that to 0.
        count_changes = self.settings.scaling.enabled and not self.settings.paused
        depends_on = [*roles.policies, *network.endpoints]
        if self.foundation:
            # The cluster has the capacity providers before the service uses them, and loses them after it.
            depends_on.append(self.foundation.capacity_providers)
        return ServiceArgs(
            cluster_name=self.platform.ecs_cluster_name,
            subnet_ids=self.platform.private_subnet_ids,
            group_ids=[network.app_group_id],
            registry_arn=discovery.service.arn,
            count=self.settings.initial_tasks,
            count_changes=count_changes,
            exec_enabled=self.settings.features.exec,
            alarm_names=[
                *(monitoring.deployment_alarms if self.settings.deployment.roll_back_on_alarms else []),
                *self.settings.deployment.roll_back_alarms,
            ],
            depends_on=depends_on,
        )

    def scale(self, service: WorkerService, *, metrics: WorkloadMetrics) -> None:
        """Scale the number of tasks with the queue, if enabled."""
        if not self.settings.scaling.enabled:
            return
        Scaling(
            naming=self.naming,
            settings=self.settings.scaling,
            min_tasks=self.settings.min_tasks,
            max_tasks=self.settings.max_tasks,
            schedules=[] if self.settings.paused else self.settings.scaling.schedules,
            # The service's own output, so that scaling waits for the service.
            metrics=replace(metrics, service_name=service.name),
        )

    def has_recovery(self) -> pulumi.Input[bool]:
        """Whether the table has point-in-time recovery."""
        table = self.platform.story_video_tasks_table_name
        return True if self.foundation else has_point_in_time_recovery(table)


if __name__ == "__main__":
    pulumi.run(program)
