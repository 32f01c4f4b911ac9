"""Chapters in the audio: their times, the chapters file, files per chapter, and the audiobook."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pysubs2
import pytest
import soundfile  # type: ignore[import-untyped]

from app.audio.encoders import AudioFiles
from app.media import AUDIO, FLAC, MP3, SRT, WORDS
from app.publishing.audiobook import write_audiobook
from app.publishing.chapters import Chapter, time_chapters, write_chapters
from app.publishing.splitting import split
from app.subtitles.formats import SubtitleFiles
from app.subtitles.words_file import read_words
from app.text.chapters import chapter_marks
from app.text.readers.base import StoryText
from tests.reading_rules import spoken

BODY = "It was a dark night, and the fox went out. It prayed to the moon for light, as foxes do. "
TEXT = f"Chapter I. The Night\n\n{BODY}\n\nChapter II. The Däy\n\n{BODY}{BODY}\n\nEpilogue\n\n{BODY}"
TITLES = ["Chapter I. The Night", "Chapter II. The Däy", "Epilogue"]
RATE = 24_000


@dataclass(frozen=True)
class Narrated:
    """A narration of TEXT: noise, and words by length."""

    folder: Path
    wav: Path
    words: Path
    chapters: Sequence[Chapter]
    duration_secs: float


@pytest.fixture
def narrated(tmp_path: Path) -> Narrated:
    """Write the audio and words of TEXT."""
    with SubtitleFiles(tmp_path) as files:
        for word in spoken(TEXT):
            files.write_word(word)
            end = word.end_secs
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, round((end + 0.5) * RATE)).astype(np.float32)
    with AudioFiles(tmp_path, [AUDIO], sample_rate=RATE) as audio:
        audio.write(noise)
    words = files.paths[WORDS]
    chapters = time_chapters(
        chapter_marks(StoryText(text=TEXT)), read_words(words), duration_secs=audio.seconds
    )
    return Narrated(tmp_path, audio.paths[AUDIO], words, chapters, audio.seconds)


def test_chapters_start_before_their_first_word(narrated: Narrated) -> None:
    """Together they fill the audio; each begins in the pause before the first word of its heading."""
    chapters = narrated.chapters
    assert [chapter.title for chapter in chapters] == [
        "Chapter I. The Night",
        "Chapter II. The Däy",
        "Epilogue",
    ]
    assert (chapters[0].start_secs, chapters[-1].end_secs) == (0.0, narrated.duration_secs)
    assert all(one.end_secs == two.start_secs for one, two in pairwise(chapters))
    words = list(read_words(narrated.words))
    for chapter, first in zip(chapters[1:], ("II.", "Epilogue"), strict=True):
        number = next(n for n, word in enumerate(words) if word.text == first) - (first == "II.")
        assert words[number - 1].end_secs <= chapter.start_secs <= words[number].start_secs


def test_the_chapters_file_has_the_podcast_format(narrated: Narrated, tmp_path: Path) -> None:
    """Version, and title, start and end of each chapter."""
    write_chapters(tmp_path / "a.json", narrated.chapters)
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert document["version"] == "1.2.0"
    assert document["chapters"][1] == {
        "startTime": round(narrated.chapters[1].start_secs, 3),
        "endTime": round(narrated.chapters[1].end_secs, 3),
        "title": "Chapter II. The Däy",
    }


def test_a_story_is_split_into_chapters(narrated: Narrated) -> None:
    """Each chapter has all formats, from time 0; together they are the whole audio and all words."""
    folder = narrated.folder / "split"
    folder.mkdir()
    made = split(
        narrated.wav, narrated.words, narrated.chapters, folder=folder, kinds=[FLAC, MP3], reading_speed=20.0
    )
    whole, _ = soundfile.read(narrated.wav, dtype="int16")
    parts = [soundfile.read(media[FLAC], dtype="int16")[0] for media in made]
    assert np.array_equal(np.concatenate(parts), whole)
    words = [word for media in made for word in read_words(media[WORDS])]
    assert [word.span for word in words] == [word.span for word in read_words(narrated.words)]
    for media, chapter in zip(made, narrated.chapters, strict=True):
        secs = chapter.end_secs - chapter.start_secs
        assert soundfile.info(media[MP3]).duration == pytest.approx(secs, abs=0.06)
        cues = pysubs2.load(str(media[SRT]))
        assert cues[0].plaintext.startswith(chapter.title)
        assert cues[0].start < 500 < cues[-1].start < secs * 1000
        assert 0 <= next(read_words(media[WORDS])).start_secs < 0.5


@pytest.fixture
def cover() -> bytes:
    """Draw a small cover."""
    file = io.BytesIO()
    with av.open(file, "w", format="image2pipe") as image:
        stream = image.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 200, dtype=np.uint8), format="rgb24")
        image.mux(stream.encode(frame))
        image.mux(stream.encode(None))
    return file.getvalue()


def test_an_audiobook_has_chapters_cover_and_tags(narrated: Narrated, cover: bytes) -> None:
    """AAC in an M4B file whose index comes first; its length is the narration's."""
    path = narrated.folder / "a.m4b"
    story = StoryText(text=TEXT, author="A. Writer", language="en-GB", cover=cover)
    write_audiobook(path, narrated.wav, narrated.chapters, story=story, title="The Fox")

    data = path.read_bytes()
    assert data[4:12] == b"ftypM4B "
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as book:
        assert [chapter["metadata"]["title"] for chapter in book.chapters()] == [
            chapter.title for chapter in narrated.chapters
        ]
        assert [chapter["start"] * (chapter["time_base"] or 0) for chapter in book.chapters()] == [
            pytest.approx(chapter.start_secs, abs=0.001) for chapter in narrated.chapters
        ]
        tags = {"title": "The Fox", "artist": "A. Writer", "genre": "Audiobook", "media_type": "2"}
        assert tags.items() <= book.metadata.items()
        (audio,) = book.streams.audio
        assert (audio.codec_context.name, audio.codec_context.sample_rate) == ("aac", RATE)
        (picture,) = book.streams.video
        assert picture.disposition & av.stream.Disposition.attached_pic
        heard = sum(frame.samples for frame in book.decode(audio)) / RATE
    assert heard == pytest.approx(narrated.duration_secs, abs=0.1)


@pytest.mark.parametrize("broken", [b"", b"\x89PNG\r\n\x1a\n and so on"])
def test_a_book_needs_no_cover_and_no_chapters(narrated: Narrated, broken: bytes) -> None:
    """A damaged cover is left out, like one that does not exist."""
    path = narrated.folder / "a.m4b"
    write_audiobook(path, narrated.wav, (), story=StoryText(text=TEXT, cover=broken), title="The Fox")
    with av.open(str(path)) as book:
        assert (len(book.streams.audio), len(book.streams.video), book.chapters()) == (1, 0, [])
