"""Narrates story files on this machine, without a cloud. Implements `story-tts speak`."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, fields, replace
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.client.publications import Publisher, move
from app.errors import ConfigurationError, PermanentJobError, RetryableJobError
from app.media import MediaKind
from app.narration.base import Narration, OnProgress, Request
from app.narration.estimate import estimated_secs
from app.narration.options import NarrationOptions
from app.publishing.page import request_of
from app.segments.folder import FolderSegments
from app.speech_process.client import SpeechProcess
from app.text.readers.files import StoryFile
from app.work_folder import WorkFolder, prepare_root

_WORK_NAME = ".story-tts"
"""Temporary folder inside the output folder, so that complete media can be renamed into place."""
_SEGMENTS_NAME = "segments"
"""Folder below WORK_DIR that keeps the segments of all narrations."""
MAX_SEGMENT_BYTES = 2 << 30
"""What the segments of earlier narrations may take up on disk: about twelve hours of audio."""
MAX_SEGMENT_AGE_SECS = 7 * 24 * 3600.0
"""After this time without use a segment is removed."""


@dataclass(frozen=True, slots=True)
class FileResult:
    """The outcome of one story: a narration or an error message."""

    story: StoryFile
    narration: Narration | None = None
    publications: Mapping[str, Path] = field(default_factory=dict)
    """What was written besides the media, by name: the narrated text, the page to listen and read along."""
    notes: tuple[str, ...] = ()
    """What the reader left out."""
    error: str = ""
    skipped: str = ""
    """Why it was not narrated, if there was no need to."""

    @property
    def files(self) -> list[Path]:
        """Everything that was written for the story."""
        return [*(self.narration.media.values() if self.narration else ()), *self.publications.values()]

    def summary(self) -> dict[str, Any]:
        """Return the result as `--json` prints it."""
        if self.skipped:
            return {"story": self.story.name, "skipped": self.skipped}
        if self.narration is None:
            return {"story": self.story.name, "error": self.error}
        values = {each.name: getattr(self.narration, each.name) for each in fields(self.narration)}
        values["media"] = {kind.name: str(path) for kind, path in self.narration.media.items()}
        values["media"] |= {name: str(path) for name, path in self.publications.items()}
        values["notes"] = self.notes
        values["concessions"] = values.pop("relaxed_rules")
        return {"story": self.story.name, **values}


class Existing(Enum):
    """What happens to a story whose files exist already."""

    UPDATE = auto()
    """It is narrated if its text, the options or story-tts changed."""
    KEEP = auto()
    """It is not narrated."""
    REPLACE = auto()
    """It is narrated."""


class FileNarrator:
    """
    Narrates story files into a folder, one after another, in one speech process.

    Inside the `with` block SIGTERM and SIGHUP end the command as Ctrl-C does. The command leaves no process
    and no incomplete file behind, even if it is interrupted.

    Finished segments stay in a folder below `work_dir`, so that an interrupted narration goes on where it
    stopped, and an edited story is synthesized only where it changed. `resume` False ignores what is there.
    """

    def __init__(
        self,
        *,
        options: NarrationOptions,
        output: Path,
        publisher: Publisher,
        work_dir: Path,
        resume: bool = True,
        existing: Existing,
        keep_boilerplate: bool = False,
    ) -> None:
        self._publisher = publisher
        self._existing = existing
        self._keep_boilerplate = keep_boilerplate
        self._options = options
        self._output = output
        self._work_dir = work_dir
        self._segments: Path | None = None
        self._resume = resume
        self.warning = ""
        """Why no segments are kept, if they are not."""
        self._speech = SpeechProcess(options=options)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for number in (signal.SIGTERM, signal.SIGHUP):
                stack.callback(signal.signal, number, signal.signal(number, signal.default_int_handler))
            stack.callback(self._remove_work_root)
            self._folder = stack.enter_context(self._work_folder())
            self._prepare_segments()
            stack.callback(self._remove_unfinished)
            stack.enter_context(self._speech)
            self._open = stack.pop_all()
        return self

    def _work_folder(self) -> WorkFolder:
        try:
            self._output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"output folder {self._output}: {str(error.strerror).lower()}"
            ) from error
        return WorkFolder(self._output / _WORK_NAME)

    def _prepare_segments(self) -> None:
        try:
            prepare_root(self._work_dir)
            folder = self._work_dir / _SEGMENTS_NAME
            prepare_root(folder)
            segments = FolderSegments(folder)
            segments.sweep(max_bytes=MAX_SEGMENT_BYTES, max_age_secs=MAX_SEGMENT_AGE_SECS)
        except ConfigurationError as error:
            self.warning = error.message
        else:
            self._segments = folder

    def _remove_unfinished(self) -> None:
        if self._segments is not None:
            FolderSegments(self._segments).remove_unfinished(parent=os.getpid())

    def _remove_work_root(self) -> None:
        # Fails if another command is using the folder: it is not empty then.
        with suppress(OSError):
            (self._output / _WORK_NAME).rmdir()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def narrate(
        self,
        story: StoryFile,
        *,
        on_progress: OnProgress,
        on_start: Callable[[float], None] = lambda _: None,
    ) -> FileResult:
        """
        Narrate one story, unless it is unchanged. Calls `on_start` with the estimated seconds of audio.

        Returns an error of this story in the result, and raises all other errors.
        """
        try:
            with self._folder.job() as folder:
                source = story.read(keep_boilerplate=self._keep_boilerplate)
                request = self._publisher.request(source, self._options)
                if reason := self._skip_reason(story.stem, request):
                    return FileResult(story, skipped=f"{story.name}: {reason}")
                on_start(estimated_secs(source.text, speed=self._options.speed))
                narration = self._speech.narrate(
                    Request(
                        text=source.text,
                        folder=folder,
                        options=self._options,
                        segments=self._segments,
                        reuse_segments=self._resume,
                    ),
                    on_progress=on_progress,
                    cancel=threading.Event(),
                )
                publications = self._publisher.publish(
                    source, narration, folder, stem=story.stem, request=request
                )
                media = self._moved(narration, story.stem)
                moved = {name: move(path, self._output / path.name) for name, path in publications.items()}
                return FileResult(story, media, moved, (*source.notes, *self._publisher.notes(moved)))
        except (PermanentJobError, RetryableJobError) as error:
            return FileResult(story, error=f"{story.name}: {error.message}")

    def _skip_reason(self, stem: str, request: str) -> str:
        """Return why a story is not narrated, nothing if it is."""
        if self._existing is Existing.REPLACE:
            return ""
        present = [name for name in self._publisher.targets(stem) if (self._output / name).exists()]
        if self._existing is Existing.KEEP and present:
            return f"{self._output / present[0]} exists"
        is_whole = present == self._publisher.targets(stem)
        is_same = request_of(self._output / f"{stem}.html") == request
        return "unchanged" if is_whole and is_same else ""

    def _moved(self, narration: Narration, stem: str) -> Narration:
        """Move the media into the output folder, replacing older ones. The audio completes the set."""
        moved: dict[MediaKind, Path] = {}
        kept = [kind for kind in narration.media if self._publisher.keeps(kind)]
        for kind in reversed(kept):
            moved[kind] = narration.media[kind].replace(self._output / f"{stem}{kind.suffix}")
        return replace(narration, media={kind: moved[kind] for kind in kept})
