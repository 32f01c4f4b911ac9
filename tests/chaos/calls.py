"""What an HTTP request to AWS means in the life of a job: the boundaries at which faults strike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from app.events import OUTBOX
from app.media import AUDIO_FORMATS
from tests.chaos.stories import story_named


class Boundary(StrEnum):
    """A step of the worker that crosses the network."""

    RECEIVE = "receive"
    CLAIM = "claim"
    MARK = "mark the subtitles"
    LOOK = "look for media"
    PUT_AUDIO = "put the audio"
    PUT_SRT = "put the srt"
    PUT_VTT = "put the vtt"
    PUT_WORDS = "put the words"
    RENEW = "renew the row"
    EXTEND = "extend the visibility"
    COMMIT = "commit"
    PUBLISH = "publish the event"
    CLEAR = "clear the event"
    DELETE = "delete"
    RELEASE = "release"
    GIVE_BACK = "give back"
    FAIL = "fail"
    REFUSE = "refuse"
    CANCEL = "cancel"
    DEAD_LETTER = "dead letter"
    READ = "read a row"
    STORE_SEGMENT = "store a segment"
    DROP_SEGMENT = "drop a segment"
    OTHER = "other"


B = Boundary
PUTS = {".wav": B.PUT_AUDIO, ".srt": B.PUT_SRT, ".vtt": B.PUT_VTT, ".words.json": B.PUT_WORDS}
PATH = (B.RECEIVE, B.CLAIM, B.MARK, B.LOOK, *PUTS.values(), B.COMMIT, B.PUBLISH, B.CLEAR, B.DELETE)
"""What every job crosses, in this order."""
ROW_WRITES = frozenset({B.CLAIM, B.MARK, B.RENEW, B.COMMIT, B.RELEASE, B.FAIL, B.REFUSE, B.CANCEL})
_SQS = {"ReceiveMessage": B.RECEIVE, "DeleteMessage": B.DELETE, "SendMessage": B.DEAD_LETTER}
_SEGMENTS_FOLDER = "segments"
_SEGMENTS = {"PUT": B.STORE_SEGMENT, "DELETE": B.DROP_SEGMENT}
# Each update of a row has a part of its expression that no other has.
_UPDATES = {
    f"REMOVE {OUTBOX}": B.CLEAR,
    "lease_epoch = if_not_exists(lease_epoch": B.CLAIM,
    "lease_epoch = :epoch": B.MARK,
    "lease_expires_at = :expires, progress": B.RENEW,
    "lease_expires_at = :zero": B.RELEASE,
    "#status = :failed": B.REFUSE,
    "#status = :cancelled": B.CANCEL,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood."""

    service: str
    """sqs, sns, dynamodb or s3."""
    boundary: Boundary
    story: str | None = None
    """The id of the rows, or the first part of the object's key."""
    epoch: int | None = None
    receipt_handle: str | None = None
    key: str | None = None
    digest: str | None = None
    """SHA-256 of the object."""
    token: str | None = None
    """Of a transaction: the same in each of the SDK's repetitions."""
    event_id: str | None = None
    """Of the event that is stored, published or cleared."""


def call_of(method: str, path: str, headers: Mapping[str, str], body: bytes, *, lease_secs: float) -> Call:
    """Return what a request means; `lease_secs` tells a renewal of the visibility from giving back."""
    service, _, operation = headers.get("X-Amz-Target", "").partition(".")
    if service.startswith("AmazonSQS"):
        return _sqs(operation, json.loads(body), lease_secs)
    if service.startswith("DynamoDB"):
        return _dynamodb(operation, json.loads(body))
    if method == "POST" and path == "/":
        return _sns(parse_qs(body.decode()))
    _, _, key = unquote(urlsplit(path).path).lstrip("/").partition("/")
    folder, _, name = key.partition("/")
    return Call(
        "s3",
        _s3(method, folder, name),
        None if folder == _SEGMENTS_FOLDER else folder or None,
        key=key,
        digest=sha256(body).hexdigest() if method == "PUT" else None,
    )


def _s3(method: str, folder: str, name: str) -> Boundary:
    if folder == _SEGMENTS_FOLDER:
        return _SEGMENTS.get(method, B.OTHER)
    if method == "HEAD":
        return B.LOOK
    is_audio = name.rpartition(".")[2] in AUDIO_FORMATS
    suffix = ".wav" if is_audio else f".{name.partition('.')[2]}"
    return PUTS.get(suffix, B.OTHER) if method == "PUT" else B.OTHER


def _sns(parameters: Mapping[str, list[str]]) -> Call:
    if parameters.get("Action") != ["Publish"]:
        return Call("sns", B.OTHER)
    event = json.loads(parameters["Message"][0])
    return Call("sns", B.PUBLISH, story_named(event["parent_id"]), event_id=event["id"])


def _sqs(operation: str, fields: dict[str, Any], lease_secs: float) -> Call:
    boundary = _SQS.get(operation, B.OTHER)
    if operation == "ChangeMessageVisibility":
        boundary = B.EXTEND if fields["VisibilityTimeout"] == round(lease_secs) else B.GIVE_BACK
    return Call("sqs", boundary, receipt_handle=fields.get("ReceiptHandle"))


def _dynamodb(operation: str, fields: dict[str, Any]) -> Call:
    updates = [item.get("Update", {}) for item in fields.get("TransactItems", [])] or [fields]
    values = updates[0].get("ExpressionAttributeValues", {})
    expression, status = updates[0].get("UpdateExpression", ""), values.get(":status", {}).get("S")
    if operation == "TransactWriteItems":
        boundary = {"COMPLETED": B.COMMIT, "FAILED": B.FAIL}.get(status, B.OTHER)
    elif operation == "UpdateItem":
        boundary = next((b for part, b in _UPDATES.items() if part in expression), B.OTHER)
    else:
        boundary = B.READ if operation == "GetItem" else B.OTHER
    epoch = values.get(":epoch", {}).get("N")
    return Call(
        "dynamodb",
        boundary,
        story_named(updates[0].get("Key", {}).get("id", {}).get("S", "")) or None,
        epoch=int(epoch) if epoch else None,
        token=fields.get("ClientRequestToken"),
        event_id=values.get(":event_id", {}).get("S"),
    )
