"""
The one table of what a job produces.

A new format is one row here and one encoder: for audio in app/audio, for subtitles in
app/subtitles/formats.py. Object keys, content types, row attributes, downloads and checks follow from it.
"""

from dataclasses import dataclass
from enum import StrEnum


class TaskRow(StrEnum):
    """The two task rows of a job."""

    AUDIO = "audio"
    SUBTITLES = "subtitles"


@dataclass(frozen=True, slots=True)
class MediaKind:
    """One kind of object that a job produces."""

    name: str
    """Identifies the kind in logs, JSON output and between processes."""
    suffix: str
    content_type: str
    row: TaskRow
    """The task row that names the object."""
    attribute: str
    """The attribute of that row that holds the object's address."""

    @property
    def is_primary(self) -> bool:
        """Whether the object is the one its row stands for: under `media_url`, with `media_sha256`."""
        return self.attribute == "media_url"

    @property
    def file_name(self) -> str:
        """The file's name in a job's folder, such as `subtitles.vtt`."""
        return f"{self.row}{self.suffix}"


AUDIO = MediaKind("audio", ".wav", "audio/wav", TaskRow.AUDIO, "media_url")
SRT = MediaKind("srt", ".srt", "application/x-subrip; charset=utf-8", TaskRow.SUBTITLES, "media_url")
VTT = MediaKind("vtt", ".vtt", "text/vtt; charset=utf-8", TaskRow.SUBTITLES, "vtt_url")
WORDS = MediaKind("words", ".words.json", "application/json", TaskRow.SUBTITLES, "words_url")

MEDIA = (AUDIO, SRT, VTT, WORDS)


def media_kind(name: str) -> MediaKind:
    """Return the kind called `name`. Raises KeyError where there is none."""
    return {kind.name: kind for kind in MEDIA}[name]
