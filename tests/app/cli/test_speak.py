"""`story-tts speak` and `story-tts voices`, as a user runs them: real processes, real files."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile  # type: ignore[import-untyped]
from typer.testing import CliRunner

from app.cli.app import app
from app.media import MEDIA
from app.speech.registry import ENGINES
from app.speech.voices import KOKORO_VOICES

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "app")
STORY = "It was a dark night. “Go on,” said the fox.\n\nAnd on it went."
SUFFIXES = {kind.suffix for kind in MEDIA} | {".html"}
FILES = {f"fox{suffix}" for suffix in SUFFIXES}


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """Write a short story."""
    path = tmp_path / "fox.txt"
    path.write_text(STORY, encoding="utf-8")
    return path


def run(*arguments: object, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def names(folder: Path) -> set[str]:
    """Return all that a folder holds, hidden files too."""
    return {path.name for path in folder.iterdir()}


def test_a_story_becomes_media(story: Path, tmp_path: Path) -> None:
    """Audio and subtitles are named after the story; nothing else is left in the folder."""
    done = run("speak", story, "-o", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "out") == FILES
    assert soundfile.info(tmp_path / "out" / "fox.wav").duration > 2
    assert str(tmp_path / "out" / "fox.words.json") in done.stdout
    assert "spoken by espeak as af_heart" in done.stdout
    assert f"open {tmp_path / 'out' / 'fox.html'} to listen" in done.stdout
    assert '<source src="fox.wav"' in (tmp_path / "out" / "fox.html").read_text(encoding="utf-8")


def test_json_says_what_came_out(story: Path, tmp_path: Path) -> None:
    """With --json standard output is one JSON document and nothing more."""
    done = run("speak", story, "-o", tmp_path / "out", "--json")
    (entry,) = json.loads(done.stdout)
    assert (entry["story"], entry["engine"], entry["alignment"]) == (str(story), "espeak", "engine")
    assert Path(entry["media"]["audio"]).is_file()
    assert entry["duration_secs"] == soundfile.info(entry["media"]["audio"]).duration


def test_standard_input_is_a_story(tmp_path: Path) -> None:
    """With - the story comes through a pipe, and its media are called story."""
    done = run("speak", "-", "-o", tmp_path, text="Piped, then spoken.")
    assert done.returncode == 0
    assert {f"story{suffix}" for suffix in SUFFIXES} == names(tmp_path)


def test_formats_are_chosen(story: Path, tmp_path: Path) -> None:
    """With --format the audio is written in the named formats only."""
    done = run("speak", story, "-o", tmp_path, "--format", "opus", "--format", "mp3", "--json")
    (entry,) = json.loads(done.stdout)
    assert {"opus", "mp3", "srt", "vtt", "words", "page"} == set(entry["media"])
    for name in ("opus", "mp3"):
        assert soundfile.info(entry["media"][name]).duration == pytest.approx(
            entry["duration_secs"], abs=0.01
        )
    assert not (tmp_path / "fox.wav").exists()


def test_the_narrated_text_is_kept_where_it_was_extracted(tmp_path: Path) -> None:
    """Spans point into STORY.narrated.txt; what was left out is said, and in the JSON too."""
    story = tmp_path / "fox.md"
    mark = "*** {} OF THE PROJECT GUTENBERG EBOOK X ***"
    parts = ("Header", mark.format("START"), "# The *Fox*", "It was dark.", mark.format("END"), "Licence")
    story.write_text("\n\n".join(parts), encoding="utf-8")
    done = run("speak", story, "-o", tmp_path / "out", "--json")
    (entry,) = json.loads(done.stdout)
    text = Path(entry["media"]["text"]).read_text(encoding="utf-8")
    words = json.loads(Path(entry["media"]["words"]).read_text(encoding="utf-8"))["words"]
    assert text == "The Fox\n\nIt was dark."
    assert [text[slice(*word["span"])] for word in words] == text.split()
    assert entry["notes"] == [done.stderr.strip().removeprefix(f"note: {story}: ")]
    assert entry["notes"][0].startswith("left out Project Gutenberg's header and licence")
    assert names(tmp_path / "out") == FILES | {"fox.narrated.txt"}


def test_a_story_with_chapters_becomes_an_audiobook_and_files_per_chapter(tmp_path: Path) -> None:
    """m4b alone leaves no WAV; a folder has the files of each chapter, and no older ones."""
    story = tmp_path / "fox.md"
    body = "It was a dark night, and the fox went out to pray to the moon for light."
    story.write_text(f"# The Night\n\n{body}\n\n# The Day!\n\n{body}", encoding="utf-8")
    out = tmp_path / "out"
    (out / "fox.chapters").mkdir(parents=True)
    (out / "fox.chapters" / "009-old.wav").touch()
    done = run("speak", story, "-o", out, "--format", "m4b", "--split-chapters", "--json")
    (entry,) = json.loads(done.stdout)
    subtitles = (".srt", ".vtt", ".words.json")
    added = {"fox.m4b", "fox.chapters", "fox.chapters.json", "fox.narrated.txt", "fox.html"}
    assert names(out) == added | {f"fox{suffix}" for suffix in subtitles}
    assert names(out / "fox.chapters") == {
        f"{name}{suffix}" for name in ("001-the-night", "002-the-day") for suffix in (".wav", *subtitles)
    }
    assert entry["media"]["m4b"] == str(out / "fox.m4b")
    assert 'src="fox.m4b" type="audio/mp4"' in (out / "fox.html").read_text(encoding="utf-8")


def test_an_epub_and_karaoke_are_made_with_audio_to_play(story: Path, tmp_path: Path) -> None:
    """Without an audio format asked for, the one that they are made from stays for the page."""
    done = run("speak", story, "-o", tmp_path / "out", "--format", "epub", "--format", "karaoke")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "out") == {
        f"fox{suffix}" for suffix in (".mp3", ".srt", ".vtt", ".words.json", ".epub", ".karaoke.vtt", ".html")
    }
    assert '<source src="fox.mp3"' in (tmp_path / "out" / "fox.html").read_text(encoding="utf-8")


def test_only_what_changed_is_narrated_again(story: Path, tmp_path: Path) -> None:
    """A story is skipped if text, options and files are as they were, unless an option says else."""
    out = tmp_path / "out"

    def narrated(*options: str) -> bool:
        done = run("speak", tmp_path, "-o", out, "--json", *options)
        assert done.returncode == 0, done.stderr
        (entry,) = json.loads(done.stdout)
        said = [line for line in done.stderr.splitlines() if line.startswith("skipped: ")]
        assert said == ([f"skipped: {entry['skipped']}"] if "skipped" in entry else [])
        return "skipped" not in entry

    assert narrated()
    assert not narrated()
    assert narrated("--speed", "1.1")
    assert not narrated("--no-clobber")
    assert narrated("--force", "--speed", "1.1")
    (out / "fox.srt").unlink()
    assert not narrated("--no-clobber", "--speed", "1.1")
    assert narrated("--speed", "1.1")
    story.write_text("Another.", encoding="utf-8")
    assert narrated("--speed", "1.1")
    assert run("speak", story, "--force", "--no-clobber").returncode == 2


def test_one_bad_story_does_not_stop_the_others(story: Path, tmp_path: Path) -> None:
    """Each failure is one line that names its file; the rest is told; the exit code says that one failed."""
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    empty = tmp_path / "empty.txt"
    empty.write_text("  \n", encoding="utf-8")
    done = run("speak", tmp_path / "none.txt", latin, empty, story, "-o", tmp_path / "out")
    assert done.returncode == 1
    errors = done.stderr.splitlines()
    assert len(errors) == 3
    assert [
        all(word in error for word in words)
        for error, words in zip(
            errors,
            [("none.txt", "no such file"), ("latin.txt", "not UTF-8 (byte 4)"), ("empty.txt", "nothing")],
            strict=True,
        )
    ] == [True] * 3
    assert names(tmp_path / "out") == FILES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--voice", "af_haert"], "did you mean af_heart"),
        (["--voice", "../x"], "no voice"),
        (["--engine", "festival"], "festival"),
        (["--speed", "3"], "speed"),
        (["--speed", "nan"], "speed"),
        (["--format", "ogg"], "wav, opus, mp3, flac"),
        (["-o", "/proc/nowhere"], "/proc/nowhere"),
    ],
)
def test_a_wrong_command_says_what_is_wrong(story: Path, options: list[str], said: str) -> None:
    """A fault in the command ends with exit code 2, names itself, and shows no stack."""
    done = run("speak", story, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_media_are_not_written_twice(story: Path, tmp_path: Path) -> None:
    """Two stories of one name would overwrite each other, which is said before any work."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "fox.txt").write_text("Another.", encoding="utf-8")
    done = run("speak", story, other / "fox.txt", "-o", tmp_path / "out")
    assert (done.returncode, "fox.wav" in done.stderr) == (2, True)


