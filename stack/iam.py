"""Roles, the policies attached to them, and the account that they belong to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack.naming import Naming
from stack.permissions import Statement, identity_policy, service_trust_policy

Policies = Mapping[str, Sequence[Statement]]


class Role(pulumi.ComponentResource):
    """A role that one AWS service may assume in this account, and its inline policies."""

    def __init__(
        self,
        name: str,
        *,
        naming: Naming,
        service: str,
        description: str,
        account: "Account",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Role", name, None, opts)
        role_name = naming.prefixed(name)
        self._policies: list[pulumi.Resource] = []
        self.role = aws.iam.Role(
            name,
            name=role_name,
            description=description,
            assume_role_policy=json.dumps(
                service_trust_policy(service=service, account_id=account.account_id)
            ),
            permissions_boundary=account.permissions_boundary,
            tags=naming.tags(role_name),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = self.role.arn
        self.register_outputs({"arn": self.arn})

    def attach_policy(self, name: str, statements: Sequence[Statement]) -> None:
        """Attach an inline policy."""
        self._policies.append(
            aws.iam.RolePolicy(
                f"{self._name}-{name}",
                name=name,
                role=self.role.name,
                policy=identity_policy(statements),
                opts=pulumi.ResourceOptions(parent=self),
            )
        )

    @property
    def policies(self) -> list[pulumi.Resource]:
        """The attached policies, for resources that must wait for them."""
        return list(self._policies)


@dataclass(frozen=True, kw_only=True)
class RoleArns:
    """The ARNs of a task's two roles."""

    execution: pulumi.Input[str]
    task: pulumi.Input[str]


class TaskRoles(pulumi.ComponentResource):
    """A task's two roles: ECS starts the task with the execution role, the worker runs with the task role.

    With `existing` roles nothing is created and no policy is attached.
    """

    def __init__(
        self,
        *,
        naming: Naming,
        account: "Account",
        existing: RoleArns | None,
        execution_policies: Policies,
        task_policies: Policies,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:TaskRoles", "task-roles", None, opts)
        self.policies: list[pulumi.Resource] = []
        if existing is not None:
            self.arns = existing
        else:
            execution = self._role(
                "execution", f"Starts tasks of {naming.app}", naming=naming, account=account
            )
            task = self._role(
                "task", f"What the worker of {naming.app} may do", naming=naming, account=account
            )
            for role, policies in ((execution, execution_policies), (task, task_policies)):
                for name, statements in policies.items():
                    role.attach_policy(name, statements)
                self.policies += role.policies
            self.arns = RoleArns(execution=execution.arn, task=task.arn)
        self.register_outputs({"execution_arn": self.arns.execution, "task_arn": self.arns.task})

    def _role(self, name: str, description: str, *, naming: Naming, account: "Account") -> Role:
        return Role(
            name,
            naming=naming,
            service="ecs-tasks.amazonaws.com",
            description=description,
            account=account,
            opts=pulumi.ResourceOptions(parent=self),
        )


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account and region of the stack; builds the ARNs of resources that the stack does not create."""

    account_id: str
    region: str
    partition: str
    permissions_boundary: str | None = None
    """The policy that bounds every role, where the account demands one."""

    def arn(self, service: str, resource: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a regional resource of this account."""
        return pulumi.Output.concat(
            f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:", resource
        )

    def bucket_arn(self, bucket: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a bucket, which contains neither region nor account."""
        return pulumi.Output.concat(f"arn:{self.partition}:s3:::", bucket)

    def bus_arn(self, name: str) -> pulumi.Input[str]:
        """The ARN of an event bus, which `name` may be already."""
        return name if name.startswith("arn:") else self.arn("events", f"event-bus/{name}")

    def tasks_arn(self, cluster: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN pattern of all tasks of a cluster; task ids are not known in advance."""
        return self.arn("ecs", pulumi.Output.concat("task/", cluster, "/*"))


def current_account(*, permissions_boundary: str | None) -> Account:
    """The account of the current credentials and the provider's region."""
    return Account(
        account_id=aws.get_caller_identity().account_id,
        region=aws.get_region().region,
        partition=aws.get_partition().partition,
        permissions_boundary=permissions_boundary,
    )
