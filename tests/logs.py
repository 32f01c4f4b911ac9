"""
What no log may hold: the text of a story, and the secrets that a worker is given.

Every message of a test run is remembered, and every worker's log is checked when the worker has ended; a
fixture of tests/conftest.py fails the test that a leak belongs to.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

SECRET = "test-secret-a3f1c5e7"
TOKEN = "test-token-9b2d4e60"
"""The secret access key and the session token of every worker."""
# A signed request holds neither, but who logs one logs its headers.
_SECRETS = (SECRET, TOKEN, "AWS4-HMAC-SHA256", "X-Amz-Security-Token")
_ESCAPED_SPACE = re.compile(r"\\[nrt]")
_Phrase = tuple[str, ...]
_stories: set[_Phrase] = set()
found: list[str] = []
"""The leaks of this test so far."""


def remember(body: str) -> None:
    """Remember the story that a message holds, if it is a job, by every three words in a row."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(fields, dict) and isinstance(text := fields.get("text"), str):
        _stories.update(_phrases(text))


def check(*logs: Path) -> None:
    """Note what the logs of a worker hold and may not."""
    found.extend(f"{path.name} holds {leak!r}" for path in logs for leak in leaks(path.read_text()))


def leaks(log: str) -> list[str]:
    """Return the secrets and the words of stories in a log."""
    secrets = [secret for secret in _SECRETS if secret in log]
    return secrets + sorted({" ".join(phrase) for phrase in _phrases(log) if phrase in _stories})


def _phrases(text: str) -> Iterator[_Phrase]:
    words = re.findall(r"\w+", _ESCAPED_SPACE.sub(" ", text).lower())
    return zip(words, words[1:], words[2:], strict=False)
