"""A foundation of this stack's own, for an account without story-infra: the same outputs and names."""

import json

import pulumi
import pulumi_aws as aws

from stack.dead_letters import SUFFIX as DEAD_LETTER_SUFFIX
from stack.granting import consume, record, write_media
from stack.iam import Account, Role, Statement
from stack.image import pull
from stack.naming import Naming
from stack.network import HTTPS_PORT, Endpoints
from stack.service import protect_tasks
from stack.storage import private_bucket
from stack.story_infra import TTS, StoryInfra

ZONES = 2
QUEUE_VISIBILITY_SECONDS = 60
QUEUE_RETENTION_SECONDS = 14 * 24 * 3600
LONG_POLL_SECONDS = 20


class Foundation(pulumi.ComponentResource):
    """A VPC over two zones, a cluster, the job queue behind its topic, bucket, table and plain roles."""

    def __init__(
        self,
        *,
        naming: Naming,
        account: Account,
        vpc_cidr: str,
        zones: list[str],
        nat: bool,
        endpoints: bool,
        exec_enabled: bool,
        protect: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Foundation", "foundation", None, opts)
        self._naming = naming
        self._account = account
        self._protect = protect
        self.vpc = Vpc(
            naming=naming, cidr=vpc_cidr, zones=zones, nat=nat, opts=pulumi.ResourceOptions(parent=self)
        )
        if endpoints:
            self._share_endpoints(exec_enabled=exec_enabled)
        self.cluster = self._cluster()
        self.topic = self._topic()
        self.queue = self._queue()
        self.table = self._table()
        self.bucket = private_bucket(
            "media",
            name=f"{naming.app}-media-{account.account_id}-{account.region}",
            tags=naming.tags(naming.of("media")),
            protect=protect,
            parent=self,
        )
        self.execution_role, self.task_role = self._roles()
        self.register_outputs({"vpc_id": self.vpc.id})

    def _share_endpoints(self, *, exec_enabled: bool) -> None:
        """Endpoints for the services of other stacks, whose groups this one cannot know."""
        name = self._naming.of("platform-endpoints")
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
            tags=self._naming.tags(self._naming.of("endpoints-from-vpc")),
            opts=opts,
        )
        Endpoints(
            naming=self._naming,
            region=self._account.region,
            vpc_id=self.vpc.id,
            subnet_ids=self.vpc.private_subnet_ids,
            group_id=group.id,
            route_table_ids=self.vpc.route_table_ids,
            exec_enabled=exec_enabled,
            opts=opts,
        )

    def _cluster(self) -> aws.ecs.Cluster:
        name = self._naming.of("cluster")
        cluster = aws.ecs.Cluster(
            "cluster", name=name, tags=self._naming.tags(name), opts=pulumi.ResourceOptions(parent=self)
        )
        aws.ecs.ClusterCapacityProviders(
            "cluster-capacity",
            cluster_name=cluster.name,
            capacity_providers=["FARGATE", "FARGATE_SPOT"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return cluster

    def _topic(self) -> aws.sns.Topic:
        name = self._naming.of("jobs")
        return aws.sns.Topic(
            "jobs", name=name, tags=self._naming.tags(name), opts=pulumi.ResourceOptions(parent=self)
        )

    def _queue(self) -> aws.sqs.Queue:
        name = self._naming.of("jobs")
        queue = aws.sqs.Queue(
            "jobs",
            name=name,
            visibility_timeout_seconds=QUEUE_VISIBILITY_SECONDS,
            message_retention_seconds=QUEUE_RETENTION_SECONDS,
            receive_wait_time_seconds=LONG_POLL_SECONDS,
            sqs_managed_sse_enabled=True,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=self._protect),
        )
        policy = aws.sqs.QueuePolicy(
            "jobs-from-topic",
            queue_url=queue.url,
            policy=pulumi.Output.json_dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": "JobsTopicSends",
                            "Effect": "Allow",
                            "Principal": {"Service": "sns.amazonaws.com"},
                            "Action": "sqs:SendMessage",
                            "Resource": queue.arn,
                            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic.arn}},
                        }
                    ],
                }
            ),
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
        name = self._naming.of("tasks")
        columns = ("id", "task_id", "sparse_gsi_hash_key")
        return aws.dynamodb.Table(
            "tasks",
            name=name,
            billing_mode="PAY_PER_REQUEST",
            hash_key="id",
            range_key="task_id",
            attributes=[aws.dynamodb.TableAttributeArgs(name=column, type="S") for column in columns],
            global_secondary_indexes=[
                # Holds what is not yet finished: the worker removes the key at the end.
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
            deletion_protection_enabled=self._protect,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self, protect=self._protect),
        )

    def _roles(self) -> tuple[Role, Role]:
        """The two roles that the contract names, for stacks that set `features.roles: story_infra`."""
        execution, task = (
            Role(
                name,
                naming=self._naming,
                service="ecs-tasks.amazonaws.com",
                description=f"{words} of tasks on {self._naming.of('cluster')}",
                account_id=self._account.account_id,
                opts=pulumi.ResourceOptions(parent=self),
            )
            for name, words in (("platform-execution", "Execution role"), ("platform-task", "Role"))
        )
        # Pull any image of this account, write to any log group of its tasks: services bring their own.
        execution.receive(
            "start-tasks",
            [
                *pull(self._account.arn("ecr", "repository/*")),
                Statement(
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[self._account.arn("logs", "log-group:/ecs/*")],
                ),
            ],
        )
        task.receive("use-platform", self._use_platform())
        return execution, task

    def _use_platform(self) -> list[Statement]:
        """What a worker does with the platform's queue, table and bucket, its letters and its protection."""
        return [
            *consume(self.queue.arn),
            Statement(
                actions=["sqs:SendMessage"], resources=[self._account.arn("sqs", f"*{DEAD_LETTER_SUFFIX}")]
            ),
            *record(self.table.arn),
            *write_media([self.bucket.arn]),
            *protect_tasks(account=self._account, cluster_name=self.cluster.name),
        ]

    @property
    def story_infra(self) -> StoryInfra:
        """The foundation in the form in which story-infra's outputs are read."""
        return StoryInfra(
            vpc_id=self.vpc.id,
            private_subnet_ids=self.vpc.private_subnet_ids,
            ecs_cluster_name=self.cluster.name,
            ecs_tasks_security_group_id=self.vpc.tasks_group_id,
            task_queue_url=self.queue.url,
            task_queue_arn=self.queue.arn,
            story_video_tasks_table_name=self.table.name,
            s3_bucket_name=self.bucket.bucket,
            sns_topic_arn=self.topic.arn,
            ecs_task_execution_role_arn=self.execution_role.arn,
            ecs_task_role_arn=self.task_role.arn,
        )

    @property
    def outputs(self) -> dict[str, pulumi.Input[object]]:
        """What story-infra exports, by its names, for other stacks to refer to."""
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
            "s3_bucket_name": self.bucket.bucket,
            "sns_topic_arn": self.topic.arn,
        }


