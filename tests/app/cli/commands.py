"""Commands as people and scripts run them."""

import os
import subprocess
import sys


def story_tts(*arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the environment of the test's platform."""
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"SPEECH_ENGINE": "espeak", "COLUMNS": "160"} | environment,
    )
