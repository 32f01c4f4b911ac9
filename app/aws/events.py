"""Where events are published: an event bus of EventBridge, a topic of SNS."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from app.aws.session import code_of, translated
from app.errors import EventsRefusedError, UnavailableError
from app.events import SOURCE, JobEvent

_TRANSIENT = frozenset({"InternalFailure", "InternalException", "ThrottlingException"})
"""
Codes of entries worth another attempt, by
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html
"""
_REFUSED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "InvalidParameter",
        "KMSAccessDenied",
        "NotFound",
        "ResourceNotFoundException",
        "ValidationException",
    }
)


class EventBus:
    """An event bus of EventBridge."""

    def __init__(self, *, events: Any, bus: str) -> None:
        """`bus` is its name or ARN."""
        self._events = events
        self._bus = bus

    def publish(self, event: JobEvent) -> None:
        """Publish the event. Raises EventsRefusedError, and InfrastructureError if EventBridge is down."""
        entry = {
            "Source": SOURCE,
            "DetailType": event.detail_type,
            "Detail": event.text,
            "EventBusName": self._bus,
        }
        with _refusals("events", f"EVENT_BUS={self._bus} and events:PutEvents"):
            answer = self._events.put_events(Entries=[entry])
        # A refused entry is answered with HTTP 200.
        if answer.get("FailedEntryCount", 0):
            code = str(answer["Entries"][0].get("ErrorCode"))
            if code in _TRANSIENT:
                raise UnavailableError(f"events: PutEvents answered {code}")
            raise _refused("events", code, f"EVENT_BUS={self._bus} and events:PutEvents")


class EventTopic:
    """A standard topic of SNS."""

    def __init__(self, *, sns: Any, arn: str) -> None:
        self._sns = sns
        self._arn = arn

    def publish(self, event: JobEvent) -> None:
        """Publish the event. Raises EventsRefusedError, and InfrastructureError if SNS is down."""
        attributes = {"source": SOURCE, "detail-type": event.detail_type, "status": event.status}
        with _refusals("sns", f"EVENT_TOPIC_ARN={self._arn} and sns:Publish"):
            self._sns.publish(
                TopicArn=self._arn,
                Message=event.text,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )


@contextmanager
def _refusals(service: str, advice: str) -> Iterator[None]:
    """Translate errors: what no repetition can mend becomes EventsRefusedError."""
    with translated(service):
        try:
            yield
        except ClientError as error:
            if code_of(error) in _REFUSED:
                raise _refused(service, code_of(error), advice) from error
            raise


def _refused(service: str, code: str, advice: str) -> EventsRefusedError:
    return EventsRefusedError(f"{service}: an event was refused ({code}): check {advice}")
