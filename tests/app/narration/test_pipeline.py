"""The narration pipeline: media agree with each other and with the text for every engine and aligner."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pysubs2
import pytest
import soundfile  # type: ignore[import-untyped]

from app.alignment.base import Aligner
from app.errors import ConfigurationError, EngineDiedError, RefusedTextError, UnknownVoiceError
from app.media import AUDIO, SRT, VTT, WORDS
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions, Pauses
from app.narration.pipeline import Narrator
from app.speech.base import SpeechEngine, Utterance
from app.speech.espeak import EspeakEngine
from app.text.lexicon import NO_LEXICON, Lexicon
from tests.app.narration.fakes import EmptyAligner, FakeAligner, HummingEngine, RecordingEngine

PASSAGES = sorted((Path(__file__).parents[2] / "data" / "passages").glob("*.txt"))
STORY = (
    "Mr. Dursley hummed. “Who's there?” she asked—and waited: 1,234 seconds.\n\n"
    "* * *\n\n"
    "Nobody answered; the house, as ever, kept its counsel. Then…\r\nit spoke.\n"
)

Narrate = Callable[..., Narration]


@pytest.fixture
def engine() -> Iterator[EspeakEngine]:
    """Return an engine, closed after the test."""
    built = EspeakEngine()
    yield built
    built.close()


@pytest.fixture
def narrate(engine: EspeakEngine, tmp_path: Path) -> Narrate:
    """Return a function that narrates a text, by default with espeak and without an aligner."""

    def narrate_text(
        text: str,
        *,
        by: SpeechEngine = engine,
        aligner: Aligner | None = None,
        on_progress: Callable[[Progress], None] = lambda _: None,
        **options: Any,
    ) -> Narration:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        request = Request(
            text=text,
            folder=folder,
            options=NarrationOptions(**{"engine": "espeak", "voice": "af_heart"} | options),
        )
        return Narrator(engine=by, aligner=lambda: aligner).narrate(request, on_progress=on_progress)

    return narrate_text


def words_of(narration: Narration) -> list[dict[str, object]]:
    """Return the words of words.json."""
    document = json.loads(narration.media[WORDS].read_text(encoding="utf-8"))
    words: list[dict[str, object]] = document["words"]
    return words


def assert_media_agree(narration: Narration, text: str) -> None:
    """Assert that words, cues, audio and text agree."""
    words = words_of(narration)
    covered = "".join(str(word["text"]) for word in words)
    assert "".join(text.split()) == "".join(covered.split())
    position = 0
    secs = 0.0
    for word in words:
        start, end = word["span"]  # type: ignore[misc]
        assert text[start:end] == word["text"]  # type: ignore[has-type]
        assert position <= start  # type: ignore[has-type]
        assert secs <= word["start"] <= word["end"] <= narration.duration_secs + 0.001  # type: ignore[operator]
        position, secs = end, word["end"]  # type: ignore[has-type, assignment]
    info = soundfile.info(narration.media[AUDIO])
    assert (info.frames / info.samplerate, info.subtype) == (narration.duration_secs, "PCM_16")
    cues = pysubs2.load(str(narration.media[SRT]))
    assert (len(cues), len(words)) == (narration.cues, narration.words)
    assert len(pysubs2.load(str(narration.media[VTT]))) == narration.cues


@pytest.mark.parametrize("path", PASSAGES, ids=lambda path: path.stem)
def test_media_agree_on_prose(narrate: Narrate, path: Path) -> None:
    """Words cover the text exactly, in order and within the audio, for each kind of prose."""
    text = path.read_text(encoding="utf-8")
    assert_media_agree(narrate(text), text)


def test_media_agree_on_odd_text(narrate: Narrate) -> None:
    """The same holds for scene breaks, dashes, numbers and CRLF line ends."""
    narration = narrate(STORY)
    assert_media_agree(narration, STORY)
    assert (narration.alignment, narration.engine, narration.voice) == ("engine", "espeak", "af_heart")


def test_words_sound_at_their_times(narrate: Narrate) -> None:
    """A word between pauses has sound within its times and silence just before, late in a file."""
    text = "The rain had stopped. " * 30 + "\n\nNow, banana, yes."
    narration = narrate(text)
    samples, rate = soundfile.read(narration.media[AUDIO], dtype="float32")
    word = next(word for word in words_of(narration) if word["text"] == "banana,")
    start, end = float(word["start"]), float(word["end"])  # type: ignore[arg-type]
    inside = samples[int(start * rate) : int(end * rate)]
    before = samples[int((start - 0.04) * rate) : int((start - 0.01) * rate)]
    assert float(np.sqrt(np.mean(inside**2))) > 20 * float(np.sqrt(np.mean(before**2)))


def test_no_sample_exceeds_minus_one_decibel(narrate: Narrate) -> None:
    """The audio file keeps 1 dB of headroom."""
    samples, _ = soundfile.read(
        narrate(PASSAGES[0].read_text(encoding="utf-8")).media[AUDIO], dtype="float32"
    )
    assert 0.3 < float(np.abs(samples).max()) <= 10 ** (-1 / 20) + 1 / 32768


def test_pauses_are_as_set(narrate: Narrate) -> None:
    """A longer pause between paragraphs adds exactly the difference to the duration."""
    text = "One thing.\n\nAnother thing.\n\nThe last thing."
    short, long = (
        narrate(text, by=HummingEngine(), pauses=Pauses(paragraph_secs=secs)).duration_secs
        for secs in (0.5, 1.5)
    )
    assert long - short == pytest.approx(2.0, abs=0.001)


LONG = "the keeper went down to the grey cold sea " * 4


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("chapter_secs", "CHAPTER ONE\n\nIt was a dark night."),
        ("heading_secs", "The Story of an Hour\n\nIt was a dark night."),
        ("clause_secs", "The keeper went down to the grey cold sea, and then the miller came home to sleep."),
    ],
)
def test_each_kind_of_joint_has_its_pause(narrate: Narrate, field: str, text: str) -> None:
    """Headings, chapters and clauses have pauses of their own."""
    short, long = (
        narrate(text, by=HummingEngine(), pauses=Pauses(**{field: secs})).duration_secs for secs in (0.5, 1.5)
    )
    assert long - short == pytest.approx(1.0, abs=0.001)


def test_a_joint_inside_a_phrase_has_no_pause(narrate: Narrate) -> None:
    """Where a sentence without commas is cut, at most 20 ms of silence part the chunks."""
    narration = narrate(LONG.strip() * 2, by=HummingEngine())
    samples, rate = soundfile.read(narration.media[AUDIO], dtype="float32")
    sounding = np.flatnonzero(np.abs(samples) > 0.01)
    gaps = np.diff(sounding) / rate
    assert float(gaps.max()) < 0.03


def test_pauses_follow_the_speed(narrate: Narrate) -> None:
    """At twice the speed, pauses are half as long."""
    text = "* * *\n\nOne."
    normal, fast = (narrate(text, speed=speed) for speed in (1.0, 2.0))
    first = [next(w for w in words_of(n) if w["text"] == "One.") for n in (normal, fast)]
    assert float(first[0]["start"]) == pytest.approx(2 * float(first[1]["start"]), abs=0.05)  # type: ignore[arg-type]


def test_a_scene_break_can_be_read(narrate: Narrate) -> None:
    """Symbols without a sound get their own time between spoken chunks."""
    narration = narrate(STORY)
    asterisks = [word for word in words_of(narration) if "*" in str(word["text"])]
    assert asterisks
    assert float(asterisks[-1]["end"]) - float(asterisks[0]["start"]) > 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", " \n ", "* * *", "—…!?"])
def test_nothing_to_say_is_refused(narrate: Narrate, text: str) -> None:
    """A text without a speakable word is refused."""
    with pytest.raises(RefusedTextError):
        narrate(text)


def test_half_a_surrogate_pair_is_refused(narrate: Narrate) -> None:
    """It cannot be written as UTF-8. The message has its position."""
    with pytest.raises(RefusedTextError, match="character 4 "):
        narrate("bad\udc00")


def test_an_unknown_voice_is_refused(narrate: Narrate) -> None:
    """A voice outside the engine's set is refused."""
    with pytest.raises(UnknownVoiceError):
        narrate(STORY, voice="nobody")


