"""What the worker and its speech child say to each other: a JSON object a line, never the story's text."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import EngineDiedError, StoryTtsError
from app.narration.base import Narration, Pauses, Progress, Request

SOURCE_NAME = "source.txt"
"""In the request's folder: text travels by file, for a pipe to a child that hangs would hang its writer."""

READY, PROGRESS, DONE, FAILED = "ready", "progress", "done", "failed"


def request_line(request: Request) -> bytes:
    """Write the text into the request's folder and return the rest of it as a line."""
    (request.folder / SOURCE_NAME).write_bytes(request.text.encode("utf-8", "surrogatepass"))
    fields = {each.name: getattr(request, each.name) for each in dataclasses.fields(request)}
    del fields["text"]
    fields["folder"] = str(request.folder)
    fields["pauses"] = dataclasses.asdict(request.pauses)
    return _line(fields)


def request_of(line: bytes) -> Request:
    """Return the request that a line and its folder hold; the text's file is gone after it."""
    fields: dict[str, Any] = json.loads(line)
    folder = Path(fields.pop("folder"))
    pauses = Pauses(**fields.pop("pauses"))
    source = folder / SOURCE_NAME
    text = source.read_bytes().decode("utf-8", "surrogatepass")
    source.unlink()
    return Request(text=text, folder=folder, pauses=pauses, **fields)


def event_line(kind: str, **fields: Any) -> bytes:
    """Return an event of the child as a line."""
    return _line({"event": kind, **fields})


def progress_line(progress: Progress) -> bytes:
    """Return progress as a line."""
    return event_line(PROGRESS, **dataclasses.asdict(progress))


def done_line(narration: Narration) -> bytes:
    """Return a finished narration as a line."""
    fields = dataclasses.asdict(narration)
    return event_line(DONE, **{k: str(v) if isinstance(v, Path) else v for k, v in fields.items()})


def failed_line(error: StoryTtsError) -> bytes:
    """Return a typed error as a line: its code and its message."""
    return event_line(FAILED, code=error.code, message=error.message)


def event_of(line: bytes) -> dict[str, Any]:
    """Return the event that a line holds; its kind stands under "event"."""
    event: dict[str, Any] = json.loads(line)
    return event


def progress_of(event: dict[str, Any]) -> Progress:
    """Return the progress that an event reports."""
    return Progress(fraction=event["fraction"], chunk=event["chunk"], audio_secs=event["audio_secs"])


def narration_of(event: dict[str, Any]) -> Narration:
    """Return the narration that an event reports."""
    fields = {key: value for key, value in event.items() if key != "event"}
    for name in ("audio", "srt", "vtt", "words_json"):
        fields[name] = Path(fields[name])
    return Narration(**fields)


def error_of(event: dict[str, Any]) -> StoryTtsError:
    """Return the error that an event reports, of the class its code names."""
    known = {kind.code: kind for kind in _kinds(StoryTtsError)}
    return known.get(event["code"], EngineDiedError)(event["message"])


def _kinds(kind: type[StoryTtsError]) -> Iterator[type[StoryTtsError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
