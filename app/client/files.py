"""Story files in, media files out, without any cloud: what `story-tts speak` does."""

import math
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from app.errors import ConfigurationError, PermanentJobError, RefusedTextError, RetryableJobError
from app.narration.base import Narration, OnProgress, Pauses, Request
from app.settings import SpeechSettings
from app.speech.voices import parts_of
from app.speech_process.client import SpeechProcess
from app.work_folder import WorkFolder

STDIN = "-"
CHILDRENS_READING_SPEED = 17.0
"""Characters a second, as Netflix' English Timed Text Style Guide has it for children's programmes."""
_WORK_NAME = ".story-tts"
"""In the output folder: from there complete media move to their places in one step. Gone when all is done."""


@dataclass(frozen=True, slots=True)
class StoryFile:
    """A story on disk, or on standard input where `path` is None."""

    path: Path | None

    @property
    def name(self) -> str:
        """For people."""
        return str(self.path) if self.path else "standard input"

    @property
    def stem(self) -> str:
        """What its media are called, before their suffixes."""
        return self.path.stem if self.path else "story"

    def text(self) -> str:
        """Read the story; RefusedTextError where it cannot be read or is no UTF-8."""
        try:
            data = self.path.read_bytes() if self.path else sys.stdin.buffer.read()
            return data.decode("utf-8-sig")
        except OSError as error:
            raise RefusedTextError(str(error.strerror).lower()) from error
        except UnicodeDecodeError as error:
            raise RefusedTextError(f"not UTF-8 (byte {error.start + 1}): save it as UTF-8") from error


def story_files(names: Iterable[str]) -> Sequence[StoryFile]:
    """Return the stories that arguments name; ConfigurationError where two would write the same media."""
    stories = [StoryFile(None if name == STDIN else Path(name)) for name in names]
    by_stem: dict[str, StoryFile] = {}
    for story in stories:
        other = by_stem.setdefault(story.stem, story)
        if other is not story:
            raise ConfigurationError(
                f"{other.name} and {story.name} would both become {story.stem}.wav: "
                "narrate them into different folders"
            )
    return stories


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How stories are narrated."""

    voice: str
    speed: float
    use_alignment: bool
    reading_speed: float
    pauses: Pauses

    @classmethod
    def of(
        cls,
        settings: SpeechSettings,
        *,
        engine: str,
        voice: str | None,
        speed: float,
        use_alignment: bool,
        is_for_children: bool,
    ) -> Self:
        """Join settings with what a command says; UnknownVoiceError, ConfigurationError before any work."""
        if not math.isfinite(speed):
            raise ConfigurationError("--speed must be a number from 0.5 to 2")
        name = voice or settings.default_voice
        parts_of(engine, name)
        return cls(
            voice=name,
            speed=speed,
            use_alignment=use_alignment,
            reading_speed=CHILDRENS_READING_SPEED if is_for_children else settings.reading_speed,
            pauses=settings.pauses,
        )

    def request(self, text: str, folder: Path) -> Request:
        """Return what the narrator is asked."""
        return Request(
            text=text,
            folder=folder,
            voice=self.voice,
            speed=self.speed,
            use_alignment=self.use_alignment,
            reading_speed=self.reading_speed,
            pauses=self.pauses,
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one story: a narration, or else an error for people."""

    story: StoryFile
    narration: Narration | None = None
    error: str = ""

    def summary(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        if self.narration is None:
            return {"story": self.story.name, "error": self.error}
        fields = {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(self.narration).items()
        }
        return {"story": self.story.name, **fields}


class Teller:
    """
    Narrates story files into a folder, one after another, in one speech process.

    Inside its `with` block SIGTERM and SIGHUP end the command as Ctrl-C does: whatever ends it, neither a
    process nor a half-written file stays behind.
    """

    def __init__(self, *, engine: str, manner: Manner, output: Path) -> None:
        self._manner = manner
        self._output = output
        self._speech = SpeechProcess(engine=engine)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for number in (signal.SIGTERM, signal.SIGHUP):
                stack.callback(signal.signal, number, signal.signal(number, signal.default_int_handler))
            stack.callback(self._leave)
            self._folder = stack.enter_context(self._work_folder())
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

    def _leave(self) -> None:
        # Not empty while another command is at work in it.
        with suppress(OSError):
            (self._output / _WORK_NAME).rmdir()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def tell(self, story: StoryFile, *, on_progress: OnProgress) -> Outcome:
        """Narrate one story; what is wrong with it alone ends in its outcome, all else is raised."""
        try:
            with self._folder.job() as folder:
                narration = self._speech.narrate(
                    self._manner.request(story.text(), folder),
                    on_progress=on_progress,
                    cancel=threading.Event(),
                )
                return Outcome(story, self._moved(narration, story.stem))
        except (PermanentJobError, RetryableJobError) as error:
            return Outcome(story, error=f"{story.name}: {error.message}")

    def _moved(self, narration: Narration, stem: str) -> Narration:
        """Move media to their places, over older ones."""

        def move(media: Path, suffix: str) -> Path:
            return media.replace(self._output / f"{stem}{suffix}")

        return replace(
            narration,
            srt=move(narration.srt, ".srt"),
            vtt=move(narration.vtt, ".vtt"),
            words_json=move(narration.words_json, ".words.json"),
            audio=move(narration.audio, ".wav"),
        )
