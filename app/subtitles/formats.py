r"""
Writers of the subtitle formats: SubRip, WebVTT and words.json, streamed to disk.

All files are UTF-8 with line feeds. Text that looks like a format's own syntax is written so that players
show it unchanged:

- SubRip has no escapes. A word joiner (U+2060, invisible, zero width) splits anything that would be read as
  a tag (`<i>`), an override (`{\an8}`, `\N`), an arrow (`-->`), a time or a cue number.
- WebVTT uses character references for `&`, `<` and `>`. Times and numbers are split as in SubRip, for
  players that treat the two formats alike.

White space within a line becomes one space, and empty lines are left out because they would end the cue.
words.json is one object:

    {"format": "story-tts.words", "version": 1, "words": [
    {"text": "Knowing", "start": 0.05, "end": 0.431, "span": [0, 7]},
    ...
    ]}

`text` is the word with its punctuation, as in the source. `start` and `end` are seconds from the start of
the audio, rounded to milliseconds. `span` is the range of the word in the source text, end exclusive, in
Unicode code points. The spans are in order and cover every character that is not white space. `ends` is
"sentence" or "paragraph" on the last word of one, and absent on others.
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
    """Writes one format from cues, words or both. The base class ignores everything it is given."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write_cue(self, cue: Cue) -> None:
        """Append a cue."""

    def write_word(self, word: Word) -> None:
        """Append a word."""

    def close(self) -> None:
        """Write the end of the document. The caller closes the file."""


class SubRipWriter(SubtitleWriter):
    """Writes cues as SubRip, numbered from 1."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._number = 0

    def write_cue(self, cue: Cue) -> None:
        """Append a cue."""
        self._number += 1
        lines = [_split_syntax(line, _TAG, _OVERRIDE, _ARROW, _TIME, _NUMBER) for line in _lines(cue)]
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
        lines = [webvtt_text(_split_syntax(line, _TIME, _NUMBER)) for line in _lines(cue)]
        times = f"{_timestamp(cue.start_secs, '.')} --> {_timestamp(cue.end_secs, '.')}"
        self._file.write("\n".join([str(self._number), times, *lines]) + "\n\n")


class WordsWriter(SubtitleWriter):
    """Writes words as words.json. `close` completes the document."""

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self._separator = "\n"
        file.write('{"format": "story-tts.words", "version": 1, "words": [')

    def write_word(self, word: Word) -> None:
        """Append a word."""
        entry: dict[str, object] = {
            "text": word.text,
            "start": round(word.start_secs, 3),
            "end": round(word.end_secs, 3),
            "span": [word.span.start, word.span.end],
        }
        if word.boundary:
            entry["ends"] = word.boundary.name.lower()
        self._file.write(self._separator + json.dumps(entry, ensure_ascii=False))
        self._separator = ",\n"

    def close(self) -> None:
        """Write the end of the document."""
        self._file.write("\n]}\n")


WRITERS: Mapping[MediaKind, type[SubtitleWriter]] = MappingProxyType(
    {SRT: SubRipWriter, VTT: WebVttWriter, WORDS: WordsWriter}
)
"""The writer of each subtitle format, by its row in app/media.py."""


class SubtitleFiles:
    """
    Writes one subtitle file per format into `folder`. The files are complete after the `with` block.

    Raises OSError if a file cannot be written.
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
        """Append a cue to every file that holds cues."""
        for writer in self._opened():
            writer.write_cue(cue)

    def write_word(self, word: Word) -> None:
        """Append a word to every file that holds words."""
        for writer in self._opened():
            writer.write_word(word)

    def _opened(self) -> list[SubtitleWriter]:
        if self._writers is None:
            raise RuntimeError("subtitle files can only be written inside their `with` block")
        return self._writers

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                for writer in self._opened():
                    writer.close()


def _split_syntax(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        text = pattern.sub(lambda match: match.group(0) + _JOINER, text)
    return text


def webvtt_text(text: str) -> str:
    """Return `text` with references for the characters of WebVTT's own syntax."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(cue: Cue) -> list[str]:
    """Return the cue's lines that are not blank: a blank line would end the cue."""
    return [line for line in (" ".join(line.split()) for line in cue.lines) if line]


def _timestamp(secs: float, point: str) -> str:
    """Return hours (at least two digits), minutes, seconds and milliseconds."""
    times = ms_to_times(secs * 1000)
    return f"{times.h:02d}:{times.m:02d}:{times.s:02d}{point}{times.ms:03d}"


def webvtt_time(secs: float) -> str:
    """Return a time as WebVTT writes it, such as `00:01:02.345`."""
    return _timestamp(secs, ".")


def _open(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")
