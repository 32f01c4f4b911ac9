"""
The whole path with Kokoro and WhisperX, in a process that the network is closed to.

On texts that broke others.
"""

import json
import os
import re
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.alignment.whisperx import WhisperXAligner
from app.media import AUDIO, WORDS
from app.models.store import ModelStore
from app.narration.base import Narration, Request
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator
from app.speech.kokoro import KokoroEngine

PAUSE = 24_000 // 10
"""Samples: shorter silences are speech's own."""

pytestmark = [pytest.mark.speech, pytest.mark.slow]

# Refuses every connection and every name but the loopback's, whatever library asks, and says who it was.
_CLOSED_NETWORK = """
import sys
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
def refuse(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in LOOPBACK:
        raise SystemExit(f"refused: connection to {arguments[1][0]}")
    if event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK:
        raise SystemExit(f"refused: look-up of {arguments[0]}")
sys.addaudithook(refuse)
"""
_NARRATE = """
from pathlib import Path
import os
from app.narration.base import Request
from app.narration.narrators import Narrators
from app.narration.options import NarrationOptions
options = NarrationOptions(
    engine="kokoro", voice="af_heart", models_dir=Path(os.environ["MODELS_DIR"]), threads=1
)
request = Request(text=sys.argv[1], folder=Path(sys.argv[2]), options=options)
narration = Narrators(options).narrator(options.voice).narrate(request, on_progress=lambda _: None)
print(narration.alignment)
"""


def test_nothing_is_downloaded_at_run_time(models: ModelStore, tmp_path: Path) -> None:
    """With an empty home and every socket refused, a story is narrated and aligned."""
    ran = subprocess.run(
        [sys.executable, "-c", _CLOSED_NETWORK + _NARRATE, "Hello there. It was 1987.", str(tmp_path)],
        env=os.environ | {"HOME": str(tmp_path), "MODELS_DIR": str(models.folder), "SPEECH_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "whisperx"), ran.stderr
    assert [
        path.name for path in tmp_path.iterdir() if not path.name.startswith(("audio", "subtitles"))
    ] == []


def test_the_closed_network_is_closed() -> None:
    """The test above could fail: a look-up in such a process ends it."""
    asks = "import urllib.request; urllib.request.urlopen('http://example.org')"
    ran = subprocess.run(
        [sys.executable, "-c", _CLOSED_NETWORK + asks], capture_output=True, text=True, check=False
    )
    assert "refused: look-up of example.org" in ran.stderr


@pytest.fixture(scope="module")
def narrator(models: ModelStore) -> Narrator:
    """Kokoro and WhisperX in this process."""
    engine = KokoroEngine(models=models, threads=1)
    aligner = WhisperXAligner(models=models, language="en", threads=1)
    return Narrator(engine=engine, aligner=lambda: aligner)


Tell = Callable[[str], tuple[Narration, list[dict[str, object]]]]


@pytest.fixture
def tell(narrator: Narrator, tmp_path: Path) -> Tell:
    """Narrate a text; returns what came out, and its words."""

    def told(text: str) -> tuple[Narration, list[dict[str, object]]]:
        request = Request(
            text=text, folder=tmp_path, options=NarrationOptions(engine="kokoro", voice="af_heart", speed=2.0)
        )
        narration = narrator.narrate(request, on_progress=lambda _: None)
        document = json.loads(narration.media[WORDS].read_text("utf-8"))
        return narration, document["words"] if isinstance(document, dict) else document

    return told


TEXTS = {
    "a sentence of more than 510 phonemes": "The keeper who lived by the sea and " * 17 + "slept.",
    "curly apostrophes": "The keeper’s lamp wasn’t lit; ’twas Mary’s lamp, ‘she’d said’.",
    "numbers and dates": "On 12/05/1987 at 5:30 paid $3.50, £1,234.56, 10% and 1,000; 3.14, 22nd, 5'10\".",
    "a paragraph of one word": "First words here.\n\nLamp\n\nLast words here.",
    "another language": "He said: Привет, мир! 你好世界。 Grüße.",
    "emoji": "😀 Hello 👨‍👩‍👧 there 🎉! 🎉",
    "a word of 900 letters": "a" * 900,
    "a number of 120 digits": "7" * 120,
    "spaces of all kinds": "one\u00a0two\u2003three\tfour \u200bfive",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_every_word_is_in_the_words_file_once(tell: Tell, text: str) -> None:
    """Joined, the words are the text to the letter; their times are in order and inside the audio."""
    narration, words = tell(text)
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", "".join(str(word["text"]) for word in words))
    end = 0.0
    for word in words:
        start, stop = float(str(word["start"])), float(str(word["end"]))
        assert end - 1e-3 <= start <= stop <= narration.duration_secs + 1e-3
        end = stop


def test_ten_thousand_words_without_a_full_stop_are_cut(models: ModelStore) -> None:
    """The packing, which Kokoro's pronunciation measures, loses no word of an endless sentence."""
    from app.text.chunks import chunks  # beside its only use

    engine = KokoroEngine(models=models, threads=1)
    text = " ".join(f"word{'s' * (index % 3)}" for index in range(10_000))
    cut = list(
        chunks(text, measure=lambda part: engine.measure(part, voice="af_heart"), limit=engine.max_chunk)
    )
    assert text.split() == " ".join(chunk.text for chunk in cut).split()
    sizes = [engine.measure(chunk.text, voice="af_heart") for chunk in cut]
    assert max(sizes) <= engine.max_chunk
    assert min(sizes[:-1]) > engine.max_chunk // 2


def test_the_audio_is_clean_at_its_joints(tell: Tell) -> None:
    """No peak above -1 dBFS, and no step from speech into a pause or out of it."""
    narration, _ = tell("One here.\n\nTwo here. Three here.")
    with wave.open(str(narration.media[AUDIO])) as audio:
        samples = np.frombuffer(audio.readframes(audio.getnframes()), dtype=np.int16) / 32768
    assert float(np.abs(samples).max()) <= 10 ** (-1 / 20)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], samples != 0, [1]]).astype(np.int8)))
    pauses = [
        (start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start > PAUSE
    ]
    assert pauses
    for start, stop in pauses:
        assert max(abs(samples[start - 1]), abs(samples[stop])) < 0.002
