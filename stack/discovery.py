"""Service discovery: the private DNS name of the tasks, story-tts.story-tts.local."""

import pulumi
import pulumi_aws as aws

from stack.naming import Naming

# How long resolvers may cache a task's address, in seconds. Tasks start and stop within minutes.
RECORD_TTL_SECONDS = 10


class Discovery(pulumi.ComponentResource):
    """A private DNS namespace with one service, whose health ECS reports."""

    def __init__(
        self, *, naming: Naming, vpc_id: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("story-tts:stack:Discovery", "discovery", None, opts)
        self.namespace = aws.servicediscovery.PrivateDnsNamespace(
            "namespace",
            name=naming.namespace,
            description=f"private names of {naming.app}",
            vpc=vpc_id,
            tags=naming.tags(naming.namespace),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.service = aws.servicediscovery.Service(
            "service",
            name=naming.app,
            description=f"tasks of {naming.service}",
            dns_config=aws.servicediscovery.ServiceDnsConfigArgs(
                namespace_id=self.namespace.id,
                routing_policy="MULTIVALUE",
                dns_records=[
                    aws.servicediscovery.ServiceDnsConfigDnsRecordArgs(type="A", ttl=RECORD_TTL_SECONDS)
                ],
            ),
            # ECS reports the container's health. The threshold is deprecated, but the provider drops an empty
            # block and plans a replacement at every update. The dict form does not warn of the deprecation.
            health_check_custom_config={"failure_threshold": 1},
            # Instances of killed tasks would otherwise block the deletion of the service.
            force_destroy=True,
            tags=naming.tags(naming.app),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"service_arn": self.service.arn})
