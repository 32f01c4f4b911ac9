"""Parses message bodies, which are untrusted input, into `Job`s. Strict, and without side effects."""

import json
import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from app.errors import InvalidMessageError, RefusedDestinationError, UnknownVoiceError
from app.job import DIRECT_TASK_ID, SEGMENTS_PREFIX, Destination, Job, RowKey, S3Address
from app.media import AUDIO_FORMATS, SRT, MediaKind
from app.pronunciations import first_fault

MAX_INTEGER_DIGITS = 32
"""Longer integers are refused: parsing takes time quadratic in their length, and no field needs them."""
MAX_KEY_BYTES = 1024
"""S3's limit for an object key."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>.+)", re.DOTALL)


def _identifier(value: str) -> str:
    if not _ID.fullmatch(value):
        message = "must be 1 to 128 of A-Z a-z 0-9 . _ -"
        raise ValueError(message)
    if not value.strip("."):
        message = "must not consist of dots only"
        raise ValueError(message)
    return value


def _speakable(value: str) -> str:
    if not value.strip():
        message = "must contain a character other than whitespace"
        raise ValueError(message)
    return _encodable(value)


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        message = "contains an unpaired surrogate"
        raise ValueError(message) from None
    return value


def _speed(value: float) -> float:
    if not math.isfinite(value) or not 0.5 <= value <= 2.0:  # noqa: PLR2004  # the contract's bounds
        message = "must be between 0.5 and 2.0"
        raise ValueError(message)
    return value


def _formats(value: list[str]) -> list[str]:
    if not value or len(set(value)) < len(value) or not set(value) <= AUDIO_FORMATS.keys():
        message = f"must list different audio formats of {', '.join(AUDIO_FORMATS)}"
        raise ValueError(message)
    return value


def _pronunciations(value: dict[str, Any]) -> dict[str, Any]:
    fault = first_fault(value)
    if fault:
        # the word is not named: it may be one of the story's
        message = f"entry {fault.entry}: {fault.reason}"
        raise ValueError(message)
    return value


Form = TypeVar("Form", bound="_Message")
_Identifier = Annotated[str, AfterValidator(_identifier)]


class _Message(BaseModel):
    """The fields that both forms share."""

    model_config = ConfigDict(strict=True, extra="ignore", hide_input_in_errors=True)

    text: Annotated[str, AfterValidator(_speakable)] | None = None
    text_url: Annotated[str, AfterValidator(_encodable), Field(max_length=MAX_KEY_BYTES + 80)] | None = None
    voice: Annotated[str, AfterValidator(_encodable)] | None = None
    speed: Annotated[float, AfterValidator(_speed)] = 1.0
    use_alignment: bool = True
    formats: Annotated[list[str], AfterValidator(_formats)] = ["wav"]
    pronunciations: Annotated[dict[str, Any], AfterValidator(_pronunciations)] | None = None

    @property
    def audio_kinds(self) -> tuple[MediaKind, ...]:
        """The formats of the audio."""
        return tuple(AUDIO_FORMATS[name] for name in self.formats)


class StoryMessage(_Message):
    """The story form, which the producer sends."""

    parent_id: _Identifier
    tts_task_id: _Identifier
    srt_task_id: _Identifier


class DirectMessage(_Message):
    """The older, direct form, which names its own outputs."""

    audio_out: Annotated[str, AfterValidator(_encodable), Field(max_length=MAX_KEY_BYTES + 80)]
    subs_out: Annotated[str, AfterValidator(_encodable), Field(max_length=MAX_KEY_BYTES + 80)]


_KNOWN = frozenset(StoryMessage.model_fields) | frozenset(DirectMessage.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageParser:
    """
    Parses and validates messages: the worker's side of the contract with producers.

    A job without an SNS envelope is accepted even if `topic_arn` is set: who may send to the queue is up to
    the queue's policy, and redriven dead letters have no envelope.
    """

    output_bucket: str
    default_voice: str
    voices: Container[str]
    """The engine's closed set of voices; its `in` may also accept blends."""
    allowed_buckets: frozenset[str] = frozenset()
    topic_arn: str | None = None
    allowed_input_buckets: frozenset[str] = frozenset()
    """Buckets besides the output bucket that texts may come from."""

    def job(self, body: str) -> Job:
        """
        Return the job in `body`.

        Raises InvalidMessageError, UnknownVoiceError and RefusedDestinationError; their messages never
        contain any of the story's text.
        """
        fields = self._unwrapped(_object(body))
        if "audio_out" in fields or "subs_out" in fields:
            return self._direct_job(fields)
        return self._story_job(fields)

    def check(
        self,
        *,
        text: str,
        voice: str | None,
        speed: float | None,
        formats: Sequence[str] = ("wav",),
        pronunciations: Mapping[str, str] | None = None,
    ) -> None:
        """Validate the fields of a job that is about to be sent. Raises the same errors as `job`."""
        fields = {
            "text": text,
            "voice": voice,
            "speed": 1.0 if speed is None else speed,
            "formats": list(formats),
            "pronunciations": None if pronunciations is None else dict(pronunciations),
        }
        self._voice(_validated(_Message, fields))

    def rows_named_by(self, body: str) -> tuple[RowKey, ...]:
        """Return the producer's rows that a refused `body` names; none if their keys are invalid."""
        try:
            fields = self._unwrapped(_object(body))
            parent, *tasks = [
                _identifier(fields[name]) for name in ("parent_id", "tts_task_id", "srt_task_id")
            ]
        except (InvalidMessageError, KeyError, TypeError, ValueError):
            return ()
        return tuple(RowKey(parent, task) for task in dict.fromkeys(tasks))

    def _unwrapped(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the job inside an SNS envelope, or `fields` if there is no envelope."""
        if "Type" not in fields or "TopicArn" not in fields:
            return fields
        if fields["Type"] != "Notification":
            raise InvalidMessageError("must be Notification in an SNS envelope", field="Type")
        if self.topic_arn is not None and fields["TopicArn"] != self.topic_arn:
            raise InvalidMessageError("must be the ARN in SNS_TOPIC_ARN", field="TopicArn")
        if not isinstance(fields.get("Message"), str):
            raise InvalidMessageError("must be a string that contains the job", field="Message")
        return _object(fields["Message"])

    def _story_job(self, fields: dict[str, Any]) -> Job:
        message = _validated(StoryMessage, fields)
        if message.tts_task_id == message.srt_task_id:
            raise InvalidMessageError("must differ from tts_task_id", field="srt_task_id")
        return self._job(
            message,
            fields,
            Destination(
                self._output(message.parent_id, message.tts_task_id, message.audio_kinds[0]),
                self._output(message.parent_id, message.srt_task_id, SRT),
                message.audio_kinds,
            ),
            RowKey(message.parent_id, message.tts_task_id),
            RowKey(message.parent_id, message.srt_task_id),
        )

    def _direct_job(self, fields: dict[str, Any]) -> Job:
        mixed = sorted({"parent_id", "tts_task_id", "srt_task_id"} & fields.keys())
        if mixed:
            raise InvalidMessageError("must not be combined with audio_out and subs_out", field=mixed[0])
        message = _validated(DirectMessage, fields)
        destination = Destination(
            self._address(message.audio_out, "audio_out"),
            self._address(message.subs_out, "subs_out"),
            message.audio_kinds,
        )
        addresses = destination.addresses.values()
        for address in addresses:
            if len(address.key.encode()) > MAX_KEY_BYTES:
                field = "audio_out" if address == destination.audio else "subs_out"
                raise InvalidMessageError(
                    "leaves no room in the 1,024 bytes of a key for suffixes", field=field
                )
        if len(set(addresses)) < len(addresses):
            raise InvalidMessageError("gives two objects of the job the same key", field="subs_out")
        return self._job(message, fields, destination, RowKey(message.audio_out, DIRECT_TASK_ID), None)

    def _output(self, parent_id: str, task_id: str, kind: MediaKind) -> S3Address:
        if f"{parent_id}/" == SEGMENTS_PREFIX:
            raise InvalidMessageError(f"must not be {parent_id}: no object stays there", field="parent_id")
        return S3Address(self.output_bucket, f"{parent_id}/{task_id}{kind.suffix}")

    def _address(self, uri: str, field: str) -> S3Address:
        match = _S3_URI.fullmatch(uri)
        if match is None:
            raise InvalidMessageError("must be s3://bucket/key", field=field)
        bucket, key = match["bucket"], match["key"]
        if len(key.encode()) > MAX_KEY_BYTES or not key.isprintable():
            raise InvalidMessageError("must have a printable key of at most 1,024 bytes", field=field)
        if not all(part.strip(".") for part in key.split("/")):
            raise InvalidMessageError("must have a key without empty or dots-only parts", field=field)
        if field == "text_url":
            if bucket != self.output_bucket and bucket not in self.allowed_input_buckets:
                raise InvalidMessageError(
                    f"bucket {bucket} is not allowed; add it to ALLOWED_INPUT_BUCKETS", field=field
                )
        elif bucket != self.output_bucket and bucket not in self.allowed_buckets:
            raise RefusedDestinationError(
                f"{field}: bucket {bucket} is not allowed; add it to ALLOWED_OUTPUT_BUCKETS to write there"
            )
        if bucket == self.output_bucket and key.startswith(SEGMENTS_PREFIX):
            raise InvalidMessageError(
                f"must not lie below {SEGMENTS_PREFIX}, where no object stays", field=field
            )
        return S3Address(bucket, key)

    def _voice(self, message: _Message) -> str:
        voice = self.default_voice if message.voice is None else message.voice
        if voice not in self.voices:
            raise UnknownVoiceError(f"voice: the engine has no voice {voice[:64]!r}")
        return voice

    def _job(
        self,
        message: _Message,
        fields: dict[str, Any],
        destination: Destination,
        audio_row: RowKey,
        subtitles_row: RowKey | None,
    ) -> Job:
        if message.text is not None and message.text_url is not None:
            raise InvalidMessageError("must not be combined with text", field="text_url")
        if message.text is None and message.text_url is None:
            raise InvalidMessageError("is required, or text_url in its place", field="text")
        return Job(
            text=message.text or "",
            text_address=None if message.text_url is None else self._address(message.text_url, "text_url"),
            voice=self._voice(message),
            speed=message.speed,
            use_alignment=message.use_alignment,
            destination=destination,
            audio_row=audio_row,
            subtitles_row=subtitles_row,
            pronunciations=tuple((message.pronunciations or {}).items()),
            unknown_fields=tuple(sorted(fields.keys() - _KNOWN)),
        )


def _object(body: str) -> dict[str, Any]:
    """Parse a JSON object strictly: no duplicate keys, no NaN, no overlong numbers, no excessive nesting."""
    try:
        value = json.loads(
            body, object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_int, parse_float=_float
        )
    except RecursionError:
        raise InvalidMessageError("the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidMessageError(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise InvalidMessageError("the body must be a JSON object")
    return value


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        seen: set[str] = set()
        duplicate = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        if duplicate in _KNOWN:
            raise InvalidMessageError("appears twice", field=duplicate)
        # not named: it may be a word of the story, with a pronunciation
        raise InvalidMessageError("an object of the body has a name twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise InvalidMessageError(f"the body contains {name}, which is not valid JSON")


def _int(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise InvalidMessageError(f"the body contains a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidMessageError("the body contains a number that is out of range")
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
    """Return a field name that is safe to log: at most 64 characters, no control characters."""
    return "".join(character if character.isprintable() else "?" for character in name[:64])
