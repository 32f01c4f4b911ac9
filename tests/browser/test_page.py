"""The page to listen and read along, in a real browser: it plays, marks the word that is heard, and seeks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tools.chromium import Tab, chromium

pytestmark = pytest.mark.browser

STORY = """The Fox

It was a dark night. “Go on,” said the fox & the <b>owl</b>.

<script>document.title = "owned"</script> And on it went, over the hill and into the wood,
where nobody had been before. They slept there.
"""
AUDIO = "document.getElementById('audio')"
MARKED = "[...document.querySelectorAll('.word')].map(word => word.textContent)"


@dataclass(frozen=True)
class Narrated:
    """A page, and the words that it should mark."""

    page: Path
    words: list[dict[str, Any]]


@pytest.fixture(scope="module")
def narrated(tmp_path_factory: pytest.TempPathFactory) -> Narrated:
    """Narrate the story; its name needs escapes in an address."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "a fox? 100%.txt").write_text(STORY, encoding="utf-8")
    command = [sys.executable, "-m", "app", "speak", str(folder / "a fox? 100%.txt"), "-o", str(folder)]
    subprocess.run([*command, "--format", "mp3"], check=True, capture_output=True)
    words = json.loads((folder / "a fox? 100%.words.json").read_text(encoding="utf-8"))["words"]
    return Narrated(folder / "a fox? 100%.html", words)


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    """One browser for all tests."""
    with chromium() as tab:
        yield tab


@pytest.fixture
def tab(browser: Tab, narrated: Narrated) -> Tab:
    """The page, freshly opened, with its audio loaded and at the start."""
    browser.console.clear()
    browser.scheme("light")
    browser.open(narrated.page)
    browser.until(f"{AUDIO}.readyState >= 3")
    seek(browser, 0)
    return browser


def middle(word: dict[str, Any]) -> float:
    """Return a moment at which a word is heard."""
    return float((word["start"] + word["end"]) / 2)


def seek(tab: Tab, secs: float) -> None:
    """Go to a moment by the audio element, as its own controls do."""
    tab.run(f"void ({AUDIO}.currentTime = {secs})")
    tab.until(f"!{AUDIO}.seeking && !!document.querySelector('.word')")


