"""Options of a narration: the settings, overridden by what a job or a command says."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.job import Destination, Job, RowKey, S3Address
from app.narration.options import NarrationOptions, for_job
from app.settings import SpeechSettings
from app.text.lexicon import Lexicon

JOB = Job(
    text="Once upon a time.",
    voice="bf_emma",
    speed=1.0,
    use_alignment=True,
    destination=Destination(S3Address("bucket", "a.wav"), S3Address("bucket", "a.srt")),
    audio_row=RowKey("story", "a"),
    subtitles_row=RowKey("story", "b"),
    pronunciations=(("lead", "leed"),),
)


@pytest.fixture
def settings(tmp_path: Path) -> SpeechSettings:
    """Settings with a lexicon for English, one for American English, and one for French."""
    for name, entries in {
        "en": '{"lead": "led", "bass": "base"}',
        "en-us": '{"tomato": "tuh-may-toe"}',
        "fr": '{"lead": "lid"}',
    }.items():
        (tmp_path / f"{name}.json").write_text(entries, encoding="utf-8")
    return SpeechSettings.read({"LEXICON_DIR": str(tmp_path), "SPEECH_ENGINE": "espeak"})


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        ("bf_emma", {"lead": "leed", "bass": "base"}),
        ("af_heart", {"lead": "leed", "bass": "base", "tomato": "tuh-may-toe"}),
        ("ff_siwis", {"lead": "leed"}),
        ("hi", {"lead": "leed"}),
    ],
)
def test_a_job_has_the_pronunciations_of_its_voices_language(
    settings: SpeechSettings, voice: str, expected: dict[str, str]
) -> None:
    """The worker's lexicon of the language applies, and the job's own entries win over it."""
    options = for_job(NarrationOptions.from_settings(settings), replace(JOB, voice=voice))

    assert dict(options.lexicon.entries) == expected
    assert options.lexicons.by_language == ()


def test_a_command_has_those_of_its_voice(settings: SpeechSettings) -> None:
    """`speak --lexicon` adds to LEXICON_DIR, for the default voice too."""
    options = NarrationOptions.from_settings(settings, lexicon=Lexicon((("lead", "leed"),)))

    assert dict(options.lexicon.entries) == {"lead": "leed", "bass": "base", "tomato": "tuh-may-toe"}


def test_a_wrong_lexicon_ends_the_start(tmp_path: Path) -> None:
    """A worker with a wrong file says so before it receives a job."""
    (tmp_path / "en.json").write_text('{"x": "4"}', encoding="utf-8")
    settings = SpeechSettings.read({"LEXICON_DIR": str(tmp_path)})

    with pytest.raises(ConfigurationError, match=r"LEXICON_DIR: .*en.json: 'x': a respelling"):
        NarrationOptions.from_settings(settings)
