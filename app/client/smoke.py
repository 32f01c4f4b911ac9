"""
Is a deployed service well? A short story goes through it, and what it left is looked at, piece by piece.

Nothing is removed afterwards: rows and media under `smoke-...` stay, as a worker's role may delete nothing.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from app.aws.objects import CONTENT_TYPES, Digest, Objects
from app.aws.tasks import Row
from app.client.submission import Standing, State, Submitter
from app.job import S3Address

if TYPE_CHECKING:
    import pysubs2

STORY = """\
The lamp was lit before the ship came in. "Who is there?" asked the keeper, and nobody answered.

At dawn, 3 boats lay on the sand; their sails were dry, and the kettle was still warm."""
"""Two paragraphs, direct speech, a number: about ten seconds of audio."""
POLL_SECS = 0.5
DURATION_TOLERANCE_SECS = 0.01
SAMPLE_RATES = (24_000, 22_050)
"""Of Kokoro and of espeak-ng, in Hz."""
# What a finished row must not have any more: it would be taken for work in progress.
UNFINISHED = ("sparse_gsi_hash_key", "lease_owner", "lease_expires_at")
WORD_JOINER = "\u2060"


class _FailedError(Exception):
    """A check found something that should not be so; the message says what."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the story took, in seconds as this process saw it, give or take one poll."""

    waited_secs: float
    """From the submission until it was last seen waiting."""
    narrated_secs: float
    """From then until both rows were complete."""
    audio_secs: float
    """Length of the audio."""

    @property
    def real_time_factor(self) -> float:
        """Seconds of work for a second of audio."""
        return self.narrated_secs / self.audio_secs if self.audio_secs else 0.0


@dataclass(frozen=True, slots=True)
class Passage:
    """How the story went through: its last standing, and when it changed."""

    standing: Standing
    waited_secs: float
    ended_secs: float

    @property
    def is_timed_out(self) -> bool:
        """Whether the time was up before the story was over."""
        return not self.standing.is_over

    @property
    def timings(self) -> Timings:
        """Waiting and narrating, apart."""
        return Timings(
            waited_secs=self.waited_secs,
            narrated_secs=self.ended_secs - self.waited_secs,
            audio_secs=float(self.standing.audio.get("duration_seconds", 0)),
        )


def send_story(
    submitter: Submitter, *, timeout_secs: float, on_progress: Callable[[Standing], None]
) -> Passage:
    """Submit the story and follow it until it is over or the time is up. Raises InfrastructureError."""
    submission = submitter.submit(STORY, name="smoke", parent_id=f"smoke-{uuid4().hex[:16]}")
    began = time.monotonic()
    waited = 0.0
    while True:
        (standing,) = submitter.standings([submission])
        now = time.monotonic() - began
        if standing.state is State.WAITING:
            waited = now
        on_progress(standing)
        if standing.is_over or now > timeout_secs:
            return Passage(standing, waited, now)
        time.sleep(POLL_SECS)


def look_at(passage: Passage, objects: Objects) -> Iterator[Check]:
    """
    Yield a check a thing that a completed story must have left, rows first.

    The checks of one object stop at its first fault. Raises InfrastructureError where AWS cannot be asked.
    """
    standing = passage.standing
    yield _checked("story", lambda: _story(standing))
    if standing.state is not State.COMPLETED:
        return
    for name, row in (("audio row", standing.audio), ("subtitles row", standing.subtitles)):
        yield _checked(name, lambda row=row: _row(row))  # type: ignore[misc]
    with tempfile.TemporaryDirectory(prefix="story-tts-smoke-") as folder:
        media = _Media(objects, Path(folder), audio=standing.audio, subtitles=standing.subtitles)
        for name, check in media.checks:
            yield _checked(name, check)


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, found=check())
    except _FailedError as error:
        return Check(name, ok=False, found=str(error))


def _story(standing: Standing) -> str:
    if standing.state is State.FAILED:
        raise _FailedError(standing.reason)
    if standing.state is not State.COMPLETED:
        raise _FailedError(f"still {standing.state.value} when the time was up")
    return f"{standing.submission.audio.id} completed"


def _row(row: Row) -> str:
    if row.get("status") != "COMPLETED":
        raise _FailedError(f"status is {row.get('status')}")
    absent = [name for name in ("media_url", "media_sha256", "duration_seconds") if not row.get(name)]
    if absent:
        raise _FailedError(f"{', '.join(absent)} missing")
    if left := [name for name in UNFINISHED if name in row]:
        raise _FailedError(f"{', '.join(left)} left behind")
    timed_by = f", words timed by {row['alignment']}" if row.get("alignment") else ""
    return f"COMPLETED, {row.get('engine')} as {row.get('voice')}{timed_by}"


