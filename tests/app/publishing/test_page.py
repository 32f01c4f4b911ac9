"""The page to listen and read along holds every word once, with its time, and no text of it is active."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from app.media import AUDIO, MP3, WORDS
from app.publishing.page import PlayedAudio, request_of, story_page, title_of
from app.subtitles.formats import SubtitleFiles
from app.text.readers.base import StoryText
from app.text.readers.files import GENERATOR
from tests.reading_rules import CORPUS, spoken

HOSTILE = (
    'A </script><script>alert(1)</script> & "b" <!-- title --> &amp; /* script */ <img src=x onerror=y>'
    "\n\nEnd."
)
VERSE = "The Owl\n\nThe owl and the pussy-cat went\nto sea\nin a beautiful\npea-green boat.\n\nAnd so on."


@dataclass
class Parsed(HTMLParser):
    """What a page holds, read by the parser of the standard library."""

    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    sources: list[tuple[str | None, str | None]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """The content of each element without children, by tag and id."""
    policy: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "source":
            self.sources.append((values["src"], values["type"]))
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(values["content"])
        if tag not in {"meta", "source", "br", "input", "path"}:
            self._open.append(f"{tag}#{values['id']}" if "id" in values else tag)
        if self._open[-2:] == ["span", "span"]:
            self.words.append("")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of an element."""
        if tag != "path":
            assert self._open.pop().partition("#")[0] == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.texts[self._open[-1] if self._open else ""] = data
        if self._open[-2:] == ["span", "span"]:
            self.words[-1] += data


def made(text: str, folder: Path, *, source: bool = True, kinds: Any = (AUDIO,)) -> tuple[str, Parsed]:
    """Return the page of a text, and what it holds."""
    with SubtitleFiles(folder) as files:
        for word in spoken(text):
            files.write_word(word)
    audio = [PlayedAudio(f"a tale{kind.suffix}", kind.content_type) for kind in kinds]
    story = StoryText(text=text) if source else None
    page = story_page(files.paths[WORDS], audio, folder, stem="a tale", language="en-gb", source=story)
    html = page.read_text(encoding="utf-8")
    parsed = Parsed()
    parsed.feed(html)
    return html, parsed


@pytest.mark.parametrize("text", [*(path.read_text("utf-8") for path in CORPUS[:3]), HOSTILE, VERSE])
def test_every_word_is_there_once_with_its_time(text: str, tmp_path: Path) -> None:
    """The page's words are the story's, in order; each has its start in milliseconds."""
    _, page = made(text, tmp_path)
    words = list(spoken(text))
    times = json.loads(page.texts["script#times"])

    assert page.words == [" ".join(word.text.split()) for word in words]
    assert times["starts"] == [round(word.start_secs * 1000) for word in words]
    ends = [number for number, word in enumerate(words, start=1) if word.boundary]
    assert times["sentences"] == [0, *ends[:-1]]


def test_the_text_of_a_story_is_not_active(tmp_path: Path) -> None:
    """Markup of a story is shown as text, and the page runs its own script only, by its hash."""
    html, page = made(HOSTILE, tmp_path)

    assert (page.tags.count("script"), page.tags.count("img")) == (2, 0)
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy


def test_the_page_needs_nothing_but_its_audio(tmp_path: Path) -> None:
    """It refers to nothing else, and names each audio file with its type, the first format first."""
    html, page = made("One. Two.", tmp_path, kinds=(MP3, AUDIO))

    assert page.sources == [("a%20tale.mp3", "audio/mpeg"), ("a%20tale.wav", "audio/wav")]
    assert re.findall(r"""(?:src|href)=["']?([^"'> ]+)""", html) == [
        "#player",
        "a%20tale.mp3",
        "a%20tale.wav",
    ]
    assert re.findall(r"https?://|url\(|@import", html) == []


def test_headings_and_lines_of_verse_are_kept(tmp_path: Path) -> None:
    """A heading is one, and the lines of a verse are lines; without the source text they run on."""
    _, page = made(VERSE, tmp_path)
    assert (page.tags.count("h1"), page.tags.count("p"), page.tags.count("br")) == (1, 3, 3)

    _, without = made(VERSE, tmp_path, source=False)
    assert (without.tags.count("h1"), without.tags.count("p"), without.tags.count("br")) == (1, 3, 0)
    assert without.words == page.words


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("\n\n# The  Owl\n\nIt was dark.", "The Owl"),
        ("It was dark.\n\nVery.", "My dark tale"),
        ("", "My dark tale"),
    ],
)
def test_a_page_has_a_title(text: str, title: str) -> None:
    """It is the story's own, else the name of its file."""
    assert title_of(text, stem="my-dark_tale") == title


@pytest.mark.parametrize(
    ("title", "headings"),
    [
        ("Two Tales", ["h1", "h2"]),
        ("the  fox", ["h1"]),
        ("My library: The Fox", ["h1"]),
        ("Bathe Foxes", ["h1", "h2"]),
        ("", ["h1"]),
    ],
)
def test_a_books_title_is_above_its_first_chapter(title: str, headings: list[str], tmp_path: Path) -> None:
    """The title of the file is shown, unless the text begins with it."""
    text = "The Fox\n\nIt was dark."
    with SubtitleFiles(tmp_path) as files:
        for word in spoken(text):
            files.write_word(word)
    story = StoryText(text=text, title=title)
    page = story_page(files.paths[WORDS], [], tmp_path, stem="fox", language="en", source=story)
    parsed = Parsed()
    parsed.feed(page.read_text(encoding="utf-8"))
    assert [tag for tag in parsed.tags if tag in {"h1", "h2"}] == headings


def test_chapters_are_listed(tmp_path: Path) -> None:
    """A story with chapters has a list of them, escaped, each with its time; others have none."""
    body = "It was dark. " * 9
    html, page = made(f"Chapter I. <A>\n\n{body}\n\nChapter II.\n\n{body}", tmp_path)
    assert page.tags.count("nav") == 1
    listed = re.findall(r'data-start="([0-9.]+)">(.*?)<', html)
    assert [title for _, title in listed] == ["Chapter I. &lt;A&gt;", "Chapter II."]
    assert float(listed[0][0]) == 0.0 < float(listed[1][0])

    assert made("It was dark.", tmp_path)[1].tags.count("nav") == 0


def test_a_page_is_known_as_ours(tmp_path: Path) -> None:
    """Its head names the generator, by which folders leave it out, and the request that it answers."""
    html, _ = made("It was dark.", tmp_path)
    assert GENERATOR.decode() in html[:1024]
    page = tmp_path / "a tale.html"
    assert request_of(page) == ""
    page.write_text(html.replace('story-tts-request" content="', 'story-tts-request" content="a digest'))
    assert request_of(page) == "a digest"
    assert request_of(tmp_path / "absent.html") == ""
