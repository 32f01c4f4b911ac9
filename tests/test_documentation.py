"""Documents do not promise what is not there: commands, targets, settings, paths, links, figures."""

import ast
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from app.message import MessageParser
from stack.config import read_settings
from tests.tree import ROOT
from tools import reference
from tools.stack_settings import rows

DOCUMENTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
}
FOLDERS = "|".join(sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name.isalpha()))


def code(text: str) -> str:
    """Return what a document shows as code, in blocks and in lines."""
    return "\n".join(re.findall(r"```.*?```", text, re.DOTALL) + re.findall(r"`[^`\n]+`", text))


def shown(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield document and match of every match of `pattern` in code."""
    for name, text in DOCUMENTS.items():
        yield from ((name, match) for match in re.findall(pattern, code(text)))


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield document and text of every code block in `language`."""
    for name, text in DOCUMENTS.items():
        yield from ((name, block) for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))


def test_commands_exist_with_their_options() -> None:
    """A `story-tts` command that a document shows exists, and takes the options shown with it."""
    known = reference.commands()
    faults = []
    for document, line in shown(r"story-tts ([a-z][a-z-]*(?: [^`\n|]*)?)"):
        words = line.split("#")[0].split()
        name = next((name for name in known if words[: len(name.split())] == name.split()), None)
        if name is None:
            faults.append(f"{document}: {line}")
            continue
        options = {
            option for parameter in known[name].params for option in parameter.opts + parameter.secondary_opts
        }
        given = {word.split("=")[0] for word in words if word.startswith("--") and word != "--help"}
        faults += [f"{document}: story-tts {name} {option}" for option in given - options]
    assert faults == []


def test_make_targets_exist() -> None:
    """A make target that a document shows can be made."""
    database = subprocess.run(
        ["make", "-pnq", "help"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    targets = set(re.findall(r"^([a-z][a-z-]*):", database, re.MULTILINE))

    assert [
        (document, target) for document, target in shown(r"\bmake ([a-z][a-z-]*)") if target not in targets
    ] == []


def test_stack_settings_are_accepted() -> None:
    """YAML to copy is accepted as it stands; a setting that is named in a sentence or a command exists."""
    for document, block in blocks("yaml"):
        values: dict[str, object] = (yaml.safe_load(block) or {}).get("config", {})
        raw = {
            key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in values.items()
        }
        read_settings(raw, stack=document)
    groups = "|".join({path.split(".")[0] for path in rows() if "." in path})
    named = {(document, path) for document, path in shown(rf"(?<![\w./])((?:{groups})\.[a-z_]+)(?![\w./(])")}
    assert sorted((document, path) for document, path in named if path not in rows()) == []


def test_messages_are_accepted() -> None:
    """A message that a document shows is a job to the worker."""
    parser = MessageParser(output_bucket="bucket", default_voice="af_heart", voices={"af_heart"})
    messages = [block for _, block in blocks("json") if '"parent_id"' in block or '"audio_out"' in block]

    assert len([parser.job(message) for message in messages]) == len(messages) > 2


def test_links_lead_somewhere() -> None:
    """A link between documents names a file, and a heading that the file has."""
    faults = []
    for name, text in DOCUMENTS.items():
        for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", text):
            path, _, anchor = target.partition("#")
            file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            if not file.exists() or (anchor and anchor not in anchors(file)):
                faults.append((name, target))
    assert faults == []


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_paths_and_tests_exist() -> None:
    """A file or a test of this project that a document names is there; NAME stands for any name."""
    faults = [
        (document, path)
        for document, path in shown(rf"(?<![\w./-])((?:{FOLDERS})/[\w./*-]*[\w*/])")
        if "NAME" not in path and not path.startswith("out/") and not list(ROOT.glob(path))
    ]
    for document, test in shown(r"`(tests/[\w/]+\.py::\w+)`"):
        path, _, name = test.partition("::")
        if not (ROOT / path).is_file() or f"def {name}(" not in (ROOT / path).read_text():
            faults.append((document, test))
    assert faults == []


def test_every_threat_names_what_holds_its_defence() -> None:
    """No row of the threat model's tables of defences goes without a file or a test."""
    text = DOCUMENTS["docs/explanation/threat-model.md"]
    tables = re.findall(r"\|[^\n]*kept by \|\n\|[-|]+\|\n((?:\|.*\n)+)", text)
    threats = [row for table in tables for row in table.splitlines()]

    assert len(threats) > 20
    assert [row for row in threats if not re.search(rf"`({FOLDERS})/[^`]+`[^|]*\|$", row)] == []


def test_cost_formulas_give_the_figures() -> None:
    """The figures of the cost table follow from its formulas and its prices."""
    text = DOCUMENTS["docs/reference/cost.md"]
    prices = {
        name: float(price)
        for name, price in re.findall(r"^\| `(\w+)` \| .+ \| ([\d.]+) \|$", text, re.MULTILINE)
    }
    costs = re.findall(r"^\| .+ \| `([^`]+)` \| ([\d.]+) \|$", text, re.MULTILINE)

    assert len(costs) > 5
    assert [f"{value_of(formula, prices):.2f}" for formula, _ in costs] == [cost for _, cost in costs]


def value_of(formula: str, prices: Mapping[str, float]) -> float:
    """Return the value of a formula of sums and products over names and numbers."""

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


def test_a_first_deployment_can_be_followed() -> None:
    """What it costs, the passphrase, the state's bucket and an own platform come before `make up`."""
    guide = "docs/guides/first-deployment.md"
    before = {name: DOCUMENTS[name].partition("$ make up\n")[0] for name in ("README.md", guide)}
    for text in before.values():
        assert "reference/cost.md)" in text
        assert "$ export PULUMI_CONFIG_PASSPHRASE=" in text
        assert re.search(r"\$ aws s3api create-bucket .*--region us-east-1", text)
        assert re.search(r"story_infra.source own|source: own", text)
    assert "LocationConstraint=" in code(before[guide])


def test_a_stack_can_be_unlocked() -> None:
    """After a killed run the pages that a reader looks at have the command that removes the lock."""
    for name in ("first-deployment", "operate", "troubleshoot"):
        assert "pulumi cancel --stack" in code(DOCUMENTS[f"docs/guides/{name}.md"])


def test_the_readme_is_short() -> None:
    """The README shows the way in; everything else is in docs."""
    assert len(DOCUMENTS["README.md"].splitlines()) < 170


def test_a_stale_reference_page_is_reported(tmp_path: Path) -> None:
    """`make docs-check` names a page that differs from the code."""
    reference.write(tmp_path)
    assert reference.stale(tmp_path) == []

    (tmp_path / "commands.md").write_text("old")
    assert reference.stale(tmp_path) == ["commands.md"]
