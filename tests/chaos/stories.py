"""The jobs of a run: what a producer sends, in every form, what it does afterwards, and how each must end."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from app.aws.queue import MAX_MESSAGE_BYTES
from app.errors import InvalidMessageError, RefusedTextError, UnknownVoiceError
from app.job import RowKey
from app.local.platform import Platform

UNKNOWN_VOICE, UNSPEAKABLE = "darth", "*** --- ***"
DUPLICATE_SHARE = 0.25
LONGER = (
    "".join(
        f" The {kind} bird sang for nights."
        for kind in ["red", "old", "shy", "big", "odd", "wet", "sad", "new"]
    )
    * 2
)
"""A minute of audio, which is several segments of the shortest length."""
_WORDS = ("zebrawood", "candlestick", "quicksilver", "<i>kettle</i>", "salt & pepper")


class End(StrEnum):
    """How a job must end once it is off the queue."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    LETTER = "dead letter"
    """It has no rows."""


class Moment(StrEnum):
    """When the copy of a message is sent."""

    AT_ONCE = "at once"
    MIDDLE = "after the first claim"
    LATE = "when the first has ended"


class Act(StrEnum):
    """What a producer does after the first claim."""

    CANCEL_AUDIO = "cancels the audio"
    CANCEL_SUBTITLES = "cancels the subtitles"
    WRITE_ANEW = "writes the rows anew, for another text"


@dataclass(slots=True)
class Story:
    """A job to send, and what became of its messages."""

    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    """Of the body, in place of the usual ones."""
    is_direct: bool = False
    in_envelope: bool = False
    is_json: bool = True
    is_large: bool = False
    """The body leaves no room for a letter's attributes."""
    copy: Moment | None = None
    act: Act | None = None
    bodies: dict[str, str] = field(default_factory=dict)
    """Id of a message -> its body."""
    is_cancelled: bool = False
    written_anew_at: float | None = None
    """Monotonic time."""

    @property
    def id(self) -> str:
        """The id of its rows, and the first part of its keys."""
        return f"chaos-{self.number}"

    @property
    def code(self) -> str | None:
        """The error code that it must end with."""
        if not self.is_json:
            return InvalidMessageError.code
        if self.fields.get("voice") == UNKNOWN_VOICE:
            return UnknownVoiceError.code
        return RefusedTextError.code if self.fields.get("text") == UNSPEAKABLE else None

    @property
    def end(self) -> End:
        """How it must end."""
        if self.code is None:
            return End.COMPLETED
        is_unclaimed = self.is_direct and self.code != RefusedTextError.code
        return End.LETTER if is_unclaimed or not self.is_json else End.FAILED

    @property
    def kinds(self) -> list[str]:
        """What is special about it."""
        kinds = {
            "direct": self.is_direct,
            "in envelopes": self.in_envelope,
            "cancelled": self.is_cancelled,
            "written anew": self.written_anew_at is not None,
            "impossible": self.code is not None,
        }
        return [kind for kind, is_so in kinds.items() if is_so]

    def rows(self, bucket: str) -> tuple[RowKey, ...]:
        """Return the keys of its rows."""
        if self.is_direct:
            return (RowKey(self._outputs(bucket)["audio_out"], "direct"),)
        return RowKey(self.id, "tts"), RowKey(self.id, "srt")

    def _outputs(self, bucket: str) -> dict[str, str]:
        suffix = self.fields.get("formats", ["wav"])[0]
        return {name: f"s3://{bucket}/{self.id}/{key}" for name, key in
                (("audio_out", f"tts.{suffix}"), ("subs_out", "srt.srt"))}  # fmt: skip

    def body(self, copy: int = 0, platform: Platform | None = None) -> str:
        """Return the body of one copy of the message; a direct job and an envelope need the platform."""
        if not self.is_json:
            return f"no job at all: {self.number}"
        ids = {"parent_id": self.id, "tts_task_id": "tts", "srt_task_id": "srt"}
        form = self._outputs(platform.bucket) if self.is_direct and platform else ids
        job = {"text": "The cat sat.\n\nThe dog did not.", **form, **self.fields, "copy": copy}
        if self.is_large:
            job["text"] += "x" * (MAX_MESSAGE_BYTES - 50 - len(json.dumps(job)))
        if not self.in_envelope or platform is None:
            return json.dumps(job)
        envelope = {"Type": "Notification", "MessageId": "sns", "TopicArn": platform.topic_arn}
        return json.dumps(envelope | {"Message": json.dumps(job)})


def job_in(body: str) -> dict[str, Any]:
    """Return the job in a body, in an envelope or bare; empty where there is none."""
    try:
        fields = json.loads(body)
        return dict(json.loads(fields["Message"]) if "Message" in fields else fields)
    except (ValueError, TypeError):
        return {}


def story_named(name: str) -> str:
    """Return the story's id in the id of a row or in a URI; both forms of a job keep it in the same place."""
    return name.removeprefix("s3://").partition("/")[2].partition("/")[0] if "://" in name else name


def story_of(seed: int, number: int) -> Story:
    """Return the job of that number: most are good, a few can never succeed; a quarter comes twice."""
    dice = Random(f"{seed}/{number}/story")  # noqa: S311  # reproducible by intent
    words = " ".join(dice.choice(_WORDS) for _ in range(dice.randrange(2, 6)))
    story = Story(number, {"text": f"The {words} sang.\n\nIt was number {number}."})
    if dice.random() < 1 / 12:
        story.fields["text"] += LONGER
    story.is_direct, story.in_envelope = dice.random() < 1 / 5, dice.random() < 1 / 4
    if dice.random() < 1 / 8:
        story.fields["formats"] = dice.sample(["wav", "opus", "mp3", "flac"], dice.randrange(1, 4))
    if dice.random() < DUPLICATE_SHARE:
        story.copy = dice.choice(list(Moment))
    kind = dice.random()
    if kind < 0.02:
        story.fields["voice"] = UNKNOWN_VOICE
    elif kind < 0.04:
        story.fields["text"] = UNSPEAKABLE
    elif kind < 0.05:
        story.is_json = False
    elif kind < 0.06:
        story = Story(number, {"text": "", "voice": UNKNOWN_VOICE}, is_large=True)
    elif kind < 0.14 and not story.is_direct:
        story.act = dice.choice(list(Act))
    return story
