"""An own platform, for accounts without story-infra: it has the same outputs under the same names."""

import json
from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from stack.dead_letters import SUFFIX as DEAD_LETTER_SUFFIX
from stack.iam import Account, Role
from stack.naming import Naming
from stack.network import HTTPS_PORT, Endpoints
from stack.permissions import (
    Statement,
    consume_queue,
    delete_segments,
    protect_tasks,
    pull_images,
    queue_policy,
    read_texts,
    send_messages,
    topic_policy,
    use_keys,
    write_logs,
    write_media,
    write_task_rows,
)
from stack.platform_outputs import TTS, Platform
from stack.storage import private_bucket
from stack.vpc import Vpc
from stack.worker_interface import MAX_MESSAGE_BYTES

QUEUE_VISIBILITY_SECONDS = 60
QUEUE_RETENTION_SECONDS = 14 * 24 * 3600
LONG_POLL_SECONDS = 20


class Foundation(pulumi.ComponentResource):
    """A VPC in two zones, a cluster, a topic with the job queue, a bucket, a table and two roles."""

    def __init__(
        self,
        *,
        naming: Naming,
        account: Account,
        vpc_cidr: str,
        zones: list[str],
        nat: bool,
        endpoint_services: Sequence[str],
        key_arn: str | None,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Foundation", "foundation", None, opts)
        self._naming = naming
        self._account = account
        self._key_arn = key_arn
        self._protect = protect
        self.vpc = Vpc(
            naming=naming, cidr=vpc_cidr, zones=zones, nat=nat, opts=pulumi.ResourceOptions(parent=self)
        )
        if endpoint_services:
            self._create_shared_endpoints(endpoint_services)
        self.cluster = self._cluster()
        self.capacity_providers = self._capacity_providers()
        self.topic = self._topic()
        self.queue = self._queue()
        self.table = self._table()
        self.media = private_bucket(
            "media",
            name=naming.media_bucket(account_id=account.account_id, region=account.region),
            tags=naming.tags(naming.prefixed("media")),
            key_arn=key_arn,
            protect=protect,
            parent=self,
        )
        self.execution_role, self.task_role = self._roles()
        self.register_outputs({"vpc_id": self.vpc.id})

    def _create_shared_endpoints(self, services: Sequence[str]) -> None:
        """Endpoints for services of other stacks; their security groups are unknown here."""
        name = self._naming.prefixed("platform-endpoints")
        opts = pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(
            "endpoints-group",
            name=name,
            description="VPC endpoints that tasks of the platform use",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(name),
            opts=opts,
        )
        aws.vpc.SecurityGroupIngressRule(
            "endpoints-from-vpc",
            security_group_id=group.id,
            cidr_ipv4=self.vpc.cidr,
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            description="services of the platform",
            tags=self._naming.tags(self._naming.prefixed("endpoints-from-vpc")),
            opts=opts,
        )
        Endpoints(
            naming=self._naming,
            region=self._account.region,
            vpc=self.vpc.network,
            group_id=group.id,
            services=services,
            opts=opts,
        )

    def _cluster(self) -> aws.ecs.Cluster:
        name = self._naming.prefixed("cluster")
        return aws.ecs.Cluster(
            "cluster", name=name, tags=self._naming.tags(name), opts=pulumi.ResourceOptions(parent=self)
        )

    def _capacity_providers(self) -> aws.ecs.ClusterCapacityProviders:
        return aws.ecs.ClusterCapacityProviders(
            "cluster-capacity",
            cluster_name=self.cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _topic(self) -> aws.sns.Topic:
        name = self._naming.prefixed("jobs")
        topic = aws.sns.Topic(
            "jobs",
            name=name,
            maximum_message_size=MAX_MESSAGE_BYTES,
            kms_master_key_id=self._key_arn,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.sns.TopicPolicy(
            "jobs-policy",
            arn=topic.arn,
            policy=topic_policy(topic.arn),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return topic

    def _queue(self) -> aws.sqs.Queue:
        name = self._naming.prefixed("jobs")
        queue = aws.sqs.Queue(
            "jobs",
            name=name,
            max_message_size=MAX_MESSAGE_BYTES,
            visibility_timeout_seconds=QUEUE_VISIBILITY_SECONDS,
            message_retention_seconds=QUEUE_RETENTION_SECONDS,
            receive_wait_time_seconds=LONG_POLL_SECONDS,
            sqs_managed_sse_enabled=True if self._key_arn is None else None,
            kms_master_key_id=self._key_arn,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=self._protect),
        )
        policy = aws.sqs.QueuePolicy(
            "jobs-from-topic",
            queue_url=queue.url,
            policy=queue_policy(queue.arn, topic_arn=self.topic.arn),
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.sns.TopicSubscription(
            "jobs-to-queue",
            topic=self.topic.arn,
            protocol="sqs",
            endpoint=queue.arn,
            filter_policy=json.dumps({"TASK_TYPE": [TTS]}),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        return queue

    def _table(self) -> aws.dynamodb.Table:
        name = self._naming.prefixed("tasks")
        columns = ("id", "task_id", "sparse_gsi_hash_key")
        return aws.dynamodb.Table(
            "tasks",
            name=name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="id",
            range_key="task_id",
            attributes=[aws.dynamodb.TableAttributeArgs(name=column, type="S") for column in columns],
            global_secondary_indexes=[
                # Contains unfinished tasks only: the worker removes the key at the end.
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name="sparse_gsi",
                    key_schemas=[
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name="sparse_gsi_hash_key", key_type="HASH"
                        )
                    ],
                    projection_type="ALL",
                )
            ],
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=None
            if self._key_arn is None
            else aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=self._key_arn),
            deletion_protection_enabled=self._protect,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=self._protect),
        )

    def _roles(self) -> tuple[Role, Role]:
        """The two roles of the outputs, for stacks that set `features.roles: story_infra`."""
        execution, task = (
            Role(
                name,
                naming=self._naming,
                service="ecs-tasks.amazonaws.com",
                description=f"{words} of tasks on {self._naming.prefixed('cluster')}",
                account=self._account,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for name, words in (("platform-execution", "Execution role"), ("platform-task", "Role"))
        )
        # Services bring their own repositories and log groups, so both are patterns.
        execution.attach_policy(
            "start-tasks",
            [
                *pull_images(self._account.arn("ecr", "repository/*")),
                *write_logs(self._account.arn("logs", "log-group:/ecs/*")),
            ],
        )
        task.attach_policy("use-platform", self._use_platform())
        return execution, task

    def _use_platform(self) -> list[Statement]:
        """What a worker needs: queue, dead-letter queues, table, bucket and task protection."""
        return [
            *consume_queue(self.queue.arn),
            *send_messages(self._account.arn("sqs", f"*{DEAD_LETTER_SUFFIX}")),
            *write_task_rows(self.table.arn),
            *write_media([self.media.bucket.arn]),
            *read_texts([self.media.bucket.arn]),
            *delete_segments(self.media.bucket.arn),
            *protect_tasks(self._account.tasks_arn(self.cluster.name)),
            *use_keys([self._key_arn] if self._key_arn else [], region=self._account.region),
        ]

    @property
    def platform(self) -> Platform:
        """The same outputs that are read from story-infra."""
        return Platform(
            vpc_id=self.vpc.id,
            private_subnet_ids=self.vpc.private_subnet_ids,
            ecs_cluster_name=self.cluster.name,
            ecs_tasks_security_group_id=self.vpc.tasks_group_id,
            task_queue_url=self.queue.url,
            task_queue_arn=self.queue.arn,
            story_video_tasks_table_name=self.table.name,
            s3_bucket_name=self.media.bucket.bucket,
            sns_topic_arn=self.topic.arn,
            ecs_task_execution_role_arn=self.execution_role.arn,
            ecs_task_role_arn=self.task_role.arn,
        )

    @property
    def outputs(self) -> dict[str, pulumi.Input[object]]:
        """The stack outputs that story-infra also has, for other stacks to refer to."""
        return {
            "vpc_id": self.vpc.id,
            "private_subnet_ids": self.vpc.private_subnet_ids,
            "ecs_cluster_name": self.cluster.name,
            "ecs_task_execution_role_arn": self.execution_role.arn,
            "ecs_task_role_arn": self.task_role.arn,
            "ecs_tasks_security_group_id": self.vpc.tasks_group_id,
            "task_queue_urls": {TTS: self.queue.url},
            "task_queue_arns": {TTS: self.queue.arn},
            "story_video_tasks_table_name": self.table.name,
            "s3_bucket_name": self.media.bucket.bucket,
            "sns_topic_arn": self.topic.arn,
        }
