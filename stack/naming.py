"""Names and tags of all resources, derived from the application's name."""

from dataclasses import dataclass

from stack.config import setting_error

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME_LENGTH = 63


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

    def media_bucket(self, *, account_id: str, region: str) -> str:
        """The bucket of an own platform, unique in the world. Raises SettingsError if it is too long."""
        name = f"{self.app}-media-{account_id}-{region}"
        if len(name) > BUCKET_NAME_LENGTH:
            text = (
                f"{self.app} makes the bucket name {name}, of {len(name)} characters;"
                f" S3 allows {BUCKET_NAME_LENGTH}"
            )
            raise setting_error(
                "app_name", text, example=self.app[: BUCKET_NAME_LENGTH - len(name)].rstrip("-")
            )
        return name

    def tags(self, name: str) -> dict[str, str]:
        """The tags of a resource: its name, and the keys that cost reports group by."""
        return {
            "Name": name,
            "Application": self.app,
            "Environment": self.environment,
            "ManagedBy": "pulumi",
            "Stack": self.stack,
        }


def replica_bucket(source: str, *, region: str) -> str:
    """The name of a bucket's replica. Raises SettingsError if it is too long."""
    name = f"{source}-{region}"
    if len(name) > BUCKET_NAME_LENGTH:
        text = (
            f"the default is {name}, of {len(name)} characters, and S3 allows {BUCKET_NAME_LENGTH};"
            " choose a name"
        )
        raise setting_error("storage.replica_bucket", text, example=f"media-{region}")
    return name
