"""Segments of a narration: what is stored is used again, and the result is the same to the byte."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]

from app.audio.pcm import from_pcm, to_pcm
from app.errors import EngineDiedError, RefusedTextError
from app.media import OPUS
from app.narration import pipeline
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions, Pauses
from app.narration.pipeline import Narrator, no_aligner
from app.narration.segmentation import segments
from app.speech.base import SpeechEngine, Utterance
from app.speech.espeak import EspeakEngine
from app.text.chunks import Chunk, chunks
from app.text.lexicon import NO_LEXICON, Lexicon
from tests.app.narration.fakes import FakeAligner, HummingEngine

OPTIONS = NarrationOptions(engine="hum", voice="af_heart", segment_secs=20)
FORMATS = ("wav", "flac", "opus", "mp3")
WORDS = (
    *("the", "rain", "had", "stopped", "before", "noon", "and", "nobody", "in", "old", "house", "said"),
    *("word", "about", "it", "again"),
)


def story(paragraphs: int, *, seed: int = 7) -> str:
    """Return a story of so many paragraphs, some of them a scene break or a heading."""
    source = random.Random(seed)  # noqa: S311 - repeatable, not secret
    parts = []
    for number in range(paragraphs):
        if number % 11 == 5:
            parts.append("* * *")
        sentences = (
            " ".join(source.choice(WORDS) for _ in range(source.randint(4, 14))).capitalize() + "."
            for _ in range(source.randint(1, 5))
        )
        parts.append(" ".join(sentences))
    return "\n\n".join(parts)


STORY = story(24)


class StatefulEngine(HummingEngine):
    """Hums louder with every call since the last reset, and dies at call number `dies_at`."""

    def __init__(self, dies_at: int = 0) -> None:
        self.calls = self._since_reset = 0
        self._dies_at = dies_at

    def reset(self) -> None:
        """Forget the calls."""
        self._since_reset = 0

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """Hum."""
        assert (voice, lexicon is not None) == ("af_heart", True)
        self.calls += 1
        self._since_reset += 1
        if self.calls == self._dies_at:
            raise EngineDiedError("killed")
        samples = np.sin(np.arange(round(len(text) * 80 / speed)) / 5) * (0.3 + 0.01 * self._since_reset)
        return Utterance(samples=samples.astype(np.float32), marks=())


Narrate = Callable[..., Narration]


@pytest.fixture
def narrate(tmp_path: Path) -> Narrate:
    """Return a function that narrates into a new folder, with the segments in one that stays."""
    segments_folder = tmp_path / "segments"
    segments_folder.mkdir()
    count = iter(range(1000))

    def run(
        text: str,
        by: SpeechEngine,
        /,
        *,
        on_progress: Callable[[Progress], None] = lambda _: None,
        keeps: bool = True,
        reuses: bool = True,
        narrator: Any = None,
        **options: Any,
    ) -> Narration:
        folder = tmp_path / f"run-{next(count)}"
        folder.mkdir()
        request = Request(
            text=text,
            folder=folder,
            options=replace(OPTIONS, **options),
            segments=segments_folder if keeps else None,
            reuse_segments=reuses,
        )
        narrator = narrator or Narrator(engine=by, aligner=no_aligner)
        narration: Narration = narrator.narrate(request, on_progress=on_progress)
        return narration

    return run


def contents(narration: Narration) -> dict[str, str]:
    """Return a digest of each medium: of samples for Ogg, whose streams have random numbers."""
    return {
        kind.name: sha256(
            soundfile.read(path)[0].tobytes() if kind is OPUS else path.read_bytes()
        ).hexdigest()
        for kind, path in narration.media.items()
    }


def facts(narration: Narration) -> tuple[object, ...]:
    """Return what a narration says of itself, without the times it took and what it reused."""
    return (
        narration.duration_secs,
        narration.alignment,
        narration.alignment_chunks,
        narration.words,
        narration.words_interpolated,
        narration.cues,
        narration.relaxed_rules,
        narration.segments,
    )


def test_an_interrupted_narration_goes_on_where_it_stopped(narrate: Narrate) -> None:
    """However often the engine dies, the media are those of an undisturbed run, byte for byte."""
    undisturbed = narrate(STORY, whole := StatefulEngine(), keeps=False)
    calls, deaths = 0, 0
    narration = None
    while narration is None:
        engine = StatefulEngine(dies_at=17)
        try:
            narration = narrate(STORY, engine)
        except EngineDiedError:
            deaths += 1
        calls += engine.calls

    assert deaths >= 3
    assert narration.segments_reused > 0
    assert contents(undisturbed) == contents(narration)
    assert facts(undisturbed) == facts(narration)
    # What a death costs is a part of one segment.
    longest = 10
    assert calls <= whole.calls + deaths * longest


@pytest.fixture
def espeak() -> Iterator[EspeakEngine]:
    """Return an engine whose samples depend on the calls before, closed after the test."""
    engine = EspeakEngine()
    yield engine
    engine.close()


def test_every_format_is_the_same_from_stored_segments(narrate: Narrate, espeak: EspeakEngine) -> None:
    """All audio formats and subtitles of a real engine, made from segments, are equal to the byte."""
    text = story(4)
    options = {"engine": "espeak", "formats": FORMATS, "segment_secs": 10}
    first = narrate(text, espeak, **options)
    second = narrate(text, espeak, **options)

    assert (first.segments_reused, second.segments_reused) == (0, second.segments)
    assert second.segments > 2
    assert contents(first) == contents(second)
    assert facts(first) == facts(second)
    assert second.synthesis_secs == 0


def test_aligned_times_are_stored(narrate: Narrate) -> None:
    """A stored segment needs no aligner, and says which one timed it."""
    aligner = FakeAligner()
    narrator = Narrator(engine=HummingEngine(), aligner=lambda: aligner)
    first = narrate(STORY, HummingEngine(), narrator=narrator)
    calls = aligner.calls
    second = narrate(STORY, HummingEngine(), narrator=narrator)
    assert aligner.calls == calls
    assert second.alignment == "fake"
    assert contents(first) == contents(second)


class RefusingEngine(StatefulEngine):
    """Hums after a silence, and refuses what has a q in it."""

    def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
        """Hum, or refuse."""
        if "q" in text:
            raise RefusedTextError("q")
        spoken = super().speak(text, voice=voice, speed=speed, lexicon=lexicon)
        return Utterance(np.concatenate([np.zeros(4000, dtype=np.float32), spoken.samples]), ())


def test_what_follows_a_silent_segment_is_the_same(narrate: Narrate, tmp_path: Path) -> None:
    """A part of a sentence that the engine refused runs into nothing, stored or not."""
    text = "qqqq " * 20 + "hmmm " * 40
    options = {"segment_secs": 0.01}
    first = narrate(text, RefusingEngine(), **options)
    for path in list((tmp_path / "segments").iterdir()):
        if b'"method":""' not in path.read_bytes():
            path.unlink()

    second = narrate(text, RefusingEngine(), **options)

    assert 0 < second.segments_reused < second.segments
    assert contents(first) == contents(second)


def test_a_damaged_segment_is_made_again(narrate: Narrate, tmp_path: Path) -> None:
    """One bad segment costs its own synthesis, and the result is the same."""
    first = narrate(STORY, StatefulEngine())
    damaged = min((tmp_path / "segments").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    second = narrate(STORY, StatefulEngine())
    assert second.segments_reused == first.segments - 1
    assert contents(first) == contents(second)


def test_a_run_that_starts_afresh_reuses_nothing(narrate: Narrate) -> None:
    """Without reuse everything is synthesized, and stored for the next run."""
    narrate(STORY, StatefulEngine())
    assert narrate(STORY, StatefulEngine(), reuses=False).segments_reused == 0
    assert narrate(STORY, StatefulEngine()).segments_reused > 0


def test_progress_counts_stored_segments(narrate: Narrate) -> None:
    """Reports name each new segment once; stored ones advance the progress and count as reused."""
    reports: list[Progress] = []
    first = narrate(STORY, StatefulEngine(), on_progress=reports.append)
    stored = [report.segment for report in reports if report.segment]
    assert len(stored) == len(set(stored)) == first.segments
    assert reports[-1].fraction == pytest.approx(1, abs=0.01)
    assert {report.reused_secs for report in reports} == {0.0}

    reports.clear()
    second = narrate(STORY, StatefulEngine(), on_progress=reports.append)
    assert len(reports) == second.segments
    assert reports[-1].chunk == sum(first.alignment_chunks.values()) + 2
    assert [report.segment for report in reports] == [""] * second.segments
    assert reports[-1].reused_secs == pytest.approx(second.duration_secs, rel=0.1)


def keys(text: str, *, fingerprint: str = "", **options: Any) -> list[str]:
    """Return the keys of a text's segments."""
    made = segments(
        chunks(text, measure=len, limit=60),
        options=replace(OPTIONS, **options),
        fingerprint=fingerprint,
        sample_rate=8000,
    )
    return [segment.key for segment in made]


