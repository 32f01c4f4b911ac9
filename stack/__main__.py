"""The program that `pulumi up` runs: settings, foundation, image, roles, network, service, scaling."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
from pulumi.runtime.config import CONFIG, get_config_env

from stack import worker_contract as worker
from stack.config import Settings, read_settings
from stack.dead_letters import DeadLetters
from stack.discovery import Discovery
from stack.foundation import Foundation, first_zones
from stack.granting import JobQueue, MediaBuckets, TaskTable
from stack.iam import Account, Role, current_account
from stack.image import Repository, WorkerImage
from stack.metrics import QueueAndTasks
from stack.monitoring import Dashboard, Monitoring, Topic, Watched
from stack.naming import Naming
from stack.network import Network, vpc_route_tables
from stack.scaling import Scaling
from stack.service import (
    STOP_TIMEOUT_SECONDS,
    ServiceArgs,
    TaskArgs,
    WorkerLogs,
    WorkerService,
    grant_exec,
    grant_protection,
)
from stack.storage import BucketOptions, report_recovery
from stack.story_infra import StoryInfra, read_story_infra, source_of
from stack.task_roles import TaskRoles

ROOT = Path(__file__).resolve().parent.parent

Outputs = dict[str, pulumi.Input[object]]


async def program() -> Outputs:
    """The whole stack, from its settings to its outputs."""
    # pulumi.Config answers for a known key only, and a misspelt one must not pass in silence.
    raw = {**get_config_env(), **CONFIG.get()}
    settings = read_settings(raw, stack=pulumi.get_stack())
    naming = Naming(app=settings.app_name, environment=settings.environment, stack=pulumi.get_stack())
    account = current_account()
    ground = await lay_ground(settings, naming=naming, account=account)
    if not settings.features.service:
        return ground.outputs
    return ground.outputs | Deployment(settings, naming=naming, account=account, ground=ground).run()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the service stands on, wherever it came from."""

    infra: StoryInfra
    vpc_cidr: pulumi.Input[str]
    route_table_ids: pulumi.Input[list[str]]
    own: bool
    outputs: Outputs


async def lay_ground(settings: Settings, *, naming: Naming, account: Account) -> Ground:
    """The foundation: made here, or read and validated before anything is made."""
    if settings.story_infra.source == "own":
        foundation = Foundation(
            naming=naming,
            account=account,
            vpc_cidr=settings.story_infra.vpc_cidr,
            zones=first_zones(),
            nat=settings.endpoints == "nat",
            # With a service beside it, the endpoints are for that service's group alone.
            endpoints=settings.endpoints == "create" and not settings.features.service,
            exec_enabled=settings.features.exec,
            protect=settings.features.protect,
        )
        return Ground(
            infra=foundation.story_infra,
            vpc_cidr=foundation.vpc.cidr,
            route_table_ids=foundation.vpc.route_table_ids,
            own=True,
            outputs=foundation.outputs,
        )
    infra = await read_story_infra(
        source_of(settings.story_infra),
        roles=settings.features.roles == "story_infra",
        zone_of=lambda subnet: aws.ec2.get_subnet(id=subnet).availability_zone,
    )
    tables = settings.network.route_table_ids
    return Ground(
        infra=infra,
        vpc_cidr=aws.ec2.get_vpc_output(id=infra.vpc_id).cidr_block,
        route_table_ids=vpc_route_tables(infra.vpc_id, tables) if settings.endpoints == "create" else [],
        own=False,
        outputs={},
    )