def test_the_word_that_is_heard_is_marked(tab: Tab, narrated: Narrated) -> None:
    """At five moments exactly one word is marked, the one that words.json has for it, in its sentence."""
    words = narrated.words
    for number in (0, 3, len(words) // 2, len(words) - 4, len(words) - 1):
        seek(tab, middle(words[number]))
        assert tab.run(MARKED) == [words[number]["text"]]
        assert tab.run("document.querySelector('.sentence').textContent").split().count(words[number]["text"])


def test_it_plays_and_the_mark_moves(tab: Tab, narrated: Narrated) -> None:
    """The space bar plays and pauses; in every frame the marked word is the one at the audio's position."""
    tab.press(" ", code=32, text=" ")
    for number in (1, 4, 6):
        start = narrated.words[number]["start"]
        time, marked = tab.until(f"{AUDIO}.currentTime > {start} && [{AUDIO}.currentTime, {MARKED}]")
        heard = [word["text"] for word in narrated.words if word["start"] <= time + 0.05]
        # The mark is as old as the last frame.
        assert marked[0] in heard[-2:]
    tab.press(" ", code=32, text=" ")
    assert tab.run(f"{AUDIO}.paused")


def test_a_click_on_a_word_goes_there(tab: Tab, narrated: Narrated) -> None:
    """The audio goes to the start of the clicked word, which is marked at once."""
    tab.click("#text p:last-of-type > span:last-child > span")
    word = narrated.words[-3]
    assert word["text"] == "They"
    assert tab.until(f"!{AUDIO}.seeking && {AUDIO}.currentTime") == pytest.approx(word["start"], abs=0.001)
    assert tab.run(MARKED) == ["They"]


def test_a_chapter_of_the_contents_goes_there(browser: Tab, tmp_path: Path) -> None:
    """The list of chapters leads to the first word of each."""
    body = "It was dark, and the fox went out to pray to the moon for light."
    (tmp_path / "a.txt").write_text(f"I\n\n{body}\n\nII\n\n{body}", encoding="utf-8")
    command = [sys.executable, "-m", "app", "speak", str(tmp_path / "a.txt"), "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    browser.open(tmp_path / "a.html")
    browser.until(f"{AUDIO}.readyState >= 3")
    browser.click("summary")
    browser.click("nav li:last-child button")
    assert browser.until(f"!{AUDIO}.seeking && {MARKED}") == ["II"]
    browser.click("nav li:first-child button")
    assert browser.until(f"!{AUDIO}.seeking && {MARKED}") == ["I"]


def test_arrows_go_by_sentences(tab: Tab) -> None:
    """Right goes to the next sentence, left back to the one before."""
    sentences = []
    for key, code in (("ArrowRight", 39), ("ArrowRight", 39), ("ArrowLeft", 37)):
        tab.press(key, code=code)
        sentences += tab.until(f"!{AUDIO}.seeking && {MARKED}")
    assert sentences == ["It", "“Go", "It"]


def test_the_position_is_kept(tab: Tab, narrated: Narrated) -> None:
    """A page that is opened again goes on where it was paused."""
    tab.press(" ", code=32, text=" ")
    tab.until(f"{AUDIO}.currentTime > 0.3")
    tab.press(" ", code=32, text=" ")
    position = tab.until(f"{AUDIO}.paused && {AUDIO}.currentTime")
    tab.open(narrated.page)
    assert tab.until(f"{AUDIO}.readyState >= 3 && {AUDIO}.currentTime") == pytest.approx(position, abs=0.01)


def test_a_storys_markup_is_text(tab: Tab) -> None:
    """Nothing in a story is active, and the page's security policy has nothing to complain about."""
    assert tab.run("document.title") == "The Fox"
    assert "owned" in tab.run("document.getElementById('text').textContent")
    assert tab.run("document.querySelector('#text script, #text b')") is None
    assert tab.console == []


def test_foreign_scripts_are_blocked(tab: Tab) -> None:
    """The policy blocks any script but the page's own, should one ever get in."""
    tab.run(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'document.title = 1'}))"
    )
    assert tab.run("document.title") == "The Fox"


def test_missing_audio_is_explained(tab: Tab, narrated: Narrated, tmp_path: Path) -> None:
    """Without the audio beside it, the page says which file is missing."""
    alone = tmp_path / "alone.html"
    alone.write_bytes(narrated.page.read_bytes())
    tab.open(alone)
    assert "a fox? 100%.mp3" in tab.until("!problem.hidden && problem.textContent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(tab: Tab, scheme: Any) -> None:
    """Every pair of colours has a contrast of 4.5 at least (WCAG 2.2, 1.4.3), in both colour schemes."""
    tab.scheme(scheme)
    colours = tab.run(
        "Object.fromEntries(['paper', 'ink', 'soft', 'word', 'word-ink', 'sentence', 'accent'].map(name => "
        "[name, getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()]))"
    )
    pairs = [
        ("ink", "paper"),
        ("soft", "paper"),
        ("word-ink", "word"),
        ("ink", "sentence"),
        ("paper", "accent"),
    ]
    assert [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5] == []


def test_everything_has_a_name(tab: Tab) -> None:
    """Every control has a name in the accessibility tree."""
    tree = tab.command("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "slider", "combobox", "checkbox", "link"}
    controls = [node for node in tree if node["role"]["value"] in roles and not node["ignored"]]
    assert len(controls) == 7
    assert [node for node in controls if not node["name"]["value"]] == []


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours such as #fbf9f4 (WCAG 2.2, contrast ratio)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
