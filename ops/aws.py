"""AWS clients whose errors are one line."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.errors import OpsError


@contextmanager
def aws_client(service: str, *, region: str | None = None) -> Iterator[Any]:
    """Yield a boto3 client and close it. AWS errors inside the block are raised as OpsError."""
    try:
        # The name of the service is only known at run time, so the stubs have no overload for it.
        with closing(boto3.client(service, region_name=region)) as client:  # type: ignore[call-overload]
            yield client
    except ClientError as error:
        reason = error.response.get("Error", {})
        message = (
            f"{service}: {error.operation_name} answered {error_code(error)}: {reason.get('Message', '')}"
        )
        raise OpsError(message.removesuffix(": ")) from error
    except BotoCoreError as error:
        raise OpsError(f"{service}: {error}") from error


def error_code(error: ClientError) -> str:
    """Return AWS's name of an error, like AccessDenied."""
    return str(error.response.get("Error", {}).get("Code", ""))


def check_credentials() -> None:
    """Raise OpsError if AWS does not accept the credentials of this shell."""
    try:
        with aws_client("sts", region="us-east-1") as sts:
            sts.get_caller_identity()
    except OpsError as error:
        raise OpsError(
            f"AWS does not accept your credentials: {error}. Run `aws sso login` or set AWS_PROFILE"
        ) from error