def test_text_that_the_engine_refuses_becomes_a_pause(narrate: Narrate) -> None:
    """A chunk that the engine cannot say becomes a pause, and the rest is narrated."""

    class Refusing(HummingEngine):
        def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
            if "unsayable" in text:
                raise RefusedTextError("no")
            return super().speak(text, voice=voice, speed=speed, lexicon=lexicon)

    text = "This can be said.\n\nunsayable\n\nThis too."
    narration = narrate(text, by=Refusing())
    assert_media_agree(narration, text)
    with pytest.raises(RefusedTextError, match="af_heart"):
        narrate("unsayable", by=Refusing())


def test_slow_speech_has_shorter_chunks(narrate: Narrate) -> None:
    """At half the speed a chunk has half the characters, so that its audio is no longer."""
    slow, fast = RecordingEngine(), RecordingEngine()
    text = "The old keeper who lived by the sea climbed up to the lamp and lit it while the wind blew hard."
    narrate(text, by=slow, speed=0.5)
    assert max(len(chunk) for chunk in slow.spoken) <= HummingEngine.max_chunk // 2
    narrate(text, by=fast, speed=2.0)
    assert HummingEngine.max_chunk // 2 < max(len(chunk) for chunk in fast.spoken) <= HummingEngine.max_chunk


