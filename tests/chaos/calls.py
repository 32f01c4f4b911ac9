"""What an HTTP request to AWS is in the life of a job: the boundaries at which faults strike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit


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
    DELETE = "delete"
    RELEASE = "release"
    GIVE_BACK = "give back"
    FAIL = "fail"
    REFUSE = "refuse"
    DEAD_LETTER = "dead letter"
    READ = "read a row"
    OTHER = "other"


PUTS = {
    ".wav": Boundary.PUT_AUDIO,
    ".srt": Boundary.PUT_SRT,
    ".vtt": Boundary.PUT_VTT,
    ".words.json": Boundary.PUT_WORDS,
}
ROW_WRITES = frozenset(
    {
        Boundary.CLAIM,
        Boundary.MARK,
        Boundary.RENEW,
        Boundary.COMMIT,
        Boundary.RELEASE,
        Boundary.FAIL,
        Boundary.REFUSE,
    }
)
_SQS = {
    "ReceiveMessage": Boundary.RECEIVE,
    "DeleteMessage": Boundary.DELETE,
    "SendMessage": Boundary.DEAD_LETTER,
}
# Each update of a row is known by a part of its expression that no other has.
_UPDATES = {
    "lease_epoch = if_not_exists(lease_epoch": Boundary.CLAIM,
    "lease_epoch = :epoch": Boundary.MARK,
    "lease_expires_at = :expires, progress": Boundary.RENEW,
    "lease_expires_at = :zero": Boundary.RELEASE,
    "#status = :failed": Boundary.REFUSE,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, understood."""

    service: str
    """sqs, dynamodb or s3."""
    boundary: Boundary
    story: str | None = None
    """The id of the rows or the first part of the object's key, where the request names one."""
    epoch: int | None = None
    receipt_handle: str | None = None
    key: str | None = None
    """Of the object."""
    digest: str | None = None
    """SHA-256 of the object's bytes."""
    token: str | None = None
    """Of a transaction: the same in each of the SDK's repetitions."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """What a commit says of its media: address -> SHA-256."""


def call_of(method: str, path: str, headers: Mapping[str, str], body: bytes, *, lease_secs: float) -> Call:
    """Return what a request is; `lease_secs` tells an extension of the visibility from a giving back."""
    target = headers.get("X-Amz-Target", "")
    if target.startswith("AmazonSQS"):
        return _sqs(target.partition(".")[2], json.loads(body), lease_secs)
    if target.startswith("DynamoDB"):
        return _dynamodb(target.partition(".")[2], json.loads(body))
    return _s3(method, path, body)


def _sqs(operation: str, fields: dict[str, Any], lease_secs: float) -> Call:
    boundary = _SQS.get(operation, Boundary.OTHER)
    if operation == "ChangeMessageVisibility":
        is_renewal = fields["VisibilityTimeout"] == round(lease_secs)
        boundary = Boundary.EXTEND if is_renewal else Boundary.GIVE_BACK
    return Call("sqs", boundary, receipt_handle=fields.get("ReceiptHandle"))


def _dynamodb(operation: str, fields: dict[str, Any]) -> Call:
    if operation == "TransactWriteItems":
        return _transaction(fields)
    story = fields.get("Key", {}).get("id", {}).get("S")
    if operation != "UpdateItem":
        return Call("dynamodb", Boundary.READ if operation == "GetItem" else Boundary.OTHER, story)
    expression = fields["UpdateExpression"]
    boundary = next((b for part, b in _UPDATES.items() if part in expression), Boundary.OTHER)
    epoch = fields["ExpressionAttributeValues"].get(":epoch", {}).get("N")
    return Call("dynamodb", boundary, story, epoch=int(epoch) if epoch else None)


def _transaction(fields: dict[str, Any]) -> Call:
    updates = [item.get("Update", {}) for item in fields["TransactItems"]]
    values = [update.get("ExpressionAttributeValues", {}) for update in updates]
    status = values[0].get(":status", {}).get("S")
    epoch = values[0].get(":epoch", {}).get("N")
    return Call(
        "dynamodb",
        {"COMPLETED": Boundary.COMMIT, "FAILED": Boundary.FAIL}.get(status, Boundary.OTHER),
        updates[0].get("Key", {}).get("id", {}).get("S"),
        epoch=int(epoch) if epoch else None,
        token=fields.get("ClientRequestToken"),
        digests={v[":media_url"]["S"]: v[":media_sha256"]["S"] for v in values if ":media_sha256" in v},
    )


def _s3(method: str, path: str, body: bytes) -> Call:
    _, _, key = unquote(urlsplit(path).path).lstrip("/").partition("/")
    story = key.partition("/")[0] or None
    if method != "PUT":
        return Call("s3", Boundary.LOOK if method == "HEAD" else Boundary.OTHER, story, key=key)
    boundary = next((b for suffix, b in PUTS.items() if key.endswith(suffix)), Boundary.OTHER)
    return Call("s3", boundary, story, key=key, digest=sha256(body).hexdigest())
