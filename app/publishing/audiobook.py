"""
Writes an audiobook, M4B: AAC in MP4, with chapter marks, a cover and tags. Needs PyAV, the extra `m4b`.

The audio is encoded from the WAV file of the narration in blocks, so memory does not grow with its length.
"""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from app.errors import MissingExtraError
from app.publishing.chapters import Chapter
from app.text.readers.base import StoryText

BIT_RATE = 64_000
"""Bits a second of AAC-LC, mono: transparent for speech at 24 kHz."""
_BLOCK = 1 << 15
"""Samples that are encoded at once."""
_OPTIONS = {"movflags": "+faststart", "brand": "M4B "}
"""The index first, so that players on the web can seek at once; the brand of audiobooks."""
_MILLISECONDS = Fraction(1, 1000)


def load_av() -> Any:
    """Return PyAV. Raises MissingExtraError if it is not installed."""
    try:
        import av  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "m4b needs PyAV: run `.venv/bin/pip install av`, or pip install 'story-tts[m4b]'"
        ) from error
    return av


def write_audiobook(
    path: Path, wav: Path, chapters: Sequence[Chapter], *, story: StoryText, title: str
) -> None:
    """Write the narration in `wav` to `path`. Raises MissingExtraError, OSError."""
    av = load_av()
    import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - a native library

    with (
        soundfile.SoundFile(str(wav)) as source,
        av.open(str(path), "w", format="mp4", options=_OPTIONS) as book,
    ):
        book.metadata.update(_tags(story, title))
        stream = book.add_stream("aac", rate=source.samplerate, layout="mono")
        stream.bit_rate = BIT_RATE
        stream.metadata["language"] = _language(story.language)
        _add_cover(av, book, story.cover)
        book.set_chapters(
            [
                {
                    "id": number,
                    "start": round(chapter.start_secs * 1000),
                    "end": round(chapter.end_secs * 1000),
                    "time_base": _MILLISECONDS,
                    "metadata": {"title": chapter.title},
                }
                for number, chapter in enumerate(chapters)
            ]
        )
        position = 0
        while len(samples := source.read(_BLOCK, dtype="int16")):
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = source.samplerate, position
            position += len(samples)
            book.mux(stream.encode(frame))
        book.mux(stream.encode(None))


def _tags(story: StoryText, title: str) -> dict[str, str]:
    tags = {
        "title": title,
        "album": title,
        "artist": story.author,
        "genre": "Audiobook",
        "media_type": "2",  # iTunes' number for an audiobook
        "comment": "Narrated by story-tts",
    }
    return {name: value for name, value in tags.items() if value}


def _language(tag: str) -> str:
    """Return the three-letter code that MP4 has for a language; undetermined if it is not known."""
    return {"en": "eng", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "de": "deu"}.get(tag[:2], "und")


def _add_cover(av: Any, book: Any, cover: bytes) -> None:
    if not cover:
        return
    try:
        with av.open(io.BytesIO(cover)) as image:
            next(image.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError):
        # A damaged cover: the book is complete without it.
        return
    with av.open(io.BytesIO(cover)) as image:
        stream = book.add_stream_from_template(image.streams.video[0])
        stream.disposition = av.stream.Disposition.attached_pic
        packet = next(packet for packet in image.demux(video=0) if packet.size)
        packet.stream = stream
        packet.pts = packet.dts = 0
        book.mux(packet)
