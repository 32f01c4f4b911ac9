"""The dead-letter queue: jobs that cannot succeed, with their reasons."""

import json
from collections.abc import Mapping
from typing import Any

from app.aws.objects import Objects
from app.aws.queue import Message, MessageTooLargeError, Queue
from app.job import S3Address

PREFIX = "dead-letters/"
"""Of the objects that hold the bodies of letters too large for the queue."""
BODY_URL = "body_url"
"""The attribute that names such an object."""


class DeadLetters(Queue):
    """
    The dead-letter queue, which takes every job that the queue of jobs takes.

    A body that does not fit, with its attributes, is stored in the bucket, and the letter names the object.
    """

    def __init__(self, *, sqs: Any, url: str, objects: Objects, bucket: str) -> None:
        super().__init__(sqs=sqs, url=url)
        self._objects = objects
        self._bucket = bucket

    def send(
        self, body: str, *, attributes: Mapping[str, str] | None = None, group: str | None = None
    ) -> None:
        """Send a letter with its reason; `attributes` must have an `original_message_id` if it is large."""
        reason = dict(attributes or {})
        try:
            super().send(body, attributes=reason, group=group)
        except MessageTooLargeError:
            address = S3Address(self._bucket, f"{PREFIX}{reason['original_message_id']}.json")
            self._objects.create(address, body.encode(), content_type="application/json")
            letter = json.dumps({"dead_letter_url": address.uri})
            super().send(letter, attributes=reason | {BODY_URL: address.uri}, group=group)

    def body_of(self, letter: Message) -> str:
        """Return the job of a letter; no objects are read but those of `send`. Raises InfrastructureError."""
        address = S3Address.parse(letter.attributes.get(BODY_URL, ""))
        if address.bucket != self._bucket or not address.key.startswith(PREFIX):
            return letter.body
        return self._objects.read(address).decode()