class Deployment:
    """Everything above the foundation, in the order in which one part needs another."""

    def __init__(self, settings: Settings, *, naming: Naming, account: Account, ground: Ground) -> None:
        self.settings = settings
        self.naming = naming
        self.account = account
        self.ground = ground
        self.infra = ground.infra
        self.protect = settings.features.protect

    def run(self) -> Outputs:
        """Declare it all; returns what an operator asks for."""
        repository, image = self.make_image()
        logs = WorkerLogs(
            naming=self.naming,
            retention_days=self.settings.monitoring.log_retention_days,
            retain=self.protect,
        )
        letters = DeadLetters(naming=self.naming, protect=self.protect)
        if self.ground.own:
            letters.catch(self.infra.task_queue_url)
        roles = self.make_roles(repository=repository, logs=logs, letters=letters)
        repository.admit(roles.execution_arn)
        network = self.make_network()
        discovery = Discovery(naming=self.naming, vpc_id=self.infra.vpc_id)
        watched = self.watch(letters)
        topic_arn = self.find_topic()
        monitoring = Monitoring(
            naming=self.naming,
            settings=self.settings.monitoring,
            watched=watched,
            notified=[topic_arn] if topic_arn is not None else [],
        )
        service = WorkerService(
            naming=self.naming,
            region=self.account.region,
            logs=logs,
            task=self.describe_task(image=image, roles=roles, letters=letters),
            service=self.describe_service(
                roles=roles, network=network, discovery=discovery, monitoring=monitoring
            ),
            deployment=self.settings.deployment,
            spot=self.settings.spot,
        )
        image.mark_running(self.naming.running_tag, after=service.service)
        self.scale(service, watched=watched)
        dashboard = Dashboard(naming=self.naming, watched=watched)
        self.set_bucket_options()
        return {
            "region": self.account.region,
            "image": image.reference,
            "image_tag": image.tag,
            "image_digest": image.digest,
            "repository_url": repository.url,
            "service_name": service.name,
            "task_definition_arn": service.task_definition.arn,
            "cluster_name": self.infra.ecs_cluster_name,
            "queue_url": self.infra.task_queue_url,
            "topic_arn": self.infra.sns_topic_arn,
            "dead_letter_queue_url": letters.url,
            "table_name": self.infra.story_video_tasks_table_name,
            "bucket_name": self.infra.s3_bucket_name,
            "log_group_name": logs.name,
            "namespace": discovery.namespace.name,
            "dashboard_url": dashboard.address,
            "alarm_topic_arn": topic_arn,
            "table_point_in_time_recovery": self.recovery(),
        }

    def make_image(self) -> tuple[Repository, WorkerImage]:
        """The repository, and the image that is deployed from it."""
        repository = Repository(
            name=self.settings.ecr_repository_name,
            own=self.settings.image.repository == "create",
            naming=self.naming,
            protect=self.protect,
        )
        image = WorkerImage(
            settings=self.settings.image,
            tag=self.settings.app_image_tag,
            root=ROOT,
            repository=repository,
        )
        return repository, image

    def make_roles(self, *, repository: Repository, logs: WorkerLogs, letters: DeadLetters) -> TaskRoles:
        """The task's two roles and all that they may do."""
        queue = JobQueue(url=self.infra.task_queue_url, arn=self.infra.task_queue_arn)
        media = MediaBuckets(
            name=self.infra.s3_bucket_name,
            others=self.settings.worker.allowed_output_buckets,
            account=self.account,
        )
        table = TaskTable(name=self.infra.story_video_tasks_table_name, account=self.account)

        def protect(role: Role) -> None:
            grant_protection(role, account=self.account, cluster_name=self.infra.ecs_cluster_name)

        return TaskRoles(
            naming=self.naming,
            account=self.account,
            lent_by=self.infra if self.settings.features.roles == "story_infra" else None,
            execution_grants=[repository.grant_pull, logs.grant_write],
            task_grants=[
                queue.grant_consume,
                letters.grant_send,
                media.grant_write_media,
                table.grant_record,
                protect,
                *([grant_exec] if self.settings.features.exec else []),
            ],
        )

    def make_network(self) -> Network:
        """Security groups, and endpoints where the VPC lacks them."""
        return Network(
            naming=self.naming,
            region=self.account.region,
            vpc_id=self.infra.vpc_id,
            vpc_cidr=self.ground.vpc_cidr,
            subnet_ids=self.infra.private_subnet_ids,
            ecs_tasks_group_id=self.infra.ecs_tasks_security_group_id,
            app_port=self.settings.app_port,
            endpoints=self.settings.endpoints,
            route_table_ids=self.ground.route_table_ids,
            exec_enabled=self.settings.features.exec,
        )

    def watch(self, letters: DeadLetters) -> Watched:
        """What alarms, autoscaler and dashboard look at."""
        queue = JobQueue(url=self.infra.task_queue_url, arn=self.infra.task_queue_arn)
        return Watched(
            region=self.account.region,
            app=self.naming.app,
            metrics=QueueAndTasks(
                queue_name=queue.name,
                cluster_name=self.infra.ecs_cluster_name,
                service_name=self.naming.service,
            ),
            dead_letter_queue_name=letters.name,
            bucket_name=self.infra.s3_bucket_name,
        )

    def find_topic(self) -> pulumi.Input[str] | None:
        """The topic that alarms notify: made here, existing, or none."""
        monitoring = self.settings.monitoring
        if monitoring.create_topic:
            return Topic(naming=self.naming, emails=monitoring.emails).arn
        return monitoring.topic_arn

    def describe_task(self, *, image: WorkerImage, roles: TaskRoles, letters: DeadLetters) -> TaskArgs:
        """The worker's task: size, image, environment and roles."""
        return TaskArgs(
            cpu=self.settings.cpu,
            memory=self.settings.memory,
            port=self.settings.app_port,
            platform=self.settings.image.platform,
            image=image.reference,
            environment=self.worker_environment(letters),
            execution_role_arn=roles.execution_arn,
            task_role_arn=roles.task_arn,
            start_period_seconds=self.settings.deployment.start_period_seconds,
            exec_enabled=self.settings.features.exec,
        )

    def worker_environment(self, letters: DeadLetters) -> dict[str, pulumi.Input[str]]:
        """What the worker is told; the contract with app/settings.py."""
        told: dict[str, pulumi.Input[str]] = {
            worker.QUEUE_URL: self.infra.task_queue_url,
            worker.REGION: self.account.region,
            worker.TABLE: self.infra.story_video_tasks_table_name,
            worker.BUCKET: self.infra.s3_bucket_name,
            worker.DEAD_LETTER_QUEUE_URL: letters.url,
            worker.SERVICE: self.naming.app,
            worker.VOICE: self.settings.worker.voice,
            worker.ENGINE: self.settings.worker.speech_engine,
            worker.LOG_LEVEL: self.settings.worker.log_level,
            worker.PORT: str(self.settings.app_port),
            worker.STOP_TIMEOUT: str(STOP_TIMEOUT_SECONDS),
        }
        if self.settings.worker.allowed_output_buckets:
            told[worker.ALLOWED_BUCKETS] = ",".join(self.settings.worker.allowed_output_buckets)
        if self.infra.sns_topic_arn is not None:
            told[worker.TOPIC_ARN] = self.infra.sns_topic_arn
        return told

    def describe_service(
        self, *, roles: TaskRoles, network: Network, discovery: Discovery, monitoring: Monitoring
    ) -> ServiceArgs:
        """Where tasks run, and what must be in place before the first."""
        scaled = self.settings.scaling.enabled
        return ServiceArgs(
            cluster_name=self.infra.ecs_cluster_name,
            subnet_ids=self.infra.private_subnet_ids,
            group_ids=[network.app_group_id],
            registry_arn=discovery.service.arn,
            initial_count=self.settings.min_tasks if scaled else self.settings.app_count,
            scaled=scaled,
            exec_enabled=self.settings.features.exec,
            alarm_names=monitoring.deployment_alarms if self.settings.deployment.roll_back_on_alarms else [],
            after=[*roles.grants, *network.endpoints],
        )

    def scale(self, service: WorkerService, *, watched: Watched) -> None:
        """Let the number of tasks follow the queue, where asked to."""
        if not self.settings.scaling.enabled:
            return
        Scaling(
            naming=self.naming,
            settings=self.settings.scaling,
            min_tasks=self.settings.min_tasks,
            metrics=QueueAndTasks(
                queue_name=watched.metrics.queue_name,
                cluster_name=self.infra.ecs_cluster_name,
                service_name=service.name,
            ),
        )

    def set_bucket_options(self) -> None:
        """Versioning, lifecycle and replication of the output bucket, where asked for."""
        BucketOptions(
            naming=self.naming,
            settings=self.settings.storage,
            bucket_name=self.infra.s3_bucket_name,
            account=self.account,
            protect=self.protect,
        )

    def recovery(self) -> pulumi.Input[bool]:
        """Whether the table can be restored to a point in time."""
        return True if self.ground.own else report_recovery(self.infra.story_video_tasks_table_name)


if __name__ == "__main__":
    pulumi.run(program)
