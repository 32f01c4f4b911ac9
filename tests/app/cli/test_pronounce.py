"""`story-tts pronounce`: what is said for a text, word by word, without any network."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.app import app
from app.errors import ConfigurationError
from tests.models import HAS_SPEECH

ENGINES = ["espeak", *([pytest.param("kokoro", marks=pytest.mark.speech)] if HAS_SPEECH else [])]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each engine; the models folder of Kokoro is the tests' own."""
    if request.param == "kokoro":
        monkeypatch.setenv("MODELS_DIR", str(request.getfixturevalue("models").folder))
    return str(request.param)


def run(*arguments: object, text: str | None = None) -> str:
    """Return what the command prints."""
    result = CliRunner().invoke(app, ["pronounce", *map(str, arguments)], input=text)
    if result.exception:
        raise result.exception
    return result.stdout


def test_each_word_has_its_place_and_phonemes(engine: str) -> None:
    """Words are in order, with source spans, what is said for them, and phonemes."""
    text = "Dr. Hale paid $5."
    said = json.loads(run(text, "--engine", engine, "--json"))
    assert said["spoken"] == "Doctor Hale paid five dollars."
    assert [word["spoken"].rstrip(".") for word in said["words"]] == [
        "Doctor",
        "Hale",
        "paid",
        "five dollars",
    ]
    assert [text[word["start"] : word["end"]] for word in said["words"]] == [w["text"] for w in said["words"]]
    assert all(word["phonemes"] for word in said["words"])


def test_each_line_is_an_object_of_its_own(engine: str) -> None:
    """With --lines --json, one line of JSON per line of input, empty ones too."""
    lines = run("-", "--engine", engine, "--lines", "--json", text="One lamp.\n\n2 1/2 eggs\n").splitlines()
    assert [json.loads(line)["spoken"] for line in lines] == ["One lamp.", "", "two and a half eggs"]


def test_written_and_spoken_form_have_the_same_phonemes(engine: str) -> None:
    """The phonemes are those of the spoken form."""
    written, spoken = (
        json.loads(line)["phonemes"]
        for line in run(
            "-", "--engine", engine, "--lines", "--json", text="at 9:30\nat nine thirty\n"
        ).splitlines()
    )
    assert written == spoken != ""


def test_a_lexicon_is_used(engine: str, tmp_path: Path) -> None:
    """The phonemes of an entry are those of its word."""
    path = tmp_path / "lexicon.json"
    path.write_text('{"Tolkien": "tˈOlkin"}', encoding="utf-8")
    said = json.loads(run("By Tolkien.", "--engine", engine, "--json", "--lexicon", path))
    assert said["words"][1]["phonemes"] == "tˈOlkin"


def test_a_wrong_lexicon_is_refused(tmp_path: Path) -> None:
    """Before anything is said, the entry at fault is named."""
    path = tmp_path / "lexicon.json"
    path.write_text('{"Tolkien": "/t§/"}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="Tolkien"):
        run("By Tolkien.", "--lexicon", path)


def test_a_table_is_printed_for_people() -> None:
    """Without --json, the spoken form comes first and a table of the words last."""
    lines = run("It cost $5.").splitlines()
    assert lines[0] == "It cost five dollars."
    assert "five dollars" in lines[-1]
