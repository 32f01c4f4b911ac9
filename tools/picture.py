"""Draws the pictures of the documentation: the terminal, from what the commands print, and the page."""

import os
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tools.chromium import chromium

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
STORY = ROOT / "tests" / "data" / "passages" / "gettysburg-address.txt"
TALE = ROOT / "app" / "local" / "stories" / "the-story-of-an-hour.txt"
WIDTH, HEIGHT = 960, 600
MOMENT_SECS = 25.4
"""What is heard in the picture of the page."""
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
AUDIO = "document.getElementById('audio')"
COLUMNS = 80
COMMANDS = (
    "story-tts speak gettysburg-address.txt -o out --voice bf_emma",
    "head -8 out/gettysburg-address.srt",
    "head -6 out/gettysburg-address.words.json",
)


def session(folder: Path) -> Text:
    """Run the commands in `folder`, and return them with their output as a terminal would show it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1"}
    shown = Text()
    for command in COMMANDS:
        output = subprocess.run(
            command.split(), cwd=folder, env=environment, capture_output=True, text=True, check=True
        ).stdout
        shown.append("$ ", style="bright_green").append(f"{command}\n", style="bold")
        shown.append_text(Text.from_ansi(output.rstrip())).append("\n\n")
    shown.rstrip()
    return shown


def draw(shown: Text) -> str:
    """Return the session as SVG, without the web fonts that rich refers to: GitHub would block them."""
    console = Console(record=True, width=COLUMNS, file=StringIO())
    console.print(shown)
    svg = console.export_svg(title="story-tts", theme=MONOKAI, unique_id="story-tts")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def draw_page(folder: Path) -> None:
    """Narrate the shipped story, and take pictures of its page in both colour schemes."""
    story_tts = Path(sys.executable).with_name("story-tts")
    subprocess.run([story_tts, "speak", TALE, "-o", folder], check=True, capture_output=True)
    with chromium() as tab:
        tab.size(WIDTH, HEIGHT)
        for scheme in SCHEMES:
            tab.scheme(scheme)
            tab.open(folder / f"{TALE.stem}.html")
            tab.until(f"{AUDIO}.readyState >= 3")
            tab.run(f"void ({AUDIO}.currentTime = {MOMENT_SECS})")
            tab.until(f"!{AUDIO}.seeking && !!document.querySelector('.word')")
            (IMAGES / f"page-{scheme}.png").write_bytes(tab.picture())


def main() -> None:
    """Run the commands on stories that the repository has, and write the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / STORY.name).write_bytes(STORY.read_bytes())
        (IMAGES / "speak.svg").write_text(draw(session(folder)))
        draw_page(folder)


if __name__ == "__main__":
    main()
