"""AWS clients, and the one place that translates the SDK's errors into our own types."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.errors import CredentialsError, InfrastructureError, QueueGoneError, UnavailableError

CONNECT_TIMEOUT_SECS = 5
READ_TIMEOUT_SECS = 30
"""Longer than a long poll of 20 s."""
ATTEMPTS = 3

_QUEUE_GONE = frozenset(
    {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "QueueDeletedRecently"}
)
_CREDENTIALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
        "403",
    }
)
_THROTTLED = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_MISSING_RESOURCES = {
    ("dynamodb", "ResourceNotFoundException"): "the table does not exist: check DYNAMODB_TABLE",
    ("events", "ResourceNotFoundException"): "the event bus does not exist: check EVENT_BUS",
    ("s3", "NoSuchBucket"): "the bucket does not exist",
    ("sns", "NotFound"): "the topic does not exist: check SNS_TOPIC_ARN and EVENT_TOPIC_ARN",
}
HTTP_SERVER_ERROR = 500


class AwsClients:
    """AWS clients of one region, created on first use. Thread-safe, as are the clients."""

    def __init__(
        self,
        *,
        region: str,
        timeout_secs: float = READ_TIMEOUT_SECS,
        attempts: int = ATTEMPTS,
        session: "_Session | None" = None,
    ) -> None:
        """A call waits `timeout_secs` for each response and is attempted `attempts` times."""
        self._timeout_secs = timeout_secs
        self._attempts = attempts
        self._session = session or _Session(region)
        self._clients: dict[str, Any] = {}

    def with_limits(self, *, timeout_secs: float, attempts: int) -> "AwsClients":
        """Return clients with other limits and the same session: to open another one takes 0.15 s."""
        return AwsClients(
            region=self._session.region, timeout_secs=timeout_secs, attempts=attempts, session=self._session
        )

    def client(self, service: str) -> Any:
        """
        Return the client of `service`, such as "sqs".

        Endpoint, credentials and profile come from the SDK's environment variables and files. Raises
        CredentialsError if the SDK's configuration is unusable.
        """
        with self._session.lock:
            if service not in self._clients:
                with translated(service):
                    self._clients[service] = self._create(service)
            return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation, such as "get_queue_attributes", for its response. Raises InfrastructureError."""
        with translated(service):
            response: dict[str, Any] = getattr(self.client(service), operation)(**parameters)
        return response

    def _create(self, service: str) -> Any:
        return self._session.opened().client(  # type: ignore[call-overload]
            service,
            config=Config(
                connect_timeout=min(CONNECT_TIMEOUT_SECS, self._timeout_secs),
                read_timeout=self._timeout_secs,
                retries={"mode": "standard", "total_max_attempts": self._attempts},
                user_agent_extra="story-tts",
                # The code that writes an object computes its checksum; other calls need none.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


class _Session:
    """The SDK's session, opened on first use. Hold `lock` for that and for creating a client."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.lock = threading.Lock()
        self._opened: boto3.session.Session | None = None

    def opened(self) -> boto3.session.Session:
        """Return the session."""
        self._opened = self._opened or boto3.session.Session(region_name=self.region)
        return self._opened


def code_of(error: ClientError) -> str:
    """Return the error code of a response, such as ConditionalCheckFailedException."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def translated(service: str) -> Iterator[None]:
    """
    Translate the SDK's errors inside the block into InfrastructureError and its subclasses.

    Errors that callers handle themselves, such as a failed condition, must be caught inside the block.
    """
    try:
        yield
    except ClientError as error:
        raise _response_error(service, error) from error
    except BotoCoreError as error:
        raise _transport_error(service, error) from error


def _response_error(service: str, error: ClientError) -> InfrastructureError:
    code = code_of(error)
    operation = error.operation_name
    if (service, code) in _MISSING_RESOURCES:
        return InfrastructureError(f"{service}: {_MISSING_RESOURCES[service, code]}")
    if code in _QUEUE_GONE:
        return QueueGoneError(f"{service}: the queue does not exist")
    if code in _CREDENTIALS:
        return CredentialsError(f"{service}: {operation} was refused ({code})")
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _THROTTLED or status >= HTTP_SERVER_ERROR:
        return UnavailableError(f"{service}: {operation} answered {code or status}")
    return InfrastructureError(f"{service}: {operation} answered {code or status}")


def _transport_error(service: str, error: BotoCoreError) -> InfrastructureError:
    if isinstance(
        error,
        exceptions.NoCredentialsError
        | exceptions.PartialCredentialsError
        | exceptions.CredentialRetrievalError
        | exceptions.ProfileNotFound
        | exceptions.TokenRetrievalError
        | exceptions.SSOError,
    ):
        return CredentialsError(f"{service}: no usable credentials ({type(error).__name__})")
    # The SDK's message may quote the request, and with it the text of a story.
    name = type(error).__name__
    host = urlsplit(str(getattr(error, "kwargs", {}).get("endpoint_url", ""))).netloc
    return UnavailableError(f"{service}: no response from {host} ({name})" if host else f"{service}: {name}")
