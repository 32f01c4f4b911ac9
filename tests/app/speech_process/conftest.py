"""Fixtures of the speech process's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.narration.base import Request
from app.speech_process.client import SpeechProcess
from tests.app.speech_process.narrations import ESPEAK, RequestFor


@pytest.fixture
def speech() -> Iterator[SpeechProcess]:
    """Return a speech process that is not started yet."""
    process = SpeechProcess(options=ESPEAK, stall_timeout_secs=60, start_timeout_secs=60)
    yield process
    process.stop()


@pytest.fixture
def request_for(tmp_path: Path) -> RequestFor:
    """Return a function that makes requests, each with its own folder."""
    count = 0

    def make(text: str) -> Request:
        nonlocal count
        count += 1
        folder = tmp_path / f"job-{count}"
        folder.mkdir()
        return Request(text=text, folder=folder, options=ESPEAK)

    return make
