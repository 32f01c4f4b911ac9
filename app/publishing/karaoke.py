"""Writes WebVTT in which each word has its time inside the cue, as karaoke has, for players that show it."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from app.subtitles.base import Cue
from app.subtitles.formats import webvtt_text, webvtt_time
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.subtitles.words_file import read_words
from app.text.spans import Word

SUFFIX = ".karaoke.vtt"


def write_karaoke(path: Path, words: Path, *, reading_speed: float) -> None:
    """Write the subtitles of the words.json at `words`, with a time before the words inside a cue."""
    timed = _TimedWords(read_words(words))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("WEBVTT\n\n")
        for number, cue in enumerate(Layout(Style(speed=reading_speed)).cues(timed), start=1):
            times = f"{webvtt_time(cue.start_secs)} --> {webvtt_time(cue.end_secs)}"
            file.write("\n".join([str(number), times, *timed.lines(cue)]) + "\n\n")


class _TimedWords:
    """Passes words on to the layout, and finds them again in the cues that come out."""

    def __init__(self, words: Iterable[Word]) -> None:
        self._words = words
        self._pending: deque[Word] = deque()
        self._rest = 0
        """Characters of the current word that are still to come, white space aside."""

    def __iter__(self) -> Iterator[Word]:
        for word in self._words:
            self._pending.append(word)
            yield word

    def lines(self, cue: Cue) -> Iterator[str]:
        """
        Yield the lines of the next cue with the times of its words.

        A word that is longer than a line, or than a cue, has one time, at its start.
        """
        latest = cue.start_secs
        for line in cue.lines:
            parts: list[str] = []
            for character in " ".join(line.split()):
                if not self._rest and not character.isspace():
                    word = self._pending.popleft()
                    self._rest = len("".join(word.text.split()))
                    if latest < word.start_secs < cue.end_secs:
                        latest = word.start_secs
                        parts.append(f"<{webvtt_time(latest)}>")
                parts.append(webvtt_text(character))
                self._rest -= not character.isspace()
            if parts:
                yield "".join(parts)
