"""The subtitle rules on real speech: the corpus narrated by espeak-ng, read back from files."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pysubs2
import pytest

from app.media import SRT
from app.narration.base import Narration, Request
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator, no_aligner
from app.speech.espeak import EspeakEngine
from app.subtitles.base import Cue
from app.subtitles.style import Style
from tests.reading_rules import CORPUS, fast, faults

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def engine() -> Iterator[EspeakEngine]:
    """Return an engine; a process can have only one at a time."""
    built = EspeakEngine()
    yield built
    built.close()


def narrated(engine: EspeakEngine, path: Path, folder: Path, speed: float) -> tuple[Narration, list[Cue]]:
    """Narrate a passage into `folder`, and return the narration and the cues of its SubRip file."""
    request = Request(
        text=path.read_text("utf-8"),
        folder=folder,
        options=NarrationOptions(engine="espeak", voice="en-us", speed=speed),
    )
    narration = Narrator(engine=engine, aligner=no_aligner).narrate(request, on_progress=lambda _: None)
    events = pysubs2.load(str(narration.media[SRT]))
    return narration, [Cue(tuple(e.text.split("\\N")), e.start / 1000, e.end / 1000) for e in events]


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_every_hard_rule_holds(engine: EspeakEngine, path: Path, speed: float, tmp_path: Path) -> None:
    """The files keep all hard rules at every speed."""
    _, cues = narrated(engine, path, tmp_path, speed)
    assert faults(cues, path.read_text("utf-8"), Style()) == {}


def test_cues_can_be_read_at_normal_speed(engine: EspeakEngine, tmp_path: Path) -> None:
    """At least 99.5% of all cues keep the reading speed."""
    counted: Counter[str] = Counter()
    for path in CORPUS:
        _, cues = narrated(engine, path, tmp_path, 1.0)
        counted += Counter(cues=len(cues), fast=fast(cues, Style()))
    assert counted["cues"] > 200
    assert counted["fast"] <= 0.005 * counted["cues"]


def test_words_have_the_times_of_the_engine(engine: EspeakEngine, tmp_path: Path) -> None:
    """Nearly every word has its own mark, and no chunk is timed by length only."""
    narration, _ = narrated(engine, CORPUS[0], tmp_path, 1.0)
    assert narration.alignment == "engine"
    assert narration.words_interpolated <= 0.05 * narration.words