def test_the_first_chunk_is_short(narrate: Narrate) -> None:
    """With a slow engine the first chunk is one clause, half as long at half the speed."""
    engine, slow = RecordingEngine(max_first_chunk=40), RecordingEngine(max_first_chunk=40)
    text = "The old keeper climbed up to the lamp, and with it he lit the sea."
    narration = narrate(text, by=engine)
    assert ["The old keeper climbed up to the lamp,", "and with it he lit the sea."] == engine.spoken
    assert_media_agree(narration, text)
    narrate(text, by=slow, speed=0.5)
    assert slow.spoken[0] != "The old keeper climbed up to the lamp,"


TWO_CHUNKS = "The first of two paragraphs is this.\n\nThe second of two paragraphs is that."


def test_an_aligners_times_are_used(narrate: Narrate) -> None:
    """The aligner's name is recorded, and its times are shifted to the chunk's position."""
    narration = narrate(TWO_CHUNKS, by=HummingEngine(), aligner=FakeAligner())
    assert (narration.alignment, dict(narration.alignment_chunks)) == ("fake", {"fake": 2})
    words = words_of(narration)
    assert (words[1]["start"], words[1]["end"]) == (0.01, 0.02)
    second = next(word for word in words[1:] if word["text"] == "The")
    assert float(second["end"]) - float(second["start"]) == pytest.approx(0.01, abs=0.0011)  # type: ignore[arg-type]
    assert float(second["start"]) > 3.6  # type: ignore[arg-type]


def test_alignment_can_be_switched_off(tmp_path: Path) -> None:
    """With use_alignment false no aligner is loaded."""

    def load() -> Aligner:
        raise AssertionError

    request = Request(
        text=TWO_CHUNKS,
        folder=tmp_path,
        options=NarrationOptions(engine="espeak", voice="af_heart", use_alignment=False),
    )
    narration = Narrator(engine=HummingEngine(), aligner=load).narrate(request, on_progress=lambda _: None)
    assert dict(narration.alignment_chunks) == {"proportional": 2}


