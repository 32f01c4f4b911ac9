"""Reads story files, from disk or standard input, for `speak` and `submit`."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigurationError, RefusedTextError

STDIN = "-"
"""The file name that stands for standard input."""


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

    def text(self) -> str:
        """Return the content. Raises RefusedTextError if the file cannot be read or is not UTF-8."""
        try:
            data = self.path.read_bytes() if self.path else sys.stdin.buffer.read()
            return data.decode("utf-8-sig")
        except OSError as error:
            raise RefusedTextError(str(error.strerror).lower()) from error
        except UnicodeDecodeError as error:
            raise RefusedTextError(f"not UTF-8 (byte {error.start + 1}): save it as UTF-8") from error


def story_files(names: Iterable[str]) -> Sequence[StoryFile]:
    """Return the stories that `names` list. Raises ConfigurationError if two would write the same files."""
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
