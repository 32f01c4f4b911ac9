"""Who may do what: the task's two roles, and the statements that grants are made of."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stack.naming import Naming

# Every statement on `*` that the stack may write, and why it cannot be narrower.
# A test compares this list with what the program does.
STARS = {
    "ecr:GetAuthorizationToken": "a login to the registry as a whole; the action knows no resource",
    "ssmmessages:CreateControlChannel": "ECS Exec; the channel has no address before it is open",
    "ssmmessages:CreateDataChannel": "ECS Exec; the channel has no address before it is open",
    "ssmmessages:OpenControlChannel": "ECS Exec; the channel has no address before it is open",
    "ssmmessages:OpenDataChannel": "ECS Exec; the channel has no address before it is open",
}


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Actions allowed on resources, known or not yet."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]


def policy(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """An identity policy that allows the statements and nothing else, as JSON."""
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": sorted(item.actions), "Resource": list(item.resources)}
                for item in statements
            ],
        }
    )


class Role(pulumi.ComponentResource):
    """A role that one AWS service takes on in this account, and the grants that it received."""

    def __init__(
        self,
        name: str,
        *,
        naming: Naming,
        service: str,
        description: str,
        account_id: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:Role", name, None, opts)
        role_name = naming.of(name)
        self._grants: list[pulumi.Resource] = []
        self.role = aws.iam.Role(
            name,
            name=role_name,
            description=description,
            assume_role_policy=_trust(service, account_id),
            tags=naming.tags(role_name),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = self.role.arn
        self.register_outputs({"arn": self.arn})

    def receive(self, name: str, statements: Sequence[Statement]) -> None:
        """Add a grant under a name of its own."""
        self._grants.append(
            aws.iam.RolePolicy(
                f"{self._name}-{name}",
                name=name,
                role=self.role.name,
                policy=policy(statements),
                opts=pulumi.ResourceOptions(parent=self),
            )
        )

    @property
    def grants(self) -> list[pulumi.Resource]:
        """What must be in place before the role is of use."""
        return list(self._grants)


def _trust(service: str, account_id: str) -> str:
    # The account condition keeps the service from taking on the role for someone else (confused deputy).
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
                }
            ],
        }
    )


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account and region that the stack lives in, for addresses of what it does not make."""

    account_id: str
    region: str
    partition: str

    def arn(self, service: str, resource: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a regional resource of this account."""
        return pulumi.Output.concat(
            f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:", resource
        )

    def bucket_arn(self, bucket: pulumi.Input[str]) -> pulumi.Output[str]:
        """The ARN of a bucket, which knows neither region nor account."""
        return pulumi.Output.concat(f"arn:{self.partition}:s3:::", bucket)


def current_account() -> Account:
    """The account of the credentials at hand, and the provider's region."""
    return Account(
        account_id=aws.get_caller_identity().account_id,
        region=aws.get_region().region,
        partition=aws.get_partition().partition,
    )
