"""What a running job hands on: outputs to other jobs, a summary to people."""

import os
from pathlib import Path

_DELIMITER = "STORY_TTS_END_OF_VALUE"


def set_output(name: str, value: str) -> None:
    """Hand a value to the jobs that need this one; on a machine of one's own it is printed."""
    _append("GITHUB_OUTPUT", f"{name}<<{_DELIMITER}\n{value}\n{_DELIMITER}\n")


def summarize(markdown: str) -> None:
    """Add to the page that shows the run; on a machine of one's own it is printed."""
    _append("GITHUB_STEP_SUMMARY", f"{markdown}\n\n")


def _append(variable: str, text: str) -> None:
    file = os.environ.get(variable)
    if not file:
        print(text)
        return
    with Path(file).open("a", encoding="utf-8") as stream:
        stream.write(text)
