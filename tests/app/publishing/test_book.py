"""EPUB 3 with media overlays and karaoke subtitles: every word once, at its time."""

import json
import posixpath
import re
import zipfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from app.media import VTT, WORDS
from app.publishing.book import Book, write_book
from app.publishing.chapters import time_chapters
from app.publishing.karaoke import write_karaoke
from app.subtitles.formats import SubtitleFiles
from app.subtitles.layout import Layout
from app.subtitles.words_file import read_words
from app.text.chapters import chapter_marks
from app.text.readers.base import StoryText
from app.text.readers.files import read_story
from tests.reading_rules import CORPUS, spoken

BODY = "It was a dark night, & the <fox> went out\x02. It prayed to the moon for light, as foxes do. "
TEXT = f"Chapter I. The “Night”\n\n{BODY}\n\nChapter II.\n\nThe owl went\nto sea\nin a\nboat.\n\n{BODY}"
COVER = b"\x89PNG and so on"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Narrate TEXT: words by length, and any bytes as audio."""
    return book_of(TEXT, tmp_path)


def book_of(text: str, folder: Path) -> Book:
    """Return the book of a text."""
    with SubtitleFiles(folder) as files:
        for word in spoken(text):
            files.write_word(word)
            end = word.end_secs
    (folder / "a.mp3").write_bytes(b"audio")
    source = StoryText(text=text, author="A. Writer & Co", cover=COVER)
    words = files.paths[WORDS]
    chapters = time_chapters(chapter_marks(source), read_words(words), duration_secs=end + 0.5)
    return Book(
        title="The <Fox>",
        language="en-gb",
        narrator="espeak bf_emma",
        source=source,
        words=words,
        audio=folder / "a.mp3",
        chapters=chapters,
        duration_secs=end + 0.5,
    )


def parsed(archive: zipfile.ZipFile, name: str) -> Any:
    """Return the root of an XML part; it must be well-formed."""
    return etree.fromstring(archive.read(name), etree.XMLParser(resolve_entities=False))


def test_the_book_is_whole(book: Book, tmp_path: Path) -> None:
    """Every part is in the manifest and every reference leads to one; the type comes first."""
    write_book(tmp_path / "a.epub", book)
    with zipfile.ZipFile(tmp_path / "a.epub") as archive:
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type) == ("mimetype", zipfile.ZIP_STORED)
        package = parsed(archive, "EPUB/book.opf")
        items = {item.get("id"): item for item in package.iterfind(".//{*}item")}
        listed = {f"EPUB/{item.get('href')}" for item in items.values()}
        assert listed | {"mimetype", "META-INF/container.xml", "EPUB/book.opf"} == set(archive.namelist())
        spine = [items[reference.get("idref")] for reference in package.iterfind(".//{*}itemref")]
        assert [items[item.get("media-overlay")].get("href") for item in spine] == [
            "text/001.smil",
            "text/002.smil",
        ]
        for name in listed:
            if name.endswith((".xhtml", ".smil")):
                references = re.findall(rb'(?:src|href|textref)="([^"]+)"', archive.read(name))
                assert {
                    posixpath.normpath(
                        posixpath.join(posixpath.dirname(name), target.decode().partition("#")[0])
                    )
                    for target in references
                } <= listed


def test_every_word_has_a_clip_and_clips_leave_no_gap(book: Book, tmp_path: Path) -> None:
    """The clips of a chapter go from word to word; its duration is what the package says."""
    write_book(tmp_path / "a.epub", book)
    words = list(read_words(book.words))
    with zipfile.ZipFile(tmp_path / "a.epub") as archive:
        package = parsed(archive, "EPUB/book.opf")
        total = 0.0
        for number in (1, 2):
            text = parsed(archive, f"EPUB/text/00{number}.xhtml")
            pars = list(parsed(archive, f"EPUB/text/00{number}.smil").iterfind(".//{*}par"))
            spans = {span.get("id"): span.text for span in text.iterfind(".//{*}span")}
            shown = [spans[par.find("{*}text").get("src").partition("#")[2]] for par in pars]
            own, words = words[: len(pars)], words[len(pars) :]
            assert shown == [word.text.replace("\x02", "") for word in own]
            clips = [
                tuple(float(par.find("{*}audio").get(name)[:-1]) for name in ("clipBegin", "clipEnd"))
                for par in pars
            ]
            assert [begin for begin, _ in clips] == [
                pytest.approx(word.start_secs, abs=0.001) for word in own
            ]
            assert all(one[1] == two[0] for one, two in pairwise(clips))
            (duration,) = (
                meta.text
                for meta in package.iterfind(".//{*}meta[@property='media:duration']")
                if meta.get("refines") == f"#o{number}"
            )
            total += clips[-1][1] - clips[0][0]
            assert float(duration[:-1]) == pytest.approx(clips[-1][1] - clips[0][0], abs=0.01)
        assert words == []
        (whole,) = (
            meta.text
            for meta in package.iterfind(".//{*}meta[@property='media:duration']")
            if meta.get("refines") is None
        )
        assert float(whole[:-1]) == pytest.approx(total, abs=0.01)


def test_the_book_reads_back(book: Book, tmp_path: Path) -> None:
    """Our own reader finds text, chapters, author and cover; what XML cannot hold is left out."""
    write_book(tmp_path / "a.epub", book)
    story = read_story((tmp_path / "a.epub").read_bytes())
    assert story.text.split() == TEXT.replace("\x02", "").split()
    assert "The owl went\nto sea\nin a\nboat." in story.text
    assert [section.title for section in story.sections] == [chapter.title for chapter in book.chapters]
    assert (story.title, story.author, story.language) == ("The <Fox>", "A. Writer & Co", "en-gb")
    assert story.cover == COVER


def test_a_story_without_chapters_is_one_part(tmp_path: Path) -> None:
    """The contents name it by its title; a book needs neither author nor cover."""
    book = book_of("It was dark.", tmp_path)
    write_book(tmp_path / "a.epub", replace(book, source=StoryText(text="It was dark.")))
    story = read_story((tmp_path / "a.epub").read_bytes())
    assert (story.text, [section.title for section in story.sections]) == ("It was dark.", ["The <Fox>"])


@pytest.mark.parametrize(
    "text", [*(path.read_text("utf-8") for path in CORPUS), BODY, "x" * 150, "私は猫である。" * 9]
)
def test_karaoke_is_the_subtitles_with_times(text: str, tmp_path: Path) -> None:
    """Without their times the cues are those of the plain file; each time is where its word starts."""
    with SubtitleFiles(tmp_path) as files:
        words = list(spoken(text))
        for word in words:
            files.write_word(word)
        for cue in Layout().cues(words):
            files.write_cue(cue)
    write_karaoke(tmp_path / "a.vtt", files.paths[WORDS], reading_speed=20.0)
    karaoke = (tmp_path / "a.vtt").read_text(encoding="utf-8")

    plain = files.paths[VTT].read_text(encoding="utf-8")
    # words.json has times in milliseconds, from which the layout starts anew.
    assert cue_times(karaoke) == [pytest.approx(times, abs=0.002) for times in cue_times(plain)]
    untimed = re.sub(r"<[\d:.]+>", "", karaoke)
    assert texts(untimed) == texts(plain.replace("\u2060", ""))
    starts = {round(word["start"], 3) for word in json.loads(files.paths[WORDS].read_text())["words"]}
    times = [seconds(time) for time in re.findall(r"<([\d:.]+)>", karaoke)]
    assert times == sorted(times)
    assert set(times) <= starts
    assert len(times) >= len(starts) - 2 * len(cue_times(plain))


def seconds(time: str) -> float:
    """Return a time of WebVTT in seconds."""
    hours, minutes, secs = time.split(":")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(secs), 3)


def cue_times(subtitles: str) -> list[tuple[float, float]]:
    """Return the start and end of each cue."""
    found = re.findall(r"^([\d:.]+) --> ([\d:.]+)$", subtitles, re.MULTILINE)
    return [(seconds(start), seconds(end)) for start, end in found]


def texts(subtitles: str) -> list[str]:
    """Return the lines that are shown, without numbers and times of cues."""
    return [line for line in subtitles.splitlines() if not re.fullmatch(r"\d*|[\d:.]+ --> [\d:.]+", line)]
