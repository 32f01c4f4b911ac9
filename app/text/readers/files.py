"""Reads story files, from disk or standard input, for `speak` and `submit`."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from app.errors import ConfigurationError, MissingExtraError, RefusedTextError
from app.text.readers.base import NARRATED_SUFFIX, StoryText
from app.text.readers.boilerplate import without_boilerplate
from app.text.readers.decoding import decode
from app.text.readers.formats import Format, format_of

STDIN = "-"
"""The file name that stands for standard input."""
MAX_FILE_BYTES = 256 * 1024 * 1024
SUFFIXES = frozenset(
    {".txt", ".text", ".md", ".markdown", ".html", ".htm", ".xhtml", ".epub", ".docx", ".pdf"}
)
"""Of the files of a folder that are stories."""
GENERATOR = b'<meta name="generator" content="story-tts">'
"""In the head of the pages to listen and read along, which are no stories."""
_HEAD = 1024


@dataclass(frozen=True, slots=True)
class StoryFile:
    """A story on disk, or on standard input if `path` is None."""

    path: Path | None

    @property
    def name(self) -> str:
        """The name for messages."""
        return str(self.path) if self.path else "standard input"

    @property
    def stem(self) -> str:
        """The name of the media files, without suffix."""
        return self.path.stem if self.path else "story"

    def read(self, *, keep_boilerplate: bool = False) -> StoryText:
        """
        Return the story, without Project Gutenberg's header and licence unless `keep_boilerplate`.

        Raises RefusedTextError if the file cannot be read or holds no text, and MissingExtraError if its
        format needs packages that are not installed.
        """
        try:
            data = self._bytes()
        except OSError as error:
            raise RefusedTextError(str(error.strerror).lower()) from error
        if len(data) > MAX_FILE_BYTES:
            raise RefusedTextError(f"larger than {MAX_FILE_BYTES // 1024**2} MiB: split the story")
        story = read_story(data, suffix=self.path.suffix if self.path else "")
        return story if keep_boilerplate else without_boilerplate(story)

    def _bytes(self) -> bytes:
        if self.path is None:
            return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        with self.path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)


def read_story(data: bytes, *, suffix: str = "") -> StoryText:
    """Return the story in `data`, from a file whose name ends with `suffix`. Raises as `StoryFile.read`."""
    story = READERS[format_of(data, suffix=suffix)](data)
    if not story.text.strip():
        raise RefusedTextError("nothing to narrate: it holds no text")
    return story


def _text(data: bytes) -> StoryText:
    text = decode(data)
    return StoryText(text=text, is_extracted=text.encode() != data)


def _by(module: str, function: str) -> Callable[[bytes], StoryText]:
    """Return a reader whose module needs the extra `readers`."""

    def read(data: bytes) -> StoryText:
        try:
            reader = getattr(importlib.import_module(f"app.text.readers.{module}"), function)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"this format needs the package {error.name}: run `make install`, or"
                " pip install 'story-tts[readers]'"
            ) from error
        story: StoryText = reader(data)
        return story

    return read


READERS: Mapping[Format, Callable[[bytes], StoryText]] = MappingProxyType(
    {
        Format.TEXT: _text,
        Format.MARKDOWN: _by("markdown", "read_markdown"),
        Format.HTML: _by("hypertext", "read_html"),
        Format.EPUB: _by("epub", "read_epub"),
        Format.DOCX: _by("word", "read_docx"),
        Format.PDF: _by("pdf", "read_pdf"),
    }
)
"""The reader of each format. All but those of text import packages of the extra `readers`."""


def story_files(names: Iterable[str]) -> Sequence[StoryFile]:
    """
    Return the stories that `names` list; of a folder, the story files in it, by name.

    Raises ConfigurationError if a folder has none, or if two stories would write the same files.
    """
    stories = [story for name in names for story in _named(name)]
    by_stem: dict[str, StoryFile] = {}
    for story in stories:
        other = by_stem.setdefault(story.stem, story)
        if other is not story:
            raise ConfigurationError(
                f"{other.name} and {story.name} would both become {story.stem}.wav: "
                "narrate them into different folders"
            )
    return stories


def _named(name: str) -> Sequence[StoryFile]:
    if name == STDIN:
        return [StoryFile(None)]
    path = Path(name)
    if not path.is_dir():
        return [StoryFile(path)]
    stories = [StoryFile(file) for file in sorted(path.iterdir()) if _is_story(file)]
    if not stories:
        raise ConfigurationError(f"{name}: the folder holds no story files ({' '.join(sorted(SUFFIXES))})")
    return stories


def _is_story(file: Path) -> bool:
    """Whether a file in a folder is a story by its name, and was not written by story-tts itself."""
    if file.suffix.lower() not in SUFFIXES or file.name.startswith(".") or not file.is_file():
        return False
    if file.name.endswith(NARRATED_SUFFIX):
        return False
    with file.open("rb") as opened:
        return GENERATOR not in opened.read(_HEAD)
