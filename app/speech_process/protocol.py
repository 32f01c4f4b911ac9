"""What the worker and its speech child say to each other: a JSON object a line, never the story's text."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import EngineDiedError, StoryTtsError
from app.media import media_kind
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions, Pauses

SOURCE_NAME = "source.txt"
"""In the request's folder: text travels by file, for a pipe to a child that hangs would hang its writer."""

READY, PROGRESS, DONE, FAILED = "ready", "progress", "done", "failed"


def options_text(options: NarrationOptions) -> str:
    """Return options as JSON, for a command line and within a request."""
    fields = dataclasses.asdict(options) | {"models_dir": str(options.models_dir)}
    return json.dumps(fields, separators=(",", ":"))


def parse_options(text: str) -> NarrationOptions:
    """Return the options that `options_text` wrote."""
    fields: dict[str, Any] = json.loads(text)
    return NarrationOptions(
        **fields | {"models_dir": Path(fields["models_dir"]), "pauses": Pauses(**fields["pauses"])}
    )


def request_line(request: Request) -> bytes:
    """Write the text into the request's folder and return the rest of the request as a line."""
    (request.folder / SOURCE_NAME).write_bytes(request.text.encode("utf-8", "surrogatepass"))
    return _line({"folder": str(request.folder), "options": options_text(request.options)})


def parse_request(line: bytes) -> Request:
    """Return the request that a line and its folder hold, and remove the text's file."""
    fields: dict[str, Any] = json.loads(line)
    folder = Path(fields["folder"])
    source = folder / SOURCE_NAME
    text = source.read_bytes().decode("utf-8", "surrogatepass")
    source.unlink()
    return Request(text=text, folder=folder, options=parse_options(fields["options"]))


def event_line(kind: str, **fields: Any) -> bytes:
    """Return an event of the child as a line."""
    return _line({"event": kind, **fields})


def progress_line(progress: Progress) -> bytes:
    """Return progress as a line."""
    return event_line(PROGRESS, **dataclasses.asdict(progress))


def done_line(narration: Narration) -> bytes:
    """Return a finished narration as a line."""
    fields = {each.name: getattr(narration, each.name) for each in dataclasses.fields(narration)}
    fields["media"] = {kind.name: str(path) for kind, path in narration.media.items()}
    return event_line(DONE, **fields)


def failed_line(error: StoryTtsError) -> bytes:
    """Return a typed error as a line: its code and its message."""
    return event_line(FAILED, code=error.code, message=error.message)


def parse_event(line: bytes) -> dict[str, Any]:
    """Return the event that a line holds; its kind stands under "event"."""
    event: dict[str, Any] = json.loads(line)
    return event


def parse_progress(event: dict[str, Any]) -> Progress:
    """Return the progress that an event reports."""
    return Progress(fraction=event["fraction"], chunk=event["chunk"], audio_secs=event["audio_secs"])


def parse_narration(event: dict[str, Any]) -> Narration:
    """Return the narration that an event reports."""
    fields = {key: value for key, value in event.items() if key != "event"}
    fields["media"] = {media_kind(name): Path(path) for name, path in fields["media"].items()}
    return Narration(**fields)


def parse_error(event: dict[str, Any]) -> StoryTtsError:
    """Return the error that an event reports, of the class its code names."""
    known = {kind.code: kind for kind in _kinds(StoryTtsError)}
    return known.get(event["code"], EngineDiedError)(event["message"])


def _kinds(kind: type[StoryTtsError]) -> Iterator[type[StoryTtsError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
