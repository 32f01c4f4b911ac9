"""Names and tags of all resources, derived from the application's name."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Naming:
    """Physical names start with the application's name, so they can be found without Pulumi's state."""

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
        """The image tag of the running image; ECR's lifecycle policy keeps images with such a tag."""
        return f"running-{self.app}"

    def prefixed(self, suffix: str) -> str:
        """The application's name and a suffix: story-tts-dead-letter."""
        return f"{self.app}-{suffix}"

    def tags(self, name: str) -> dict[str, str]:
        """The tags of a resource: its name, and the keys that cost reports group by."""
        return {
            "Name": name,
            "Application": self.app,
            "Environment": self.environment,
            "ManagedBy": "pulumi",
            "Stack": self.stack,
        }
