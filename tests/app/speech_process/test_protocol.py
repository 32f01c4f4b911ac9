"""Messages between worker and speech child arrive as they were sent."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from app.errors import (
    ConfigurationError,
    DiskFullError,
    EngineCrashedError,
    EngineDiedError,
    MissingExtraError,
    NarrationCancelledError,
    RefusedTextError,
    UnknownVoiceError,
)
from app.media import MEDIA
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions, Pauses
from app.speech_process import protocol
from app.text.lexicon import Lexicon


def test_errors_keep_their_class_and_message() -> None:
    """Each error class that a child may raise is restored from its code and message."""
    for kind in (
        *(ConfigurationError, DiskFullError, EngineCrashedError, EngineDiedError, MissingExtraError),
        *(NarrationCancelledError, RefusedTextError, UnknownVoiceError),
    ):
        back = protocol.parse_error(protocol.parse_event(protocol.failed_line(kind("what is wrong"))))
        assert (type(back), back.message) == (kind, "what is wrong")


def test_requests_arrive_unchanged(tmp_path: Path) -> None:
    """Every field arrives, including text with half a surrogate pair, which the narrator refuses."""
    request = Request(
        text="a \ud800 b",
        folder=tmp_path,
        options=NarrationOptions(engine="espeak", voice="v", speed=1.25, use_alignment=False),
    )
    options = replace(
        request.options,
        pauses=Pauses(scene_secs=3.0),
        reading_speed=17.0,
        threads=3,
        lexicon=Lexicon((("Tolkien", "tˈOlkin"),)),
    )
    request = replace(request, options=options)
    assert protocol.parse_request(protocol.request_line(request)) == request
    assert list(tmp_path.iterdir()) == []


def test_the_text_is_sent_in_a_file(tmp_path: Path) -> None:
    """The line has none of it, and fits into a pipe's buffer for a text and a lexicon of any length."""
    options = NarrationOptions(engine="espeak", voice="v", lexicon=Lexicon((("secret", "s" * 128),) * 2000))
    line = protocol.request_line(Request(text="secret " * 100_000, folder=tmp_path, options=options))
    assert b"secret" not in line
    assert len(line) < 4096


def test_a_lexicon_does_not_fill_the_command_line() -> None:
    """An argument of a command has at most 128 KiB on Linux; loading an engine needs no lexicon."""
    options = NarrationOptions(engine="espeak", voice="v", lexicon=Lexicon((("secret", "s" * 128),) * 2000))
    text = protocol.start_options_text(options)
    assert "secret" not in text
    assert protocol.parse_options(text).engine == "espeak"


def test_progress_and_narration_arrive_unchanged(tmp_path: Path) -> None:
    """Both are equal to what was sent."""
    progress = Progress(fraction=1 / 3, chunk=7, audio_secs=12.345678901)
    assert protocol.parse_progress(protocol.parse_event(protocol.progress_line(progress))) == progress
    narration = Narration(
        media={kind: tmp_path / kind.file_name for kind in MEDIA},
        duration_secs=3.3,
        sample_rate=22_050,
        engine="espeak",
        voice="af_heart",
        alignment="engine",
        alignment_chunks={"engine": 2},
        words=9,
        words_interpolated=1,
        cues=2,
        relaxed_rules={"fast": 1},
        synthesis_secs=0.25,
        alignment_secs=0.0,
        elapsed_secs=0.5,
    )
    assert protocol.parse_narration(protocol.parse_event(protocol.done_line(narration))) == narration


def test_the_child_loads_nothing_that_it_does_not_use() -> None:
    """It starts without the cloud, the web server and the validation of settings, which are the parent's."""
    code = (
        "import sys, app.speech_process.server, app.narration.narrators\n"
        "sys.exit(str({'boto3', 'pydantic', 'structlog', 'uvicorn'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "set()\n" == done.stderr