@pytest.mark.parametrize(
    "change",
    [
        {"voice": "af_bella"},
        {"engine": "espeak"},
        {"speed": 1.01},
        {"use_alignment": False},
        {"pauses": Pauses(sentence_secs=0.36)},
        {"lexicon": Lexicon((("rain", "rayn"),))},
        {"loudness_lufs": -20.0},
        {"fingerprint": "another release"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_key_covers_all_that_decides_the_audio(change: dict[str, Any]) -> None:
    """Another voice, engine, speed, pause, lexicon, loudness, model or code shares no segment."""
    assert not set(keys(STORY)) & set(keys(STORY, **change))


def test_a_key_covers_the_text() -> None:
    """Texts with words of the same lengths share no segment."""
    assert not set(keys("The cat sat there.")) & set(keys("The dog lay there."))


def test_a_key_covers_nothing_else() -> None:
    """Formats, subtitles' speed, threads and the models' folder do not change the audio."""
    others: dict[str, Any] = {
        "formats": ("opus",),
        "reading_speed": 17.0,
        "threads": 3,
        "models_dir": Path("/elsewhere"),
    }
    assert keys(STORY) == keys(STORY, **others)


@pytest.mark.parametrize("edit", ["change", "insert", "delete"])
def test_an_edit_changes_its_neighbourhood_only(edit: str) -> None:
    """One of 200 paragraphs changed, inserted or deleted costs two of thirty segments, rarely more."""
    paragraphs = story(200).split("\n\n")
    before = set(keys("\n\n".join(paragraphs), segment_secs=60))
    changed = []
    for place in range(5, 200, 20):
        edited = paragraphs.copy()
        if edit != "insert":
            del edited[place]
        if edit != "delete":
            edited.insert(place, "An editor wrote this sentence in place of what had been there before.")
        changed.append(len(set(keys("\n\n".join(edited), segment_secs=60)) - before))
    assert len(before) > 25
    assert min(changed) >= 1
    assert fmean(changed) <= 3
    assert max(changed) <= 8


@pytest.mark.parametrize(
    "text",
    [STORY, "word " * 3000, "x" * 4000, "One. " * 2000, "short", "\n\n".join(["A line."] * 400), "好" * 3000],
    ids=["story", "one sentence", "one word", "one paragraph", "short", "lines", "chinese"],
)
def test_segments_hold_every_chunk_and_are_of_similar_length(text: str) -> None:
    """Cuts lose nothing, and no segment is far from the usual length, whatever the text."""
    parts = list(chunks(text, measure=len, limit=60))
    made = list(segments(iter(parts), options=OPTIONS, fingerprint="", sample_rate=8000))
    assert parts == [chunk for segment in made for chunk in segment.chunks]
    sizes = [sum(len(chunk.text.encode()) for chunk in segment.chunks) for segment in made]
    assert all(size <= 1.4 * 300 for size in sizes)
    assert all(size >= 0.6 * 300 for size in sizes[:-1])


def test_cuts_prefer_the_end_of_a_paragraph() -> None:
    """Where a segment may end within reach of a paragraph's end, it ends there."""
    made = list(
        segments(chunks(STORY, measure=len, limit=60), options=OPTIONS, fingerprint="", sample_rate=8000)
    )
    ends = [segment.chunks[-1] for segment in made[:-1]]
    at_paragraph = sum(_ends_paragraph(chunk) for chunk in ends)
    assert at_paragraph >= 0.9 * len(ends)


def _ends_paragraph(chunk: Chunk) -> bool:
    end = chunk.start + len(chunk.text)
    return STORY[end : end + 2] in {"\n\n", ""}


def test_sixteen_bit_samples_survive_the_way_through_floats() -> None:
    """Every 16-bit sample comes back from its float as it was."""
    pcm = np.arange(-32767, 32768, dtype="<i2")
    assert np.array_equal(pcm, to_pcm(from_pcm(pcm)))


def test_a_text_too_long_for_a_wav_file_is_refused_early(
    narrate: Narrate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can never be stored is refused as soon as the pace shows it, not after a day of synthesis."""
    monkeypatch.setattr(pipeline, "max_wav_secs", lambda _: 40.0)
    monkeypatch.setattr(pipeline, "_JUDGED_SECS", 5.0)
    engine = StatefulEngine()
    with pytest.raises(RefusedTextError, match="split the story"):
        narrate(story(60), engine)
    assert engine.calls < 40
