r"""
Cues and words become files: SubRip, WebVTT and words.json, written as they come, never held.

All three are UTF-8 with line feeds. Text that a format would take for its own syntax is written so that it
is shown as it stands in the story:

- SubRip knows no escape. A word joiner (U+2060, invisible and without width) parts what would be read as
  a tag (`<i>`), an override (`{\an8}`, `\N`), an arrow (`-->`), a time or a cue's number.
- WebVTT has character references for `&`, `<` and `>`; times and numbers are parted as in SubRip, for
  readers that treat the two formats alike.

White space within a line becomes one space and empty lines are left out, since a blank line would end the
cue. words.json is one object:

    {"format": "story-tts.words", "version": 1, "words": [
    {"text": "Knowing", "start": 0.05, "end": 0.431, "span": [0, 7]},
    ...
    ]}

`text` is the word with its punctuation as it stands in the source, `start` and `end` are seconds from the
start of the audio in steps of a millisecond, `span` is the first character and the one after the last in
the source text, counted in Unicode code points. Spans of all words, in order, cover every character that is
not white space.
"""

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self, TextIO

from pysubs2.time import ms_to_times

from app.media import SRT, VTT, WORDS, MediaKind
from app.subtitles.base import Cue
from app.text.spans import Word

_JOINER = "\u2060"
_TAG = re.compile(r"<(?=\s*[A-Za-z/])")
_OVERRIDE = re.compile(r"\{(?=[^}]*\})|\\(?=[Nnh])")
_ARROW = re.compile(r"--(?=>)")
_TIME = re.compile(r"(?<=\d):(?=\d{1,2}:\d{1,2}[.,]\d|\d\d[.,]\d)")
_NUMBER = re.compile(r"^\d(?=\d*$)")


class SubtitleWriter:
    """Writes one format. A format takes the cues, the words, or both; what it does not take it ignores."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write_cue(self, cue: Cue) -> None:
        """Append a cue."""

    def write_word(self, word: Word) -> None:
        """Append a word."""

    def close(self) -> None:
        """Write what the format ends with; the file is closed by its owner."""


class SubRipWriter(SubtitleWriter):
    """Writes cues as SubRip, numbered from 1."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._number = 0

    def write_cue(self, cue: Cue) -> None:
        """Append a cue."""
        self._number += 1
        lines = [_parted(line, _TAG, _OVERRIDE, _ARROW, _TIME, _NUMBER) for line in _lines(cue)]
        times = f"{_timestamp(cue.start_secs, ',')} --> {_timestamp(cue.end_secs, ',')}"
        self._file.write("\n".join([str(self._number), times, *lines]) + "\n\n")


class WebVttWriter(SubtitleWriter):
    """Writes cues as WebVTT, each with its number as identifier."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._number = 0
        file.write("WEBVTT\n\n")

    def write_cue(self, cue: Cue) -> None:
        """Append a cue."""
        self._number += 1
        lines = [_referenced(_parted(line, _TIME, _NUMBER)) for line in _lines(cue)]
        times = f"{_timestamp(cue.start_secs, '.')} --> {_timestamp(cue.end_secs, '.')}"
        self._file.write("\n".join([str(self._number), times, *lines]) + "\n\n")


class WordsWriter(SubtitleWriter):
    """Writes words as words.json; `close` completes the document."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._separator = "\n"
        file.write('{"format": "story-tts.words", "version": 1, "words": [')

    def write_word(self, word: Word) -> None:
        """Append a word."""
        entry = {
            "text": word.text,
            "start": round(word.start_secs, 3),
            "end": round(word.end_secs, 3),
            "span": [word.span.start, word.span.end],
        }
        self._file.write(self._separator + json.dumps(entry, ensure_ascii=False))
        self._separator = ",\n"

    def close(self) -> None:
        """End the list and the object."""
        self._file.write("\n]}\n")


WRITERS: Mapping[MediaKind, type[SubtitleWriter]] = MappingProxyType(
    {SRT: SubRipWriter, VTT: WebVttWriter, WORDS: WordsWriter}
)
"""Every subtitle format that is written, by its row in app/media.py."""


class SubtitleFiles:
    """
    The subtitle files of one story in `folder`, one per format; complete after the `with` block.

    Raises OSError where a file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.paths: Mapping[MediaKind, Path] = {kind: folder / kind.file_name for kind in WRITERS}
        self._stack = ExitStack()
        self._writers: list[SubtitleWriter] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._writers = [
                WRITERS[kind](stack.enter_context(_open(path))) for kind, path in self.paths.items()
            ]
            self._stack = stack.pop_all()
        return self

    def write_cue(self, cue: Cue) -> None:
        """Append a cue to every file whose format takes cues."""
        for writer in self._opened():
            writer.write_cue(cue)

    def write_word(self, word: Word) -> None:
        """Append a word to every file whose format takes words."""
        for writer in self._opened():
            writer.write_word(word)

    def _opened(self) -> list[SubtitleWriter]:
        if self._writers is None:
            raise RuntimeError("the files are open inside their `with` block only")
        return self._writers

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                for writer in self._opened():
                    writer.close()


def _parted(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        text = pattern.sub(lambda match: match.group(0) + _JOINER, text)
    return text


def _referenced(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(cue: Cue) -> list[str]:
    """Return the lines of a cue that show something: a blank line would end it for a reader."""
    return [line for line in (" ".join(line.split()) for line in cue.lines) if line]


def _timestamp(secs: float, point: str) -> str:
    """Return hours (two digits or more), minutes, seconds and milliseconds."""
    times = ms_to_times(secs * 1000)
    return f"{times.h:02d}:{times.m:02d}:{times.s:02d}{point}{times.ms:03d}"


def _open(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")
