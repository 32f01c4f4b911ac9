"""
What interruptions and edits cost: a story of two hours is killed again and again, then edited in one place.

Speech is espeak-ng's, in real speech processes that are killed with SIGKILL. A kill comes after as much audio
as ten minutes of Kokoro's work make. Synthesis is counted in seconds of audio, that of killed processes
included, because espeak-ng is so fast that the start of a process would count for more than its work. Audio
and subtitles must be the same to the byte. The last line is the result; the exit code is 1 if it misses the
target.
"""

import hashlib
import random
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from os import kill
from pathlib import Path

from app.errors import EngineDiedError
from app.narration.base import Narration, Progress, Request
from app.narration.options import NarrationOptions
from app.speech_process.client import SpeechProcess

AUDIO_SECS = 2 * 3600.0
WORK_SECS = 600.0
KOKORO_FACTOR = 0.75
"""Processor seconds of Kokoro and WhisperX per second of audio: `make bench-cost`."""
PARAGRAPHS = 200
TARGET = 1.15
VOCABULARY = (
    *("the", "a", "one", "his", "her", "old", "quiet", "river", "house", "garden", "winter", "morning"),
    *("letter", "window", "lamp", "road", "stranger", "daughter", "captain", "village", "promise", "story"),
    *("answered", "waited", "remembered", "carried", "opened", "followed", "never", "slowly", "again"),
    *("before", "after", "under", "beyond", "and", "but", "while", "because", "nothing", "home", "stone"),
)
BYTES_PER_SEC = 2 * 22_050
OPTIONS = NarrationOptions(engine="espeak", voice="af_heart")


@dataclass
class Cost:
    """What one or several attempts at a narration took."""

    synthesized_secs: float = 0.0
    """Seconds of audio that were synthesized, what was lost included."""
    kills: int = 0
    narration: Narration | None = None
    digests: tuple[str, ...] = ()


def main() -> None:
    """Run the three narrations and compare them."""
    paragraphs = story()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with SpeechProcess(options=OPTIONS) as speech:
            undisturbed = narrate(speech, paragraphs, folder, segments=folder / "undisturbed")
            killed = narrate_killed(speech, paragraphs, folder, segments=folder / "killed")
            edited = list(paragraphs)
            edited[PARAGRAPHS // 2] = "An editor replaced this paragraph. Nothing else in the story changed."
            again = narrate(speech, edited, folder, segments=folder / "undisturbed")
            afresh = narrate(speech, edited, folder, segments=folder / "afresh")
    show("undisturbed", undisturbed)
    show(f"killed {killed.kills} times", killed)
    show("one paragraph edited", again)
    is_identical = undisturbed.digests == killed.digests and again.digests == afresh.digests
    share = again.synthesized_secs / undisturbed.synthesized_secs
    print(f"the edited story took {share:.1%} of the synthesis of a whole one")
    ratio = killed.synthesized_secs / undisturbed.synthesized_secs
    print(f"{ratio:.2f} times an undisturbed run, {'identical' if is_identical else 'DIFFERENT'}")
    sys.exit(0 if is_identical and ratio <= TARGET else 1)


def story() -> list[str]:
    """Return paragraphs of about two hours: random words, the same in every run."""
    source = random.Random(14)  # noqa: S311 - repeatable, not secret
    sentences = round(AUDIO_SECS / PARAGRAPHS / 5.0)
    return [" ".join(_sentence(source) for _ in range(sentences)) for _ in range(PARAGRAPHS)]


def _sentence(source: random.Random) -> str:
    words = [source.choice(VOCABULARY) for _ in range(source.randint(7, 17))]
    return " ".join(words).capitalize() + "."


def narrate(
    speech: SpeechProcess,
    paragraphs: list[str],
    folder: Path,
    *,
    segments: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Cost:
    """Narrate a story with its segments in a folder."""
    segments.mkdir(exist_ok=True)
    job = Path(tempfile.mkdtemp(dir=folder))
    request = Request(text="\n\n".join(paragraphs), folder=job, options=OPTIONS, segments=segments)
    try:
        narration = speech.narrate(request, on_progress=on_progress, cancel=threading.Event())
        digests = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in narration.media.values())
        return Cost(narration.duration_secs - narration.reused_secs, 0, narration, digests)
    finally:
        shutil.rmtree(job)


def narrate_killed(speech: SpeechProcess, paragraphs: list[str], folder: Path, *, segments: Path) -> Cost:
    """Narrate a story whose speech process is killed after each `WORK_SECS` of work."""
    allowed = WORK_SECS / KOKORO_FACTOR
    total = Cost()

    def watch(progress: Progress) -> None:
        if progress.audio_secs - progress.reused_secs >= allowed and speech.pid:
            kill(speech.pid, signal.SIGKILL)

    while True:
        before = stored_secs(segments)
        try:
            done = narrate(speech, paragraphs, folder, segments=segments, on_progress=watch)
        except EngineDiedError:
            total.kills += 1
            total.synthesized_secs += stored_secs(segments) - before
            for part in segments.glob("*.part"):
                # What the killed process had of a segment is lost.
                total.synthesized_secs += part.stat().st_size / BYTES_PER_SEC
                part.unlink()
        else:
            total.synthesized_secs += done.synthesized_secs
            total.narration, total.digests = done.narration, done.digests
            return total


def stored_secs(segments: Path) -> float:
    """Return how much audio the finished segments hold."""
    if not segments.exists():
        return 0.0
    return sum(path.stat().st_size for path in segments.glob("*.segment")) / BYTES_PER_SEC


def show(name: str, cost: Cost) -> None:
    """Print a line about a narration."""
    narration = cost.narration
    if narration is None:
        raise RuntimeError(name)
    print(
        f"{name}: {narration.duration_secs / 60:.0f} minutes of audio, {cost.synthesized_secs / 60:.0f}"
        f" synthesized; the last attempt reused {narration.segments_reused} of {narration.segments} segments"
    )


if __name__ == "__main__":
    main()
