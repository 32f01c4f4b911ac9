"""What the README says is so: its commands, its settings, its make targets."""

import ast
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from tests.stack.settings import rows

from app.cli.app import app
from app.settings import variables
from stack.config import read_settings
from tests.tree import ROOT

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


def test_the_table_of_settings_is_the_stacks() -> None:
    """The README's table has every setting, with type, default and meaning, in the schema's order."""
    found = re.findall(
        r"^\| `([a-z_.]+)` \| (.+?) \| (none|`.*?`) \| (.+?) \|$",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    assert [(key, tuple(row)) for key, *row in found] == list(rows().items())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_settings_that_a_document_shows_are_taken(document: Path) -> None:
    """YAML to copy is valid as it stands, and a key that a command sets exists."""
    for block in re.findall(r"```yaml\n(.*?)```", document.read_text(), re.DOTALL):
        values: dict[str, object] = (yaml.safe_load(block) or {}).get("config", {})
        raw = {
            key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in values.items()
        }
        read_settings(raw, stack=document.name)
    shown = set(re.findall(r"--path '?story-tts:([a-z_.]+)", document.read_text()))
    assert shown - set(rows()) == set()


def test_every_setting_that_the_operators_page_names_exists() -> None:
    """`scaling.max_tasks` in a sentence is a setting too."""
    text = (ROOT / "docs" / "operations.md").read_text()
    groups = {path.split(".")[0] for path in rows() if "." in path}
    named = {path for path in re.findall(r"`([a-z_]+\.[a-z_]+)[:`]", text) if path.split(".")[0] in groups}
    assert named - set(rows()) == set()
    assert len(named) > len(groups)


def test_the_cost_table_is_what_its_formulas_give() -> None:
    """Whoever puts in other prices gets other figures by the same formulas."""
    text = (ROOT / "docs" / "operations.md").read_text()
    prices = {
        name: float(price)
        for name, price in re.findall(r"^\| `(\w+)` \| .+ \| ([\d.]+) \|$", text, re.MULTILINE)
    }
    costs = re.findall(r"^\| .+ \| `([^`]+)` \| ([\d.]+) \|$", text, re.MULTILINE)
    assert [f"{worth(formula, prices):.2f}" for formula, _ in costs] == [cost for _, cost in costs]
    assert len(costs) == 8


def worth(formula: str, prices: Mapping[str, float]) -> float:
    """The value of a formula of sums and products over names and numbers."""

    def of(node: ast.expr) -> float:
        match node:
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return of(left) + of(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return of(left) * of(right)
            case ast.Name(id=name):
                return prices[name]
            case ast.Constant(value=int() | float() as number):
                return float(number)
        raise AssertionError(ast.dump(node))

    return of(ast.parse(formula.replace("×", "*"), mode="eval").body)


OPERATORS = {
    "preview", "up", "destroy", "build", "push", "deploy", "rollback", "info", "logs", "lint", "outputs",
    "environment",
}  # fmt: skip


def test_every_operators_target_is_in_the_readme() -> None:
    """Nobody has to find a target by chance either."""
    readme = (ROOT / "README.md").read_text()
    assert {name for name in OPERATORS if f"make {name}" not in readme} == set()


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


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_that_a_document_shows_is_there(document: Path) -> None:
    """A file or folder of the tree that a document names is found under that name; NAME stands for any."""
    folders = "|".join(sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name.isalpha()))
    shown = set(re.findall(rf"(?<![\w./-])((?:{folders})/[\w./*-]*[\w*/])", code_of(document)))

    missing = [
        path
        for path in sorted(shown)
        if "NAME" not in path and not path.startswith("out/") and not list(ROOT.glob(path))
    ]
    assert missing == []
