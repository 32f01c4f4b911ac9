"""A lexicon is validated before anything is said, and its words are said as it has them."""

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.pronunciations import MAX_ENTRIES, phonemes_of
from app.text.lexicon import Lexicon
from app.text.lexicon_files import read_lexicon, read_lexicons
from app.text.spoken.form import spoken_form

GIVEN = {"Tolkien": "tˈOlkin", "Siobhan": "shi-vawn", "Mount Doom": "/mˈaʊnt dˈuːm/", "lead": "led"}


def said(text: str, entries: dict[str, str]) -> list[tuple[str, str]]:
    """Return (text, phonemes) of the replacements."""
    form = spoken_form(text, language="en-us", lexicon=Lexicon.from_mapping(entries))
    return [(each.text, each.phonemes) for each in form.replacements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Siobhan sang", [("shi vawn", "")]),
        ("SIOBHAN’S song", [("shi vawn", "")]),
        ("By Tolkien.", [("Tolkien", "tˈOlkin")]),
        ("Tolkien's map", [("Tolkien's", "tˈOlkinz")]),
        ("on mount Doom", [("mount Doom", "mˈWnt dˈuːm")]),
        ("the lead pipe", [("led", "")]),
        ("a leader", []),
    ],
)
def test_words_are_said_as_given(text: str, expected: list[tuple[str, str]]) -> None:
    """Whole words and phrases are replaced in any case, a possessive included; parts of words are not."""
    assert expected == said(text, GIVEN)


@pytest.mark.parametrize(
    ("pronunciation", "expected"),
    [
        ("tˈOlkin", "tˈOlkin"),
        ("/ˈtoʊlkiːn/", "ˈtOlkiːn"),
        ("/tʃɚtʃ/", "ʧəɹʧ"),
        ("/red/", "ɹed"),
        ("shi-vawn", None),
        ("led", None),
    ],
)
def test_ipa_becomes_the_phonemes_of_kokoro(pronunciation: str, expected: str | None) -> None:
    """IPA between slashes, or with signs that only IPA has, is told from a respelling."""
    assert expected == phonemes_of(pronunciation)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"Tolkien": "/tˈO7n/"}, "'Tolkien': character 5, '7', is not a phoneme"),
        ({"Tolkien": "tˈO§n"}, "'Tolkien': character 4"),
        ({"a\nb": "ab"}, "a word has"),
        ({"...": "dots"}, "with a letter among them"),
        ({"x" * 65: "x"}, "a word has 1 to 64"),
        ({"x": ""}, "a pronunciation has 1 to 128"),
        ({"x": "y" * 129}, "a pronunciation has 1 to 128"),
        ({"x": "4 times"}, "a respelling is words of letters"),
        ({"x": "[[h@]]"}, "a respelling is words of letters"),
        ({"x": "/ˈ/"}, "no phoneme"),
        ({f"word{chr(97 + i % 26)}{i}": "x" for i in range(MAX_ENTRIES + 1)}, "at most"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(entries: dict[str, str], message: str) -> None:
    """The error names the word, and the character that is no phoneme."""
    with pytest.raises(ConfigurationError) as raised:
        Lexicon.from_mapping(entries)
    assert message in raised.value.message


def test_a_json_file_is_read(tmp_path: Path) -> None:
    """A lexicon file is an object of words and pronunciations."""
    (tmp_path / "lexicon.json").write_text('{"Siobhan": "shi-vawn"}', encoding="utf-8")
    assert read_lexicon(tmp_path / "lexicon.json").entries == (("Siobhan", "shi-vawn"),)


PLS = """<?xml version="1.0"?>
<lexicon version="1.0" xmlns="http://www.w3.org/2005/01/pronunciation-lexicon" alphabet="ipa" xml:lang="en">
 <lexeme><grapheme>Tolkien</grapheme><phoneme>ˈtoʊlkiːn</phoneme></lexeme>
 <lexeme><grapheme>W3C</grapheme><alias>World Wide Web Consortium</alias></lexeme>
</lexicon>"""


def test_a_pls_file_is_read(tmp_path: Path) -> None:
    """Documents of the W3C Pronunciation Lexicon Specification: phonemes in IPA, and aliases."""
    (tmp_path / "lexicon.pls").write_text(PLS, encoding="utf-8")
    assert dict(read_lexicon(tmp_path / "lexicon.pls").entries) == {
        "Tolkien": "/ˈtoʊlkiːn/",
        "W3C": "World Wide Web Consortium",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "is an object"),
        ("not json", "neither a JSON object nor a PLS document"),
        ('{"x": 5}', "must be text"),
        ("<lexicon", "not well-formed XML"),
        ('<!DOCTYPE x [<!ENTITY a "aa">]><lexicon/>', "must not declare a DOCTYPE"),
        ("<lexicon/>", "has no lexeme"),
        ("[" * 100_000, "neither a JSON object nor a PLS document"),
        (PLS.replace('alphabet="ipa"', 'alphabet="x-sampa"'), "only the alphabet ipa"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    """The error names the file and what is wrong with it."""
    path = tmp_path / "lexicon"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read_lexicon(path)
    assert str(path) in raised.value.message
    assert message in raised.value.message


def test_later_entries_win() -> None:
    """The lexicon of a job is merged over that of its voice."""
    base = Lexicon.from_mapping({"lead": "led", "bass": "base"})
    merged = base.merged(Lexicon.from_mapping({"lead": "leed"}))
    assert dict(merged.entries) == {"lead": "leed", "bass": "base"}


def test_the_case_of_a_word_does_not_shield_it_from_the_job() -> None:
    """A word is the same in any case, so the later lexicon wins over "Lead" with "lead"."""
    merged = Lexicon.from_mapping({"Lead": "led"}).merged(Lexicon.from_mapping({"lead": "leed"}))
    form = spoken_form("lead", language="en-us", lexicon=merged)
    assert [each.text for each in form.replacements] == ["leed"]


def test_a_folder_has_lexicons_by_language(tmp_path: Path) -> None:
    """Entries for a variant win over those of its language; other languages and hidden files do not count."""
    for name, entries in {
        "en.json": '{"lead": "led", "bass": "base"}',
        "en-us.json": '{"lead": "leed"}',
        "fr.json": '{"lead": "lid"}',
        ".notes": "",
    }.items():
        (tmp_path / name).write_text(entries, encoding="utf-8")
    lexicons = read_lexicons(tmp_path, languages=["en-us", "en-gb", "fr-fr"])
    assert dict(lexicons.of("en-us").entries) == {"lead": "leed", "bass": "base"}
    assert dict(lexicons.of("en-gb").entries) == {"lead": "led", "bass": "base"}
    assert dict(lexicons.of("hi").entries) == {}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("en_us.json", "{}", "is named by a language of the voices"),
        ("en.txt", "{}", "is named by a language of the voices"),
        ("en.json", '{"x": "y!"}', "en.json: 'x': a respelling is words of letters"),
    ],
)
def test_a_wrong_folder_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    """A file that would have no effect is as wrong as one that is not valid."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_lexicons(tmp_path, languages=["en-us"])


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """The error names the folder."""
    with pytest.raises(ConfigurationError, match="absent: no such file"):
        read_lexicons(tmp_path / "absent", languages=["en-us"])
