"""Draws docs/images/speak.svg, the terminal in the README, from what the commands really print."""

import os
import re
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "docs" / "images" / "speak.svg"
STORY = ROOT / "tests" / "data" / "passages" / "gettysburg-address.txt"
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


def main() -> None:
    """Run the commands on a passage that the tests use, and write the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / STORY.name).write_bytes(STORY.read_bytes())
        IMAGE.parent.mkdir(parents=True, exist_ok=True)
        IMAGE.write_text(draw(session(folder)))


if __name__ == "__main__":
    main()
