"""What is written for a story besides its media: text, chapters, audiobook, page. For `story-tts speak`."""

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from app.errors import ConfigurationError
from app.media import AUDIO, AUDIO_FORMATS, MP3, STORY_FORMATS, SUBTITLE_MEDIA, WORDS, MediaKind, TaskRow
from app.narration.base import Narration
from app.narration.options import NarrationOptions
from app.publishing import audiobook, book, chapters, karaoke, splitting
from app.publishing.page import PlayedAudio, story_page, title_of
from app.speech.registry import language_of
from app.subtitles.words_file import read_words
from app.text.chapters import chapter_marks
from app.text.readers.base import NARRATED_SUFFIX, StoryText

_NEEDED_AUDIO: Mapping[str, str] = MappingProxyType({"m4b": "wav", "epub": "mp3"})
"""The formats that are made after the narration, and the format of the audio that each is made from."""
_SUFFIXES = {"m4b": ".m4b", "epub": ".epub", "karaoke": karaoke.SUFFIX}
_M4B_TYPE = "audio/mp4"
_SLUG_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Writes the publications of stories in the formats that the user asked for."""

    formats: Sequence[str] = ("wav",)
    """Of STORY_FORMATS."""
    split_chapters: bool = False
    """Whether to write files for each chapter too."""
    reading_speed: float
    """Of the subtitles of chapters, in characters per second."""

    def check(self) -> None:
        """Raise ConfigurationError for an unknown format, MissingExtraError if a package is missing."""
        unknown = [name for name in self.formats if name not in STORY_FORMATS]
        if unknown:
            raise ConfigurationError(
                f"--format {unknown[0]}: not a format; available: {', '.join(STORY_FORMATS)}"
            )
        if "m4b" in self.formats:
            audiobook.load_av()

    @property
    def kept_audio(self) -> tuple[str, ...]:
        """The audio formats that the user asked for; at least one, or m4b, so that the page can play."""
        asked = [name for name in dict.fromkeys(self.formats) if name in AUDIO_FORMATS]
        if not asked and "m4b" not in self.formats:
            asked = [_NEEDED_AUDIO[name] for name in self.formats if name in _NEEDED_AUDIO] or ["wav"]
        return tuple(asked)

    @property
    def narrated_audio(self) -> tuple[str, ...]:
        """The audio formats that the narration has to write: those, and what publications are made from."""
        needed = [_NEEDED_AUDIO[name] for name in self.formats if name in _NEEDED_AUDIO]
        return tuple(dict.fromkeys([*self.kept_audio, *needed, *(["wav"] if self.split_chapters else [])]))

    def keeps(self, kind: MediaKind) -> bool:
        """Whether a file of the narration is for the user, not only to make others from it."""
        return kind.row is not TaskRow.AUDIO or kind.format_name in self.kept_audio

    def notes(self, made: Mapping[str, Path]) -> tuple[str, ...]:
        """Return what the user should know about the publications of a story."""
        is_missing = self.split_chapters and "chapter_files" not in made
        return ("no chapters were found, so there are no files of chapters",) if is_missing else ()

    def targets(self, stem: str) -> list[str]:
        """Return the names of the files that every story has."""
        kinds = [*(AUDIO_FORMATS[name] for name in self.kept_audio), *SUBTITLE_MEDIA]
        others = [f"{stem}{_SUFFIXES[name]}" for name in self.formats if name in _SUFFIXES]
        return [*(f"{stem}{kind.suffix}" for kind in kinds), *others, f"{stem}.html"]

    def request(self, source: StoryText, options: NarrationOptions) -> str:
        """Return a digest of everything that decides what is written for a story."""
        # How it is computed does not matter to what comes out.
        decisive = replace(options, models_dir=Path(), threads=0)
        parts = (version("story-tts"), source, decisive, tuple(self.formats), self.split_chapters)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def publish(
        self, source: StoryText, narration: Narration, folder: Path, *, stem: str, request: str
    ) -> dict[str, Path]:
        """Write the publications of a story into `folder`, and return them by name, the page last."""
        made: dict[str, Path] = {}
        words = narration.media[WORDS]
        if source.is_extracted:
            made["text"] = folder / f"{stem}{NARRATED_SUFFIX}"
            made["text"].write_bytes(source.text.encode())
        timed = chapters.time_chapters(
            chapter_marks(source), read_words(words), duration_secs=narration.duration_secs
        )
        if timed:
            made["chapters"] = folder / f"{stem}{chapters.SUFFIX}"
            chapters.write_chapters(made["chapters"], timed)
        if timed and self.split_chapters:
            made["chapter_files"] = self._split(narration, timed, folder, stem)
        for name in (name for name in _SUFFIXES if name in self.formats):
            made[name] = folder / f"{stem}{_SUFFIXES[name]}"
            self._write(name, made[name], source, narration, timed)
        made["page"] = story_page(
            words,
            self._played(narration, stem),
            folder,
            stem=stem,
            language=language_of(narration.engine, narration.voice),
            source=source,
            request=request,
        )
        return made

    def _write(
        self,
        name: str,
        path: Path,
        source: StoryText,
        narration: Narration,
        timed: Sequence[chapters.Chapter],
    ) -> None:
        """Write the publication of format `name` to `path`."""
        title = source.title or title_of(source.text, stem=path.name.removesuffix(_SUFFIXES[name]))
        if name == "karaoke":
            karaoke.write_karaoke(path, narration.media[WORDS], reading_speed=self.reading_speed)
        elif name == "m4b":
            audiobook.write_audiobook(path, narration.media[AUDIO], timed, story=source, title=title)
        else:
            made = book.Book(
                title=title,
                language=source.language or language_of(narration.engine, narration.voice),
                narrator=f"{narration.engine} {narration.voice}",
                source=source,
                words=narration.media[WORDS],
                audio=narration.media[MP3],
                chapters=timed,
                duration_secs=narration.duration_secs,
            )
            book.write_book(path, made)

    def _played(self, narration: Narration, stem: str) -> list[PlayedAudio]:
        """Return the audio files that the page can play."""
        kept = [kind for kind in narration.media if kind.row is TaskRow.AUDIO and self.keeps(kind)]
        audio = [PlayedAudio(f"{stem}{kind.suffix}", kind.content_type) for kind in kept]
        return [*audio, PlayedAudio(f"{stem}.m4b", _M4B_TYPE)] if "m4b" in self.formats else audio

    def _split(
        self, narration: Narration, timed: Sequence[chapters.Chapter], folder: Path, stem: str
    ) -> Path:
        """Write the files of each chapter into one folder, named by number and title."""
        kinds = [AUDIO_FORMATS[name] for name in self.kept_audio or ("wav",)]
        work, place = folder / "chapters", folder / f"{stem}.chapters"
        work.mkdir()
        place.mkdir()
        for number, media in enumerate(
            splitting.split(
                narration.media[AUDIO],
                narration.media[WORDS],
                timed,
                folder=work,
                kinds=kinds,
                reading_speed=self.reading_speed,
            )
        ):
            name = f"{number + 1:03d}{_slug(timed[number].title)}"
            for kind, path in media.items():
                path.replace(place / f"{name}{kind.suffix}")
        return place


def move(path: Path, target: Path) -> Path:
    """Move a file or folder to `target`, replacing what is there; return `target`."""
    if path.is_dir() and target.is_dir():
        shutil.rmtree(target)
    return path.replace(target)


def _slug(title: str) -> str:
    """Return a title as part of a file name: `-the-rabbit-hole`, or nothing."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_CHARACTERS].strip("-")
    return f"-{words}" if words else ""
