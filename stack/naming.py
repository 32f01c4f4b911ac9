"""The one rule that names and tags every resource: all of it follows from the application's name."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Physical names are the application's name and a suffix, so that the stack can be found without it."""

    app: str
    environment: str
    stack: str

    @property
    def service(self) -> str:
        """The ECS service: story-tts-service."""
        return f"{self.app}-service"

    @property
    def log_group(self) -> str:
        """The worker's log group: /ecs/story-tts."""
        return f"/ecs/{self.app}"

    @property
    def namespace(self) -> str:
        """The private DNS namespace: story-tts.local."""
        return f"{self.app}.local"

    @property
    def running_tag(self) -> str:
        """The image tag that follows what this stack runs, and shields it from the registry's clean-up."""
        return f"running-{self.app}"

    def of(self, suffix: str) -> str:
        """A name of the application's own: story-tts-dead-letter."""
        return f"{self.app}-{suffix}"

    def tags(self, name: str) -> dict[str, str]:
        """Tags of one resource: its name, and what cost reports and clean-ups group by."""
        return {
            "Name": name,
            "Application": self.app,
            "Environment": self.environment,
            "ManagedBy": "pulumi",
            "Stack": self.stack,
        }
