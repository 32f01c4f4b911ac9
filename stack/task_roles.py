"""The two roles of a task: one that ECS starts it with, one that the worker acts as."""

from collections.abc import Callable, Sequence

import pulumi

from stack.iam import Account, Role
from stack.naming import Naming
from stack.story_infra import StoryInfra

Grant = Callable[[Role], None]


class TaskRoles(pulumi.ComponentResource):
    """Roles of this stack with exactly the grants given, or story-infra's own, which stay as they are."""

    def __init__(
        self,
        *,
        naming: Naming,
        account: Account,
        lent_by: StoryInfra | None,
        execution_grants: Sequence[Grant],
        task_grants: Sequence[Grant],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("story-tts:stack:TaskRoles", "task-roles", None, opts)
        self.grants: list[pulumi.Resource] = []
        self.execution_arn: pulumi.Input[str]
        self.task_arn: pulumi.Input[str]
        if lent_by is not None:
            assert lent_by.ecs_task_execution_role_arn is not None  # noqa: S101 - read_story_infra has looked
            assert lent_by.ecs_task_role_arn is not None  # noqa: S101 - as above
            self.execution_arn, self.task_arn = lent_by.ecs_task_execution_role_arn, lent_by.ecs_task_role_arn
        else:
            execution = self._role(
                "execution", f"Starts tasks of {naming.app}", naming=naming, account=account
            )
            task = self._role(
                "task", f"What the worker of {naming.app} may do", naming=naming, account=account
            )
            for role, grants in ((execution, execution_grants), (task, task_grants)):
                for grant in grants:
                    grant(role)
                self.grants += role.grants
            self.execution_arn, self.task_arn = execution.arn, task.arn
        self.register_outputs({"execution_arn": self.execution_arn, "task_arn": self.task_arn})

    def _role(self, name: str, description: str, *, naming: Naming, account: Account) -> Role:
        return Role(
            name,
            naming=naming,
            service="ecs-tasks.amazonaws.com",
            description=description,
            account_id=account.account_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
