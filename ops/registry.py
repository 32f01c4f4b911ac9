"""Pushes a local image into a stack's ECR repository with the Docker CLI."""

import base64
import subprocess

from ops.aws import aws_client
from ops.errors import OpsError
from ops.pulumi import Outputs

LOCAL_IMAGE = "story-tts:local"


def push_image(outputs: Outputs, *, tag: str) -> None:
    """Push LOCAL_IMAGE into the stack's repository under `tag`. Raises OpsError."""
    with aws_client("ecr", region=outputs["region"]) as ecr:
        (login,) = ecr.get_authorization_token()["authorizationData"]
    user, _, password = base64.b64decode(login["authorizationToken"]).decode().partition(":")
    image = f"{outputs['repository_url']}:{tag}"
    _docker("login", "--username", user, "--password-stdin", login["proxyEndpoint"], stdin=password)
    _docker("tag", LOCAL_IMAGE, image)
    _docker("push", image)


def _docker(*arguments: str, stdin: str | None = None) -> None:
    done = subprocess.run(["docker", *arguments], input=stdin, text=True, check=False)
    if done.returncode != 0:
        raise OpsError(f"docker {arguments[0]} failed: see its message above")
