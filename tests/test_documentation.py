"""What the README says is so: its commands, its settings, its make targets."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

from app.cli.app import app
from app.settings import variables

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
COMMAND_LINE = re.compile(r"story-tts ([a-z][a-z-]*(?: [^`\n|]*)?)")


def commands(group: Any = None, prefix: str = "") -> dict[str, Any]:
    """Return every command by its words, groups opened."""
    found: dict[str, Any] = {}
    listing: Any = group or typer.main.get_command(app)
    for name, command in listing.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command
    return found


def code_of(document: Path) -> str:
    """Return what a document shows as code, in blocks and in lines."""
    text = document.read_text()
    return "\n".join(re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"`[^`\n]+`", text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_exists_with_its_options(document: Path) -> None:
    """A command that a document shows is one, and takes the options that are shown."""
    known = commands()
    for shown in COMMAND_LINE.findall(code_of(document)):
        words = shown.split()
        name = next(
            (known_name for known_name in known if words[: known_name.count(" ") + 1] == known_name.split()),
            "",
        )
        assert name, f"{document.name} shows `story-tts {shown}`, which is no command"
        options = {
            option for parameter in known[name].params for option in parameter.opts + parameter.secondary_opts
        }
        for word in words:
            if word.startswith("-") and word != "-":
                assert word.split("=")[0] in options | {"--help"}, f"`story-tts {name}` has no option {word}"


def test_every_command_is_in_the_readme() -> None:
    """Nobody has to find a command by chance."""
    readme = (ROOT / "README.md").read_text()
    missing = [name for name in commands() if f"story-tts {name}" not in readme]

    assert missing == []


def test_the_table_of_variables_is_the_workers() -> None:
    """The README's table names exactly the worker's variables, with meanings and defaults."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )

    assert {name: (meaning, default) for name, meaning, default in rows} == variables()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_in_a_document_exists(document: Path) -> None:
    """A make target that a document shows can be made."""
    shown = set(re.findall(r"\bmake ([a-z][a-z-]*)", code_of(document)))
    database = subprocess.run(
        ["make", "-pnq", "help"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    targets = set(re.findall(r"^([a-z][a-z-]*):", database, re.MULTILINE))

    assert shown <= targets


def test_links_within_the_repository_lead_somewhere() -> None:
    """No document points to a file that is not there."""
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
