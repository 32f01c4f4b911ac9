"""The protocol between worker and speech child: one JSON object per line, without the story's text."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import EngineDiedError, StoryTtsError
from app.media import media_kind
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions, Pauses
from app.text.lexicon import NO_LEXICON, Lexicon

SOURCE_NAME = "source.txt"
OPTIONS_NAME = "options.json"
"""
Files in the request's folder that carry the text and the options: writing them to a pipe could block if the
child hangs, and a lexicon may have several hundred kilobytes.
"""

READY, PROGRESS, DONE, FAILED = "ready", "progress", "done", "failed"


def start_options_text(options: NarrationOptions) -> str:
    """Return the options that loading an engine needs, for the child's command line, which is limited."""
    return options_text(dataclasses.replace(options, lexicon=NO_LEXICON))


def options_text(options: NarrationOptions) -> str:
    """Return the options of one narration as JSON."""
    fields = dataclasses.asdict(options) | {"models_dir": str(options.models_dir)}
    del fields["lexicons"]  # `lexicon` has what this narration needs of them
    return json.dumps(fields, separators=(",", ":"))


def parse_options(text: str) -> NarrationOptions:
    """Return the options that `options_text` wrote."""
    fields: dict[str, Any] = json.loads(text)
    return NarrationOptions(
        **fields
        | {
            "models_dir": Path(fields["models_dir"]),
            "pauses": Pauses(**fields["pauses"]),
            "formats": tuple(fields["formats"]),
            "lexicon": Lexicon(tuple((word, said) for word, said in fields["lexicon"]["entries"])),
        }
    )


def request_line(request: Request) -> bytes:
    """Write text and options into the request's folder, and return a line that names the folder."""
    (request.folder / SOURCE_NAME).write_bytes(request.text.encode("utf-8", "surrogatepass"))
    (request.folder / OPTIONS_NAME).write_text(options_text(request.options), "ascii")
    return _line(
        {
            "folder": str(request.folder),
            "segments": str(request.segments) if request.segments else None,
            "reuse_segments": request.reuse_segments,
        }
    )


def parse_request(line: bytes) -> Request:
    """Return the request of a line, read from the files in its folder, and remove these files."""
    fields: dict[str, Any] = json.loads(line)
    folder = Path(fields["folder"])
    source, options = folder / SOURCE_NAME, folder / OPTIONS_NAME
    request = Request(
        text=source.read_bytes().decode("utf-8", "surrogatepass"),
        folder=folder,
        options=parse_options(options.read_text("ascii")),
        segments=Path(fields["segments"]) if fields["segments"] else None,
        reuse_segments=fields["reuse_segments"],
    )
    source.unlink()
    options.unlink()
    return request


def event_line(kind: str, **fields: Any) -> bytes:
    """Return an event as a line."""
    return _line({"event": kind, **fields})


def progress_line(progress: Progress) -> bytes:
    """Return a progress event as a line."""
    return event_line(PROGRESS, **dataclasses.asdict(progress))


def done_line(narration: Narration) -> bytes:
    """Return the event of a finished narration as a line."""
    fields = {each.name: getattr(narration, each.name) for each in dataclasses.fields(narration)}
    fields["media"] = {kind.name: str(path) for kind, path in narration.media.items()}
    return event_line(DONE, **fields)


def failed_line(error: StoryTtsError) -> bytes:
    """Return an error event with code and message as a line."""
    return event_line(FAILED, code=error.code, message=error.message)


def parse_event(line: bytes) -> dict[str, Any]:
    """Parse an event. Its kind is under "event". Raises ValueError."""
    event: dict[str, Any] = json.loads(line)
    return event


def parse_progress(event: dict[str, Any]) -> Progress:
    """Return the progress in an event."""
    return Progress(**{name: value for name, value in event.items() if name != "event"})


def parse_narration(event: dict[str, Any]) -> Narration:
    """Return the narration in an event."""
    fields = {key: value for key, value in event.items() if key != "event"}
    fields["media"] = {media_kind(name): Path(path) for name, path in fields["media"].items()}
    return Narration(**fields)


def parse_error(event: dict[str, Any]) -> StoryTtsError:
    """Return the error in an event, as an instance of the class with its code."""
    known = {kind.code: kind for kind in _kinds(StoryTtsError)}
    return known.get(event["code"], EngineDiedError)(event["message"])


def _kinds(kind: type[StoryTtsError]) -> Iterator[type[StoryTtsError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"
