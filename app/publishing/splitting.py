"""Cuts a narration into one set of files per chapter: audio, subtitles and words."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from app.audio.encoders import AudioFiles
from app.media import MediaKind
from app.publishing.chapters import Chapter
from app.subtitles.formats import SubtitleFiles
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.subtitles.words_file import read_words
from app.text.spans import Word

_BLOCK = 1 << 16
"""Samples that are read at once."""


def split(
    wav: Path,
    words: Path,
    chapters: Sequence[Chapter],
    *,
    folder: Path,
    kinds: Sequence[MediaKind],
    reading_speed: float,
) -> list[dict[MediaKind, Path]]:
    """
    Write the media of each chapter into a folder of its own below `folder`, and return them.

    The audio is encoded from `wav`, the whole narration, in blocks. Times start at 0 in each chapter; spans
    still refer to the whole text. Raises OSError if a file cannot be written.
    """
    made: list[dict[MediaKind, Path]] = []
    rest = _Rest(read_words(words))
    for number, chapter in enumerate(chapters, start=1):
        place = folder / f"{number:03d}"
        place.mkdir()
        audio = _cut(wav, chapter, place, kinds)
        with SubtitleFiles(place) as subtitles:
            shifted = list(_shifted(rest.until(chapter.end_secs), chapter.start_secs))
            for word in shifted:
                subtitles.write_word(word)
            for cue in Layout(Style(speed=reading_speed)).cues(shifted):
                subtitles.write_cue(cue)
        made.append(audio | dict(subtitles.paths))
    return made


def _cut(wav: Path, chapter: Chapter, folder: Path, kinds: Sequence[MediaKind]) -> dict[MediaKind, Path]:
    import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415 - a native library

    with soundfile.SoundFile(str(wav)) as file:
        start, end = (round(secs * file.samplerate) for secs in (chapter.start_secs, chapter.end_secs))
        file.seek(start)
        with AudioFiles(folder, kinds, sample_rate=file.samplerate) as audio:
            while start < end:
                samples = file.read(min(_BLOCK, end - start), dtype="float32")
                if not len(samples):
                    break
                audio.write(samples)
                start += len(samples)
    return dict(audio.paths)


class _Rest:
    """The words that are still to come."""

    def __init__(self, words: Iterator[Word]) -> None:
        self._words = words
        self._next = next(words, None)

    def until(self, secs: float) -> Iterator[Word]:
        """Yield the words that start before `secs`."""
        while self._next and self._next.start_secs < secs:
            yield self._next
            self._next = next(self._words, None)


def _shifted(words: Iterator[Word], secs: float) -> Iterator[Word]:
    for word in words:
        yield replace(word, start_secs=max(0.0, word.start_secs - secs), end_secs=word.end_secs - secs)
