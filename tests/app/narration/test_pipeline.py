"""A story told: media that agree with each other and with the text, whatever engine or aligner does."""

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
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
from app.speech.base import Mark, SpeechEngine, Utterance
from app.speech.espeak import EspeakEngine
from app.text.spans import Span

PASSAGES = sorted((Path(__file__).parents[2] / "data" / "passages").glob("*.txt"))
STORY = (
    "Mr. Dursley hummed. “Who's there?” she asked—and waited: 1,234 seconds.\n\n"
    "* * *\n\n"
    "Nobody answered; the house, as ever, kept its counsel. Then…\r\nit spoke.\n"
)

Tell = Callable[..., Narration]


@pytest.fixture
def engine() -> Iterator[EspeakEngine]:
    """Lend an engine of the test's own."""
    built = EspeakEngine()
    yield built
    built.close()


@pytest.fixture
def tell(engine: EspeakEngine, tmp_path: Path) -> Tell:
    """Return a function that narrates a text, by espeak and without an aligner unless told otherwise."""

    def told(
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

    return told


def words_of(narration: Narration) -> list[dict[str, object]]:
    """Read words.json."""
    document = json.loads(narration.media[WORDS].read_text(encoding="utf-8"))
    words: list[dict[str, object]] = document["words"]
    return words


def assert_media_agree(narration: Narration, text: str) -> None:
    """Hold words, cues, audio and text against each other."""
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
def test_media_agree_on_prose(tell: Tell, path: Path) -> None:
    """Words cover the text to the letter, in order, inside the audio, for each kind of prose."""
    text = path.read_text(encoding="utf-8")
    assert_media_agree(tell(text), text)


def test_media_agree_on_odd_text(tell: Tell) -> None:
    """So they do with scene breaks, dashes, numbers and line ends of another system."""
    narration = tell(STORY)
    assert_media_agree(narration, STORY)
    assert (narration.alignment, narration.engine, narration.voice) == ("engine", "espeak", "af_heart")


def test_words_are_heard_when_they_say(tell: Tell) -> None:
    """A word between pauses: sound within its times, silence just before, at its place in the whole file."""
    text = "The rain had stopped. " * 30 + "\n\nNow, banana, yes."
    narration = tell(text)
    samples, rate = soundfile.read(narration.media[AUDIO], dtype="float32")
    word = next(word for word in words_of(narration) if word["text"] == "banana,")
    start, end = float(word["start"]), float(word["end"])  # type: ignore[arg-type]
    inside = samples[int(start * rate) : int(end * rate)]
    before = samples[int((start - 0.04) * rate) : int((start - 0.01) * rate)]
    assert float(np.sqrt(np.mean(inside**2))) > 20 * float(np.sqrt(np.mean(before**2)))


def test_no_sample_passes_minus_one_decibel(tell: Tell) -> None:
    """Headroom holds in the file itself."""
    samples, _ = soundfile.read(tell(PASSAGES[0].read_text(encoding="utf-8")).media[AUDIO], dtype="float32")
    assert 0.3 < float(np.abs(samples).max()) <= 10 ** (-1 / 20) + 1 / 32768


def test_pauses_are_as_set(tell: Tell) -> None:
    """A longer pause between paragraphs makes the story longer by that, and by nothing else."""
    text = "One thing.\n\nAnother thing.\n\nThe last thing."
    short, long = (
        tell(text, by=Humming(), pauses=Pauses(paragraph_secs=secs)).duration_secs for secs in (0.5, 1.5)
    )
    assert long - short == pytest.approx(2.0, abs=0.001)


def test_pauses_follow_the_speed(tell: Tell) -> None:
    """At twice the speed silences halve too."""
    text = "* * *\n\nOne."
    normal, fast = (tell(text, speed=speed) for speed in (1.0, 2.0))
    first = [next(w for w in words_of(n) if w["text"] == "One.") for n in (normal, fast)]
    assert float(first[0]["start"]) == pytest.approx(2 * float(first[1]["start"]), abs=0.05)  # type: ignore[arg-type]


def test_a_scene_break_can_be_read(tell: Tell) -> None:
    """Signs without a sound get time of their own, between what is spoken."""
    narration = tell(STORY)
    asterisks = [word for word in words_of(narration) if "*" in str(word["text"])]
    assert asterisks
    assert float(asterisks[-1]["end"]) - float(asterisks[0]["start"]) > 1.0  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", " \n ", "* * *", "—…!?"])
def test_nothing_to_say_is_refused(tell: Tell, text: str) -> None:
    """A story without a word is no story."""
    with pytest.raises(RefusedTextError):
        tell(text)


def test_half_a_surrogate_pair_is_refused(tell: Tell) -> None:
    """No file can hold it; its place is named."""
    with pytest.raises(RefusedTextError, match="character 4 "):
        tell("bad\udc00")


def test_an_unknown_voice_is_refused(tell: Tell) -> None:
    """The engine's closed set holds here too."""
    with pytest.raises(UnknownVoiceError):
        tell(STORY, voice="nobody")


def test_signs_of_another_script_do_not_end_a_story(tell: Tell) -> None:
    """What an engine cannot say becomes a pause, and the rest is told."""

    class Choosy(Humming):
        def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
            if "unsayable" in text:
                raise RefusedTextError("no")
            return super().speak(text, voice=voice, speed=speed)

    text = "This can be said.\n\nunsayable\n\nThis too."
    narration = tell(text, by=Choosy())
    assert_media_agree(narration, text)
    with pytest.raises(RefusedTextError, match="af_heart"):
        tell("unsayable", by=Choosy())


class Humming:
    """An engine that hums each character for a tenth of a second, and has no timings unless asked."""

    name = "hum"
    sample_rate = 8000
    max_chunk = 60
    max_first_chunk = 0
    voices: Collection[str] = ("af_heart",)
    has_marks = False

    def close(self) -> None:
        """Do nothing."""

    def measure(self, text: str, *, voice: str) -> int:
        """Count characters."""
        assert voice
        return len(text)

    def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
        """Hum."""
        assert voice
        count = round(len(text) * 800 / speed)
        samples = (0.5 * np.sin(np.arange(count) / 5)).astype(np.float32)
        marks = (Mark(0, len(text), 0.0, count / 8000),) if self.has_marks else ()
        return Utterance(samples=samples, marks=marks)


class Noting(Humming):
    """Hums, and notes each chunk in `spoken`."""

    def __init__(self, *, max_first_chunk: int = 0) -> None:
        self.max_first_chunk = max_first_chunk
        self.spoken: list[str] = []

    def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
        """Note and hum."""
        self.spoken.append(text)
        return super().speak(text, voice=voice, speed=speed)


def test_slow_speech_is_cut_shorter(tell: Tell) -> None:
    """At half the speed a chunk has half the characters: what it takes to speak it stays the same."""
    slow, fast = Noting(), Noting()
    text = "The old keeper who lived by the sea climbed up to the lamp and lit it while the wind blew hard."
    tell(text, by=slow, speed=0.5)
    assert max(len(chunk) for chunk in slow.spoken) <= Humming.max_chunk // 2
    tell(text, by=fast, speed=2.0)
    assert Humming.max_chunk // 2 < max(len(chunk) for chunk in fast.spoken) <= Humming.max_chunk


def test_a_story_is_heard_soon(tell: Tell) -> None:
    """Where an engine takes its time the first chunk is a clause, half as long at half the speed."""
    engine, slow = Noting(max_first_chunk=40), Noting(max_first_chunk=40)
    text = "The old keeper climbed up to the lamp, and with it he lit the sea."
    narration = tell(text, by=engine)
    assert ["The old keeper climbed up to the lamp,", "and with it he lit the sea."] == engine.spoken
    assert_media_agree(narration, text)
    tell(text, by=slow, speed=0.5)
    assert slow.spoken[0] != "The old keeper climbed up to the lamp,"


class Listener:
    """An aligner that hears each word last a hundredth of a second, or does what `behaviour` says."""

    name = "listener"

    def __init__(self, behaviour: Callable[[int], bool] = lambda _: True) -> None:
        self._hears = behaviour
        self.calls = 0

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """Give marks a hundredth of a second each, fail, or hear nothing."""
        self.calls += 1
        assert text
        assert len(utterance.samples) / sample_rate > len(words) / 100
        if not self._hears(self.calls):
            raise RuntimeError("a model's own error")
        return [Mark(w.start, w.end, i / 100, (i + 1) / 100) for i, w in enumerate(words)]


class Deaf(Listener):
    """An aligner that finds no word."""

    def align(
        self, utterance: Utterance, *, text: str, words: Sequence[Span], sample_rate: int
    ) -> Sequence[Mark | None]:
        """Find nothing."""
        super().align(utterance, text=text, words=words, sample_rate=sample_rate)
        return [None] * len(words)


TWO_CHUNKS = "The first of two paragraphs is this.\n\nThe second of two paragraphs is that."


def test_an_aligners_times_are_taken(tell: Tell) -> None:
    """Where an aligner hears the words, its name is recorded and its times stand, moved to their chunk."""
    narration = tell(TWO_CHUNKS, by=Humming(), aligner=Listener())
    assert (narration.alignment, dict(narration.alignment_chunks)) == ("listener", {"listener": 2})
    words = words_of(narration)
    assert (words[1]["start"], words[1]["end"]) == (0.01, 0.02)
    second = next(word for word in words[1:] if word["text"] == "The")
    assert float(second["end"]) - float(second["start"]) == pytest.approx(0.01, abs=0.0011)  # type: ignore[arg-type]
    assert float(second["start"]) > 3.6  # type: ignore[arg-type]


def test_alignment_can_be_declined(tmp_path: Path) -> None:
    """With use_alignment false no aligner is loaded, let alone asked."""

    def load() -> Aligner:
        raise AssertionError

    request = Request(
        text=TWO_CHUNKS,
        folder=tmp_path,
        options=NarrationOptions(engine="espeak", voice="af_heart", use_alignment=False),
    )
    narration = Narrator(engine=Humming(), aligner=load).narrate(request, on_progress=lambda _: None)
    assert dict(narration.alignment_chunks) == {"proportional": 2}


def test_the_first_sound_waits_for_no_aligner(tmp_path: Path) -> None:
    """The first chunk is in the file before the aligner loads, once a story."""
    loads: list[bool] = []

    def load() -> Aligner:
        loads.append(any((tmp_path / "audio.wav").read_bytes()[44:]))
        return Listener()

    request = Request(
        text=TWO_CHUNKS, folder=tmp_path, options=NarrationOptions(engine="espeak", voice="af_heart")
    )
    narration = Narrator(engine=Humming(), aligner=load).narrate(request, on_progress=lambda _: None)
    assert loads == [True]
    assert dict(narration.alignment_chunks) == {"listener": 2}


def test_an_aligner_that_cannot_load_ends_the_story(tmp_path: Path) -> None:
    """A damaged model is told, not passed over: the engine's times would look like a choice."""

    def load() -> Aligner:
        raise ConfigurationError("align/en/model.pth has another SHA-256 than when it was fetched")

    request = Request(
        text=TWO_CHUNKS, folder=tmp_path, options=NarrationOptions(engine="espeak", voice="af_heart")
    )
    with pytest.raises(ConfigurationError, match="another SHA-256"):
        Narrator(engine=Humming(), aligner=load).narrate(request, on_progress=lambda _: None)


@pytest.mark.parametrize(
    ("aligner", "has_marks", "expected"),
    [
        (Listener(lambda call: call != 1), True, {"engine": 1, "listener": 1}),
        (Listener(lambda call: call != 2), False, {"listener": 1, "proportional": 1}),
        (Listener(lambda _: False), True, {"engine": 2}),
        (Deaf(), True, {"engine": 2}),
        (Deaf(), False, {"proportional": 2}),
        (None, False, {"proportional": 2}),
    ],
)
def test_what_timed_each_chunk_is_recorded(
    tell: Tell,
    aligner: Aligner | None,
    has_marks: bool,
    expected: dict[str, int],
) -> None:
    """A failing aligner costs its chunk that method alone; the row names the least exact one used."""
    engine = Humming()
    engine.has_marks = has_marks
    narration = tell(TWO_CHUNKS, by=engine, aligner=aligner)
    assert expected == dict(narration.alignment_chunks)
    assert narration.alignment == next(m for m in ("proportional", "engine", "listener") if m in expected)
    assert_media_agree(narration, TWO_CHUNKS)


def test_samples_that_are_no_numbers_end_the_attempt(tell: Tell) -> None:
    """Another attempt, on a new engine, may do better."""

    class Broken(Humming):
        def speak(self, text: str, *, voice: str, speed: float) -> Utterance:
            utterance = super().speak(text, voice=voice, speed=speed)
            utterance.samples[10] = np.nan
            return utterance

    with pytest.raises(EngineDiedError):
        tell(STORY, by=Broken())


def test_progress_is_by_characters_and_ends_at_one(tell: Tell) -> None:
    """After each chunk the share of the text that is done is told; after the last it is all."""
    seen: list[Progress] = []
    tell(STORY.strip(), on_progress=seen.append)
    assert [progress.chunk for progress in seen] == list(range(1, len(seen) + 1))
    assert (len(seen) > 1, seen[-1].fraction) == (True, 1.0)


def test_the_reading_speed_reaches_the_cues(tell: Tell) -> None:
    """The reading speed of the request is the one that cues are measured by."""
    text = PASSAGES[0].read_text(encoding="utf-8")
    slow, fast = (tell(text, reading_speed=speed).concessions["fast"] for speed in (8.0, 40.0))
    assert slow > fast == 0
