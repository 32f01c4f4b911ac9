"""Where the vendor's errors end: each becomes one of ours, and which one decides what the worker does."""

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from app.aws.session import translated
from app.errors import CredentialsError, InfrastructureError, QueueGoneError, UnavailableError


def answer(code: str, status: int = 400) -> ClientError:
    """Return an error answer as botocore raises it."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer("AWS.SimpleQueueService.NonExistentQueue"), QueueGoneError),
        (answer("QueueDoesNotExist"), QueueGoneError),
        (answer("AccessDeniedException"), CredentialsError),
        (answer("AuthorizationError", 403), CredentialsError),  # SNS's word for it
        (answer("ExpiredToken", 403), CredentialsError),
        (answer("InvalidClientTokenId", 403), CredentialsError),
        (answer("ThrottlingException"), UnavailableError),
        (answer("ProvisionedThroughputExceededException"), UnavailableError),
        (answer("SlowDown", 503), UnavailableError),
        (answer("InternalError", 500), UnavailableError),
        (answer("", 502), UnavailableError),
        (answer("ValidationException"), InfrastructureError),
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), UnavailableError),
        (exceptions.ConnectTimeoutError(endpoint_url="http://x"), UnavailableError),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), UnavailableError),
        (exceptions.ConnectionClosedError(endpoint_url="http://x"), UnavailableError),
        (exceptions.HTTPClientError(error="x"), UnavailableError),
        (exceptions.NoCredentialsError(), CredentialsError),
        (exceptions.ProfileNotFound(profile="x"), CredentialsError),
        (exceptions.CredentialRetrievalError(provider="x", error_msg="y"), CredentialsError),
    ],
    ids=str,
)
def test_every_vendor_error_becomes_one_of_ours(error: Exception, kind: type[InfrastructureError]) -> None:
    """An error of the SDK leaves the boundary as exactly the kind that says what to do about it."""
    with pytest.raises(InfrastructureError) as caught, translated("sqs"):
        raise error

    assert type(caught.value) is kind
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("service", "error", "said"),
    [
        ("dynamodb", answer("ResourceNotFoundException"), "the table does not exist: check DYNAMODB_TABLE"),
        ("sqs", answer("QueueDoesNotExist"), "the queue does not exist"),
        ("s3", answer("NoSuchBucket", 404), "the bucket does not exist"),
        ("sns", answer("NotFound", 404), "the topic does not exist: check SNS_TOPIC_ARN and EVENT_TOPIC_ARN"),
        (
            "s3",
            exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:1/bucket/key"),
            "no response from 127.0.0.1:1 (EndpointConnectionError)",
        ),
        ("sqs", exceptions.ParamValidationError(report="value: a story"), "ParamValidationError"),
    ],
    ids=str,
)
def test_an_error_says_what_is_missing_and_nothing_that_was_sent(
    service: str, error: Exception, said: str
) -> None:
    """A message names the resource or the address that is not there; never a path, never a story's text."""
    with pytest.raises(InfrastructureError) as caught, translated(service):
        raise error

    assert caught.value.message.startswith(f"{service}: {said}")
    assert "story" not in caught.value.message
    assert "key" not in caught.value.message


def test_no_error_of_the_sdk_gets_past_the_boundary() -> None:
    """The mapping is complete: every class of botocore's errors is one of ours behind it."""
    base = exceptions.BotoCoreError
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, base)]
    assert len(kinds) > 50
    for kind in kinds:
        with pytest.raises(InfrastructureError), translated("s3"):
            raise kind.__new__(kind)
