"""What a step hands to the rest of its workflow run; outside GitHub Actions it is printed."""

import os
from pathlib import Path

_DELIMITER = "STORY_TTS_END_OF_VALUE"


def set_output(name: str, value: str) -> None:
    """Set an output of the running step."""
    _append("GITHUB_OUTPUT", f"{name}<<{_DELIMITER}\n{value}\n{_DELIMITER}\n")


def add_summary(markdown: str) -> None:
    """Add Markdown to the summary page of the workflow run."""
    _append("GITHUB_STEP_SUMMARY", f"{markdown}\n\n")


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if not file:
        print(text)
        return
    with Path(file).open("a", encoding="utf-8") as stream:
        stream.write(text)