class _Media:
    """The objects of one story, fetched one after another into `folder`, and what they must hold."""

    def __init__(self, objects: Objects, folder: Path, *, audio: Row, subtitles: Row) -> None:
        self._objects = objects
        self._folder = folder
        self._audio = audio
        self._subtitles = subtitles
        self._secs = float(audio.get("duration_seconds", 0))
        self.checks: Sequence[tuple[str, Callable[[], str]]] = (
            ("audio", self._wav),
            ("SubRip", self._srt),
            ("WebVTT", self._vtt),
            ("words", self._words),
        )

    def _wav(self) -> str:
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415  # a native library

        path, size = self._fetched(self._audio, "media_url", digest="media_sha256")
        try:
            wav = soundfile.info(str(path))
        except soundfile.LibsndfileError:
            raise _FailedError("is no WAV file") from None
        shape = (wav.channels, wav.subtype, wav.samplerate in SAMPLE_RATES)
        if shape != (1, "PCM_16", True):
            raise _FailedError(f"{wav.channels} channels of {wav.subtype} at {wav.samplerate} Hz")
        if abs(wav.duration - self._secs) > DURATION_TOLERANCE_SECS:
            raise _FailedError(f"{wav.duration:.2f} s long, and {self._secs:.2f} s in its row")
        return f"{wav.duration:.1f} s, {size:,} bytes, mono, 16 bit, {wav.samplerate} Hz"

    def _srt(self) -> str:
        path, size = self._fetched(self._subtitles, "media_url", digest="media_sha256")
        return f"{self._read_cues(path)}, {size:,} bytes"

    def _vtt(self) -> str:
        path, size = self._fetched(self._subtitles, "vtt_url")
        return f"{self._read_cues(path)}, {size:,} bytes"

    def _words(self) -> str:
        path, size = self._fetched(self._subtitles, "words_url")
        try:
            words: list[dict[str, Any]] = json.loads(path.read_bytes())["words"]
            spelled = "".join(STORY[slice(*word["span"])] for word in words)
            ends = [float(word["end"]) for word in words]
        except (ValueError, KeyError, TypeError):
            raise _FailedError("is no words.json") from None
        if spelled != "".join(STORY.split()):
            raise _FailedError("its spans do not cover the story")
        if ends != sorted(ends) or ends[-1] > self._secs + DURATION_TOLERANCE_SECS:
            raise _FailedError("its times are not in order, or go beyond the audio")
        return f"{len(words)} words, {size:,} bytes"

    def _fetched(self, row: Row, column: str, *, digest: str | None = None) -> tuple[Path, int]:
        """Return the object that `column` names, with its size, once type and digest proved right."""
        if not row.get(column):
            raise _FailedError(f"the row has no {column}")
        url = urlsplit(str(row[column]))
        address = S3Address(url.netloc, url.path[1:])
        found = self._objects.find(address)
        if found is None:
            raise _FailedError(f"there is no {address.uri}")
        wanted = CONTENT_TYPES[Path(address.key).suffix]
        if found.content_type != wanted:
            raise _FailedError(f"its content type is {found.content_type}, not {wanted}")
        path = self._folder / Path(address.key).name
        size = self._objects.download(address, path)
        if size != found.size or size == 0:
            raise _FailedError(f"{size:,} bytes came of {found.size:,}")
        if digest is not None and Digest.of(path).hex != row.get(digest):
            raise _FailedError(f"its bytes are not those of {digest} in the row")
        return path, size

    def _read_cues(self, path: Path) -> str:
        cues = _parsed(path)
        shown = " ".join(cue.plaintext.replace(WORD_JOINER, "") for cue in cues).split()
        if shown != STORY.split():
            raise _FailedError("its text is not the story's")
        times = [time for cue in cues for time in (cue.start, cue.end)]
        # The last cue may stay longer than the audio, to be read; it may not begin after it.
        if times != sorted(times) or cues[-1].start / 1000 > self._secs:
            raise _FailedError("its cues overlap, or begin after the audio")
        return f"{len(cues)} cues, the story to the letter"


def _parsed(path: Path) -> "pysubs2.SSAFile":
    import pysubs2  # noqa: PLC0415  # for subtitles that are read back, here and in `demo`

    try:
        return pysubs2.load(str(path), encoding="utf-8")
    except (pysubs2.Pysubs2Error, ValueError):
        raise _FailedError("cannot be read as subtitles") from None
