"""
The chapters of a narration: their times, and the chapters file.

The file has the JSON chapters format of Podcasting 2.0, version 1.2.0, which podcast players read:
https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/examples/chapters/jsonChapters.md
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.text.chapters import ChapterMark
from app.text.spans import Word

SUFFIX = ".chapters.json"


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter in the audio; the first starts at 0, and each starts where the one before ends."""

    title: str
    start_secs: float
    end_secs: float


def time_chapters(
    marks: Sequence[ChapterMark], words: Iterable[Word], *, duration_secs: float
) -> Sequence[Chapter]:
    """Return the chapters at `marks`, each from the middle of the pause before its first word."""
    starts: list[float] = []
    titles: list[str] = []
    previous_end = 0.0
    for word in words:
        while len(starts) < len(marks) and word.span.start >= marks[len(starts)].start:
            titles.append(marks[len(starts)].title)
            starts.append((previous_end + word.start_secs) / 2 if starts else 0.0)
        previous_end = word.end_secs
    ends = [*starts[1:], duration_secs] if starts else []
    timed = zip(titles, starts, ends, strict=True)
    return [Chapter(title, start, end) for title, start, end in timed if end > start]


def write_chapters(path: Path, chapters: Sequence[Chapter]) -> None:
    """Write the chapters file."""
    entries = [
        {
            "startTime": round(chapter.start_secs, 3),
            "endTime": round(chapter.end_secs, 3),
            "title": chapter.title,
        }
        for chapter in chapters
    ]
    content = {"version": "1.2.0", "chapters": entries}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
