"""
The table of everything a job produces.

A new format is one row here and one encoder: in app/audio/encoders.py for audio, in
app/subtitles/formats.py for subtitles. Object keys, content types, row attributes, downloads and checks are
derived from this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

PRIMARY_ATTRIBUTE = "media_url"
"""Holds the address of a row's main object: the subtitles as SubRip, and the audio in its first format."""


class TaskRow(StrEnum):
    """The two task rows of a job."""

    AUDIO = "audio"
    SUBTITLES = "subtitles"


@dataclass(frozen=True, slots=True)
class MediaKind:
    """One kind of object that a job produces."""

    name: str
    """Its identifier in logs, in JSON output and between processes."""
    suffix: str
    content_type: str
    row: TaskRow
    """The task row that holds the object's address."""
    attribute: str
    """The attribute of that row with the address; see also `Destination.attribute`."""

    @property
    def is_primary(self) -> bool:
        """Whether this is the row's main object: stored in `media_url`, with its digest in `media_sha256`."""
        return self.attribute == PRIMARY_ATTRIBUTE

    @property
    def format_name(self) -> str:
        """The name of an audio format in jobs and options, such as `opus`."""
        return self.suffix.lstrip(".")

    @property
    def label(self) -> str:
        """Its name for consumers: an audio format's own, such as `wav`."""
        return self.format_name if self.row is TaskRow.AUDIO else self.name

    @property
    def file_name(self) -> str:
        """The file name in a job's folder, such as `subtitles.vtt`."""
        return f"{self.row}{self.suffix}"


AUDIO = MediaKind("audio", ".wav", "audio/wav", TaskRow.AUDIO, PRIMARY_ATTRIBUTE)
SRT = MediaKind("srt", ".srt", "application/x-subrip; charset=utf-8", TaskRow.SUBTITLES, PRIMARY_ATTRIBUTE)
VTT = MediaKind("vtt", ".vtt", "text/vtt; charset=utf-8", TaskRow.SUBTITLES, "vtt_url")
WORDS = MediaKind("words", ".words.json", "application/json", TaskRow.SUBTITLES, "words_url")

SUBTITLE_MEDIA = (SRT, VTT, WORDS)
"""What every job produces besides its audio."""
MEDIA = (AUDIO, *SUBTITLE_MEDIA)
"""What a job produces by default."""

OPUS = MediaKind("opus", ".opus", "audio/ogg", TaskRow.AUDIO, "opus_url")
MP3 = MediaKind("mp3", ".mp3", "audio/mpeg", TaskRow.AUDIO, "mp3_url")
FLAC = MediaKind("flac", ".flac", "audio/flac", TaskRow.AUDIO, "flac_url")

AUDIO_FORMATS: Mapping[str, MediaKind] = MappingProxyType(
    {kind.format_name: kind for kind in (AUDIO, OPUS, MP3, FLAC)}
)
"""The audio formats that a narration can have, by the names that users give them."""
STORY_FORMATS = (*AUDIO_FORMATS, "m4b", "epub", "karaoke")
"""The formats of `story-tts speak`: those, and what app.client.publications makes of a narration."""


def media_kind(name: str) -> MediaKind:
    """Return the kind called `name`. Raises KeyError if there is none."""
    return {kind.name: kind for kind in (*MEDIA, *AUDIO_FORMATS.values())}[name]