class Vpc(pulumi.ComponentResource):
    """Two zones, a private subnet in each; with NAT also a public subnet and a gateway out."""

    def __init__(
        self,
        *,
        naming: Naming,
        cidr: str,
        zones: list[str],
        nat: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Vpc", "vpc", None, opts)
        self._naming = naming
        self._network = cidr.rsplit(".", 2)[0]
        self.vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=cidr,
            # Private names of endpoints and of Cloud Map resolve with both.
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=naming.tags(naming.of("vpc")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.id = self.vpc.id
        self.cidr = self.vpc.cidr_block
        self._private_table = self._route_table("private")
        private = [self._subnet(f"private-{n}", n, zone) for n, zone in enumerate(zones)]
        for n, subnet in enumerate(private):
            self._associate(f"private-{n}", subnet, self._private_table)
        if nat:
            self._way_out(zones[0])
        self.private_subnet_ids = pulumi.Output.all(*[subnet.id for subnet in private]).apply(list)
        self.route_table_ids = pulumi.Output.all(self._private_table.id).apply(list)
        self.tasks_group_id = self._tasks_group().id
        self.register_outputs({"id": self.id})

    def _route_table(self, suffix: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{suffix}-routes",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(self._naming.of(f"{suffix}-routes")),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _subnet(self, suffix: str, block: int, zone: str) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            suffix,
            vpc_id=self.vpc.id,
            # 4096 addresses a subnet, sixteen subnets in the VPC's /16.
            cidr_block=f"{self._network}.{block * 16}.0/20",
            availability_zone=zone,
            map_public_ip_on_launch=False,
            tags=self._naming.tags(self._naming.of(suffix)),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _associate(self, name: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{name}-routes",
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _way_out(self, zone: str) -> None:
        gateway = aws.ec2.InternetGateway(
            "internet",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(self._naming.of("internet")),
            opts=pulumi.ResourceOptions(parent=self),
        )
        public = self._subnet("public-0", ZONES, zone)
        public_table = self._route_table("public")
        self._associate("public-0", public, public_table)
        address = aws.ec2.Eip(
            "nat-address",
            domain="vpc",
            tags=self._naming.tags(self._naming.of("nat")),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        nat = aws.ec2.NatGateway(
            "nat",
            subnet_id=public.id,
            allocation_id=address.allocation_id,
            tags=self._naming.tags(self._naming.of("nat")),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )
        self._route_out("public-out", public_table, gateway_id=gateway.id)
        self._route_out("private-out", self._private_table, nat_gateway_id=nat.id)

    def _route_out(
        self,
        name: str,
        table: aws.ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> None:
        aws.ec2.Route(
            name,
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _tasks_group(self) -> aws.ec2.SecurityGroup:
        name = "ecs-tasks-sg" if self._naming.app == "story-tts" else self._naming.of("ecs-tasks-sg")
        return aws.ec2.SecurityGroup(
            "ecs-tasks-group",
            name=name,
            description="tasks of the platform, as other services know them",
            vpc_id=self.vpc.id,
            tags=self._naming.tags(name),
            opts=pulumi.ResourceOptions(parent=self),
        )


def first_zones() -> list[str]:
    """The first two zones of the region that are open to all."""
    found = aws.get_availability_zones(
        state="available",
        filters=[aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
    )
    return sorted(found.names)[:ZONES]
