"""The untrusted edge: the body of a queue message in, a `Job` or a typed refusal out; strict and pure."""

import json
import math
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.errors import InvalidMessageError, RefusedDestinationError, UnknownVoiceError
from app.job import DIRECT_TASK_ID, Destination, Job, RowKey, S3Address
from app.media import AUDIO, SRT, MediaKind

MAX_INTEGER_DIGITS = 32
"""No field of a job is an integer of more digits; longer ones cost time quadratic in their length."""
MAX_KEY_BYTES = 1024
"""S3's own limit of a key."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.+)", re.DOTALL)


def _identifier(value: str) -> str:
    if not _ID.fullmatch(value):
        message = "must be 1 to 128 of A-Z a-z 0-9 . _ -"
        raise ValueError(message)
    if not value.strip("."):
        message = "must not consist of dots alone"
        raise ValueError(message)
    return value


def _speakable(value: str) -> str:
    if not value.strip():
        message = "must hold a character that is not white space"
        raise ValueError(message)
    return _encodable(value)


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        message = "holds half of a surrogate pair, which is no character"
        raise ValueError(message) from None
    return value


def _speed(value: float) -> float:
    if not math.isfinite(value) or not 0.5 <= value <= 2.0:  # noqa: PLR2004  # the contract's bounds
        message = "must lie between 0.5 and 2.0"
        raise ValueError(message)
    return value


Form = TypeVar("Form", bound="_Message")
_Identifier = Annotated[str, AfterValidator(_identifier)]


class _Message(BaseModel):
    """What both forms share."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    text: Annotated[str, AfterValidator(_speakable)]
    voice: Annotated[str, AfterValidator(_encodable)] | None = None
    speed: Annotated[float, AfterValidator(_speed)] = 1.0
    use_alignment: bool = True


class StoryMessage(_Message):
    """The form that the producer sends."""

    parent_id: _Identifier
    tts_task_id: _Identifier
    srt_task_id: _Identifier


class DirectMessage(_Message):
    """The older form, which names its outputs itself."""

    audio_out: Annotated[str, AfterValidator(_encodable), Field(max_length=MAX_KEY_BYTES + 80)]
    subs_out: Annotated[str, AfterValidator(_encodable), Field(max_length=MAX_KEY_BYTES + 80)]