def test_the_first_chunk_does_not_wait_for_the_aligner(tmp_path: Path) -> None:
    """The first chunk is written before the aligner is loaded, once per story."""
    loads: list[bool] = []

    def load() -> Aligner:
        loads.append(any((tmp_path / "audio.wav").read_bytes()[44:]))
        return FakeAligner()

    request = Request(
        text=TWO_CHUNKS, folder=tmp_path, options=NarrationOptions(engine="espeak", voice="af_heart")
    )
    narration = Narrator(engine=HummingEngine(), aligner=load).narrate(request, on_progress=lambda _: None)
    assert loads == [True]
    assert dict(narration.alignment_chunks) == {"fake": 2}


def test_an_aligner_that_cannot_load_fails_the_story(tmp_path: Path) -> None:
    """A damaged model is an error: falling back to the engine's times would hide it."""

    def load() -> Aligner:
        raise ConfigurationError("align/en/model.pth differs in SHA-256 from the fetched file")

    request = Request(
        text=TWO_CHUNKS, folder=tmp_path, options=NarrationOptions(engine="espeak", voice="af_heart")
    )
    with pytest.raises(ConfigurationError, match="differs in SHA-256"):
        Narrator(engine=HummingEngine(), aligner=load).narrate(request, on_progress=lambda _: None)


@pytest.mark.parametrize(
    ("aligner", "has_marks", "expected"),
    [
        (FakeAligner(lambda call: call != 1), True, {"engine": 1, "fake": 1}),
        (FakeAligner(lambda call: call != 2), False, {"fake": 1, "proportional": 1}),
        (FakeAligner(lambda _: False), True, {"engine": 2}),
        (EmptyAligner(), True, {"engine": 2}),
        (EmptyAligner(), False, {"proportional": 2}),
        (None, False, {"proportional": 2}),
    ],
)
def test_the_timing_method_of_each_chunk_is_recorded(
    narrate: Narrate,
    aligner: Aligner | None,
    has_marks: bool,
    expected: dict[str, int],
) -> None:
    """If the aligner fails, only that chunk uses another method. The least exact method is reported."""
    engine = HummingEngine()
    engine.has_marks = has_marks
    narration = narrate(TWO_CHUNKS, by=engine, aligner=aligner)
    assert expected == dict(narration.alignment_chunks)
    assert narration.alignment == next(m for m in ("proportional", "engine", "fake") if m in expected)
    assert_media_agree(narration, TWO_CHUNKS)


def test_samples_that_are_not_finite_fail_the_attempt(narrate: Narrate) -> None:
    """The error is retryable: a new engine may work."""

    class Broken(HummingEngine):
        def speak(self, text: str, *, voice: str, speed: float, lexicon: Lexicon = NO_LEXICON) -> Utterance:
            utterance = super().speak(text, voice=voice, speed=speed, lexicon=lexicon)
            utterance.samples[10] = np.nan
            return utterance

    with pytest.raises(EngineDiedError):
        narrate(STORY, by=Broken())


def test_progress_is_by_characters_and_ends_at_one(narrate: Narrate) -> None:
    """Progress is reported after each chunk, and is complete after the last."""
    seen: list[Progress] = []
    narrate(STORY.strip(), on_progress=seen.append)
    assert [progress.chunk for progress in seen] == list(range(1, len(seen) + 1))
    assert (len(seen) > 1, seen[-1].fraction) == (True, 1.0)


def test_the_engines_variant_is_recorded(narrate: Narrate) -> None:
    """What `auto` chose is part of the result."""
    assert narrate("One.", by=HummingEngine()).variant == "low"


def test_the_reading_speed_reaches_the_cues(narrate: Narrate) -> None:
    """Cues are measured by the reading speed of the request."""
    text = PASSAGES[0].read_text(encoding="utf-8")
    slow, fast = (narrate(text, reading_speed=speed).relaxed_rules["fast"] for speed in (8.0, 40.0))
    assert slow > fast == 0
