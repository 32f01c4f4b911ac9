"""The check that every test's workers are held against: it sees what it is for, and only that."""

import json

import pytest

from tests import logs

STORY = "The wizened caretaker hummed, softly, to her one-eyed tortoise."


@pytest.mark.parametrize(
    ("line", "leak"),
    [
        ('{"event": "cannot speak", "chunk": "hummed, softly, to her"}', "hummed softly to"),
        ("error: THE WIZENED\\ncaretaker", "the wizened"),
        (f"botocore: key {logs.SECRET}", logs.SECRET),
        ("Authorization: AWS4-HMAC-SHA256 Credential=local/", "AWS4-HMAC-SHA256"),
    ],
)
def test_a_storys_words_and_a_secret_are_seen(line: str, leak: str) -> None:
    """However a log spells them: in JSON, in capitals, across a line's end, in the middle of a line."""
    logs.remember(json.dumps({"text": STORY, "parent_id": "story-1"}))
    assert any(leak in seen for seen in logs.leaks(line))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "job claimed", "characters": 64, "job": "story-1/tts"}',
        "the voice is not one of the engine's",
        "hummed caretaker",
    ],
)
def test_what_a_log_is_for_is_no_leak(line: str) -> None:
    """Ids, counts, names of fields, and words that a story happens to hold too."""
    logs.remember(json.dumps({"text": STORY, "parent_id": "story-1"}))
    logs.remember("no job at all")
    logs.remember("[" * 100_000)
    assert logs.leaks(line) == []