@pytest.fixture
def speaking(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start to speak a long story into tmp_path/out, where an earlier run left its media."""
    story = tmp_path / "fox.txt"
    story.write_text(STORY * 8000, encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    (out / "fox.wav").write_bytes(b"of an earlier run")
    with subprocess.Popen(
        # What runs the tests in the background may have told them to ignore Ctrl-C, and that is inherited.
        ["env", "--default-signal=INT", *COMMAND, "speak", str(story), "-o", str(out)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        while not any(path.stat().st_size for path in out.glob(".story-tts/*/*/audio.wav")):
            assert process.poll() is None
            os.sched_yield()
        yield process
        with suppress(ProcessLookupError):
            process.kill()


def children(pid: int) -> list[int]:
    """Return the processes that `pid` started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(each) for path in found for each in path.read_text(encoding="ascii").split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_leaves_nothing_behind(
    speaking: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C and its kin: no process, no partial file, and what was there before untouched."""
    (child,) = children(speaking.pid)
    speaking.send_signal(number)
    _, errors = speaking.communicate()
    assert speaking.returncode == 130
    assert b"Traceback" not in errors
    assert not Path(f"/proc/{child}").exists()
    assert names(tmp_path / "out") == {"fox.wav"}
    assert (tmp_path / "out" / "fox.wav").read_bytes() == b"of an earlier run"


def test_after_ctrl_c_the_same_command_goes_on(tmp_path: Path) -> None:
    """The second run says what it reuses, and its media equal those of a run that starts afresh."""
    story, out, segments = tmp_path / "fox.txt", tmp_path / "out", Path(os.environ["WORK_DIR"]) / "segments"
    story.write_text(STORY * 150, encoding="utf-8")
    arguments = ("speak", story, "-o", out, "--json")
    with subprocess.Popen(
        ["env", "--default-signal=INT", *COMMAND, *map(str, arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"SEGMENT_SECS": "30"},
    ) as process:
        while not list(segments.glob("*.segment")):
            assert process.poll() is None
            os.sched_yield()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, b"Traceback" in errors) == (130, False)
    assert not list(out.iterdir())
    assert not list(segments.glob("*.part"))

    resumed = run(*arguments, SEGMENT_SECS="30")
    assert "of audio is kept from an earlier run" in resumed.stderr
    (entry,) = json.loads(resumed.stdout)
    assert 0 < entry["segments_reused"] < entry["segments"]
    media = {path.name: path.read_bytes() for path in out.iterdir()}
    afresh = run(*arguments, "--no-resume", SEGMENT_SECS="30")
    (entry,) = json.loads(afresh.stdout)
    assert (entry["segments_reused"], afresh.stderr) == (0, "")
    assert media == {path.name: path.read_bytes() for path in out.iterdir()}


def test_without_a_folder_for_segments_a_story_is_narrated(story: Path, tmp_path: Path) -> None:
    """A WORK_DIR that cannot be used costs the resumption only, and says why."""
    done = run("speak", story, "-o", tmp_path / "out", WORK_DIR="/proc/nowhere")
    assert done.returncode == 0
    assert "/proc/nowhere" in done.stderr
    assert names(tmp_path / "out") == FILES


def test_what_a_killed_run_left_the_next_one_removes(
    speaking: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """SIGKILL lets nobody tidy up; the next run into the folder does."""
    speaking.kill()
    speaking.wait()
    assert ".story-tts" in names(tmp_path / "out")
    (tmp_path / "fox.txt").write_text(STORY, encoding="utf-8")
    assert run("speak", tmp_path / "fox.txt", "-o", tmp_path / "out").returncode == 0
    assert names(tmp_path / "out") == FILES


def test_voices_are_listed_by_language() -> None:
    """People see all voices of the engine, in the language that they speak."""
    listed = run("voices", "--engine", "kokoro").stdout
    assert all(name in listed for name in KOKORO_VOICES)
    assert "Hindi" in listed


def test_voices_are_listed_for_scripts() -> None:
    """With --json each voice has its name, language and sex."""
    entries = json.loads(run("voices", "--engine", "kokoro", "--json").stdout)
    assert {entry["name"] for entry in entries} == set(KOKORO_VOICES)
    assert {"name": "af_heart", "language": "English (American)", "sex": "female"} in entries


def test_help_loads_nothing_heavy() -> None:
    """Help answers from typer alone: no engine, no numbers, no cloud, no settings are imported for it."""
    code = (
        "import sys; sys.argv = ['story-tts', '--help']\n"
        "from app.cli.app import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'boto3', 'botocore', 'pydantic', 'structlog', 'uvicorn', 'moto',"
        " 'torch', 'soundfile', 'pysubs2'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "engine", "chosen"),
    [
        ([], "", "espeak"),
        ([], "espeak", "espeak"),
        ([], "kokoro", "kokoro"),
        (["--engine", "kokoro"], "espeak", "kokoro"),
        (["--engine", "espeak"], "kokoro", "espeak"),
    ],
)
def test_the_engine_comes_from_the_option_else_the_environment(
    options: list[str], engine: str, chosen: str
) -> None:
    """--engine wins over SPEECH_ENGINE, and without both it is espeak, which every installation has."""
    listed = CliRunner().invoke(app, ["voices", "--json", *options], env={"SPEECH_ENGINE": engine})
    assert listed.exit_code == 0, listed.output
    assert {entry["name"] for entry in json.loads(listed.stdout)} == set(ENGINES[chosen].voices)


@pytest.mark.parametrize("command", ["speak", "voices", "demo", "local"])
def test_an_unknown_engine_in_the_environment_is_named(command: str, story: Path) -> None:
    """The error says which variable is wrong, before anything is started."""
    arguments = [command, str(story)] if command == "speak" else [command]
    done = CliRunner().invoke(app, arguments, env={"SPEECH_ENGINE": "festival"})
    assert done.exit_code == 2
    assert "SPEECH_ENGINE" in done.output
    assert "festival" in done.output


def test_speak_takes_engine_and_voice_from_the_environment(story: Path, tmp_path: Path) -> None:
    """The variables of the worker hold for `speak` too."""
    voiced = run("speak", story, "-o", tmp_path / "voiced", "--json", KOKORO_VOICE="bf_emma")
    (entry,) = json.loads(voiced.stdout)
    assert (entry["engine"], entry["voice"]) == ("espeak", "bf_emma")

    # The engine cannot be loaded from an empty folder, whether its packages are installed or not.
    kokoro = run("speak", story, "-o", tmp_path / "out", SPEECH_ENGINE="kokoro", MODELS_DIR=str(tmp_path))
    assert kokoro.returncode != 0
    assert not list((tmp_path / "out").glob("*.wav"))


def test_completion_offers_voices() -> None:
    """The shell completes a voice that was begun, of the engine named before it."""
    environment = {**os.environ, "_STORY_TTS_COMPLETE": "complete_bash", "COMP_CWORD": "6"}
    environment["COMP_WORDS"] = "story-tts speak x.txt --engine kokoro --voice bf_e"
    script = Path(sys.executable).with_name("story-tts")
    done = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["bf_emma"]