_KNOWN = frozenset(StoryMessage.model_fields) | frozenset(DirectMessage.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageParser:
    """What a body is held against: the worker's part of the agreement."""

    output_bucket: str
    default_voice: str
    voices: Container[str]
    """The closed set of the engine; it may also accept blends in its `in`."""
    allowed_buckets: frozenset[str] = frozenset()
    topic_arn: str | None = None

    def job(self, body: str) -> Job:
        """
        Return the job that `body` asks for.

        Raises InvalidMessageError (the body or a field of it), UnknownVoiceError, RefusedDestinationError.
        No error's message holds any of the story's text.
        """
        fields = self._unwrapped(_object(body))
        if "audio_out" in fields or "subs_out" in fields:
            return self._direct_job(fields)
        return self._story_job(fields)

    def check(self, *, text: str, voice: str | None, speed: float | None) -> None:
        """Refuse, as `job` would, what one is about to send. Raises as `job` does."""
        fields = {"text": text, "voice": voice, "speed": 1.0 if speed is None else speed}
        self._voice(_validated(_Message, fields))

    def rows_named_by(self, body: str) -> tuple[RowKey, ...]:
        """Return the producer's rows that a refused `body` names well enough to tell them what happened."""
        try:
            fields = self._unwrapped(_object(body))
            parent, *tasks = [
                _identifier(fields[name]) for name in ("parent_id", "tts_task_id", "srt_task_id")
            ]
        except (InvalidMessageError, KeyError, TypeError, ValueError):
            return ()
        return tuple(RowKey(parent, task) for task in dict.fromkeys(tasks))

    def _unwrapped(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the inner object of an SNS envelope, or `fields` where there is none."""
        if "Type" not in fields or "TopicArn" not in fields:
            return fields
        if fields["Type"] != "Notification":
            raise InvalidMessageError("an envelope must be a Notification", field="Type")
        if self.topic_arn is not None and fields["TopicArn"] != self.topic_arn:
            raise InvalidMessageError("the envelope comes from another topic", field="TopicArn")
        if not isinstance(fields.get("Message"), str):
            raise InvalidMessageError("an envelope must hold the job as a string", field="Message")
        return _object(fields["Message"])

    def _story_job(self, fields: dict[str, Any]) -> Job:
        message = _validated(StoryMessage, fields)
        if message.tts_task_id == message.srt_task_id:
            raise InvalidMessageError("must differ from tts_task_id", field="srt_task_id")
        return self._job(
            message,
            fields,
            Destination(
                self._output(message.parent_id, message.tts_task_id, AUDIO),
                self._output(message.parent_id, message.srt_task_id, SRT),
            ),
            RowKey(message.parent_id, message.tts_task_id),
            RowKey(message.parent_id, message.srt_task_id),
        )

    def _direct_job(self, fields: dict[str, Any]) -> Job:
        mixed = sorted({"parent_id", "tts_task_id", "srt_task_id"} & fields.keys())
        if mixed:
            raise InvalidMessageError("a job names either its task ids or its outputs", field=mixed[0])
        message = _validated(DirectMessage, fields)
        destination = Destination(
            self._address(message.audio_out, "audio_out"), self._address(message.subs_out, "subs_out")
        )
        addresses = destination.addresses.values()
        if len(set(addresses)) < len(addresses):
            raise InvalidMessageError("two of the job's objects would have the same key", field="subs_out")
        return self._job(message, fields, destination, RowKey(message.audio_out, DIRECT_TASK_ID), None)

    def _output(self, parent_id: str, task_id: str, kind: MediaKind) -> S3Address:
        return S3Address(self.output_bucket, f"{parent_id}/{task_id}{kind.suffix}")

    def _address(self, uri: str, field: str) -> S3Address:
        match = _S3_URI.fullmatch(uri)
        if match is None:
            raise InvalidMessageError("must be s3://bucket/key", field=field)
        bucket, key = match["bucket"], match["key"]
        if len(key.encode()) > MAX_KEY_BYTES or not key.isprintable():
            raise InvalidMessageError("its key must be printable, 1,024 bytes at most", field=field)
        if not all(part.strip(".") for part in key.split("/")):
            raise InvalidMessageError("its key must not hold empty or dotted parts", field=field)
        if bucket != self.output_bucket and bucket not in self.allowed_buckets:
            raise RefusedDestinationError(
                f"{field}: bucket {bucket} is not allowed; add it to ALLOWED_OUTPUT_BUCKETS to write there"
            )
        return S3Address(bucket, key)

    def _voice(self, message: _Message) -> str:
        voice = self.default_voice if message.voice is None else message.voice
        if voice not in self.voices:
            raise UnknownVoiceError(f"voice: {voice[:64]!r} is not a voice of the engine")
        return voice

    def _job(
        self,
        message: _Message,
        fields: dict[str, Any],
        destination: Destination,
        audio_row: RowKey,
        subtitles_row: RowKey | None,
    ) -> Job:
        return Job(
            text=message.text,
            voice=self._voice(message),
            speed=message.speed,
            use_alignment=message.use_alignment,
            destination=destination,
            audio_row=audio_row,
            subtitles_row=subtitles_row,
            unknown_fields=tuple(sorted(fields.keys() - _KNOWN)),
        )


def _object(body: str) -> dict[str, Any]:
    """Parse strict JSON that must be an object: no duplicate keys, no NaN, no endless numbers or nesting."""
    try:
        value = json.loads(
            body, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_int, parse_float=_float
        )
    except RecursionError:
        raise InvalidMessageError("the body is nested too deep") from None
    except json.JSONDecodeError as error:
        raise InvalidMessageError(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise InvalidMessageError("the body must be a JSON object")
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InvalidMessageError("stands twice", field=_printable(twice))
    return fields


def _no_constant(name: str) -> NoReturn:
    raise InvalidMessageError(f"the body holds {name}, which is not JSON")


def _int(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise InvalidMessageError(f"the body holds a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidMessageError("the body holds a number beyond all bounds")
    return value


def _validated(form: type[Form], fields: dict[str, Any]) -> Form:
    try:
        return form.model_validate(fields)
    except ValidationError as error:
        detail = error.errors(include_input=False, include_url=False)[0]
        field = _printable(str(detail["loc"][0]))
        if detail["type"] == "missing":
            raise InvalidMessageError("is required", field=field) from None
        reason = detail["msg"].removeprefix("Value error, ")
        raise InvalidMessageError(reason[0].lower() + reason[1:], field=field) from None


def _printable(name: str) -> str:
    """Return a field's name as it may stand in a log: short, and without control characters."""
    return "".join(character if character.isprintable() else "?" for character in name[:64])
