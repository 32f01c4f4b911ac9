"""
Sends a short story through a deployed service and checks the rows and media that it leaves.

Rows and media under `smoke-...` are not removed: a worker's role has no permission to delete.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.aws.objects import Digest, Objects
from app.aws.rows import Row
from app.client.submission import JobState, JobStatus, Submitter
from app.job import S3Address
from app.media import AUDIO, MEDIA, SRT, VTT, WORDS, MediaKind, TaskRow

if TYPE_CHECKING:
    import pysubs2

STORY = """\
The lamp was lit before the ship came in. "Who is there?" asked the keeper, and nobody answered.

At dawn, 3 boats lay on the sand; their sails were dry, and the kettle was still warm."""
"""Two paragraphs with direct speech and a number, about ten seconds of audio."""
POLL_SECS = 0.5
DURATION_TOLERANCE_SECS = 0.01
SAMPLE_RATES = (24_000, 22_050)
"""Sample rates of Kokoro and of espeak-ng, in Hz."""
# Attributes of a row in progress, which a finished row must not have.
UNFINISHED = ("sparse_gsi_hash_key", "lease_owner", "lease_expires_at")
WORD_JOINER = "\u2060"


class _FailedError(Exception):
    """A check failed; the message is its finding."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    ok: bool
    found: str


@dataclass(frozen=True, slots=True)
class Timings:
    """How long the story took, in seconds, to the accuracy of one poll."""

    waited_secs: float
    """From the submission until the job was last seen waiting."""
    narrated_secs: float
    """From then until both rows were completed."""
    audio_secs: float
    """Length of the audio."""

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio."""
        return self.narrated_secs / self.audio_secs if self.audio_secs else 0.0


@dataclass(frozen=True, slots=True)
class SmokeRun:
    """The story's final status, and when it changed."""

    job_status: JobStatus
    waited_secs: float
    ended_secs: float

    @property
    def is_timed_out(self) -> bool:
        """Whether the time limit passed before the story ended."""
        return not self.job_status.is_over

    @property
    def timings(self) -> Timings:
        """The times of waiting and narrating."""
        return Timings(
            waited_secs=self.waited_secs,
            narrated_secs=self.ended_secs - self.waited_secs,
            audio_secs=float(self.job_status.audio.get("duration_seconds", 0)),
        )


def send_story(
    submitter: Submitter, *, timeout_secs: float, on_progress: Callable[[JobStatus], None]
) -> SmokeRun:
    """Submit the story and follow it until it ends or the time limit passes. Raises InfrastructureError."""
    submission = submitter.send(submitter.prepare(STORY, name="smoke", parent_id=f"smoke-{uuid4().hex[:16]}"))
    began = time.monotonic()
    waited = 0.0
    while True:
        (job_status,) = submitter.job_statuses([submission])
        now = time.monotonic() - began
        if job_status.state is JobState.WAITING:
            waited = now
        on_progress(job_status)
        if job_status.is_over or now > timeout_secs:
            return SmokeRun(job_status, waited, now)
        time.sleep(POLL_SECS)


def run_checks(run: SmokeRun, objects: Objects) -> Iterator[Check]:
    """
    Check the rows, then the media, of a completed story, and yield one result per row and object.

    A check stops at the first fault of its object. Raises InfrastructureError if AWS does not answer.
    """
    job_status = run.job_status
    yield _checked("story", lambda: _story(job_status))
    if job_status.state is not JobState.COMPLETED:
        return
    for name, row in (("audio row", job_status.audio), ("subtitles row", job_status.subtitles)):
        yield _checked(name, lambda row=row: _row(row))  # type: ignore[misc]
    with tempfile.TemporaryDirectory(prefix="story-tts-smoke-") as folder:
        media = _Media(objects, Path(folder), audio=job_status.audio, subtitles=job_status.subtitles)
        for name, check in media.checks:
            yield _checked(name, check)


def _checked(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, found=check())
    except _FailedError as error:
        return Check(name, ok=False, found=str(error))


def _story(job_status: JobStatus) -> str:
    if job_status.state is JobState.FAILED:
        raise _FailedError(job_status.reason)
    if job_status.state is not JobState.COMPLETED:
        raise _FailedError(f"still {job_status.state.value} when the time limit passed")
    return f"{job_status.submission.audio.id} completed"


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
    """Checks of a story's objects, which are downloaded into `folder` one at a time."""

    def __init__(self, objects: Objects, folder: Path, *, audio: Row, subtitles: Row) -> None:
        self._objects = objects
        self._folder = folder
        self._rows: Mapping[TaskRow, Row] = {TaskRow.AUDIO: audio, TaskRow.SUBTITLES: subtitles}
        self._secs = float(audio.get("duration_seconds", 0))
        self.checks: Sequence[tuple[str, Callable[[], str]]] = [
            (kind.name, partial(self._check, kind)) for kind in MEDIA
        ]
        self._readers: Mapping[str, Callable[[Path], str]] = {
            AUDIO.content_type: self._read_wav,
            SRT.content_type: self._read_cues,
            VTT.content_type: self._read_cues,
            WORDS.content_type: self._read_words,
        }

    def _check(self, kind: MediaKind) -> str:
        path, size = self._fetched(kind)
        read = self._readers.get(kind.content_type)
        return f"{read(path) if read else kind.content_type}, {size:,} bytes"

    def _read_wav(self, path: Path) -> str:
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415  # a native library

        try:
            wav = soundfile.info(str(path))
        except soundfile.LibsndfileError:
            raise _FailedError("not a WAV file") from None
        shape = (wav.channels, wav.subtype, wav.samplerate in SAMPLE_RATES)
        if shape != (1, "PCM_16", True):
            raise _FailedError(f"{wav.channels} channels of {wav.subtype} at {wav.samplerate} Hz")
        if abs(wav.duration - self._secs) > DURATION_TOLERANCE_SECS:
            raise _FailedError(f"{wav.duration:.2f} s long, but {self._secs:.2f} s in its row")
        return f"{wav.duration:.1f} s, mono, 16 bit, {wav.samplerate} Hz"

    def _read_words(self, path: Path) -> str:
        try:
            words: list[dict[str, Any]] = json.loads(path.read_bytes())["words"]
            spelled = "".join(STORY[slice(*word["span"])] for word in words)
            ends = [float(word["end"]) for word in words]
        except (ValueError, KeyError, TypeError):
            raise _FailedError("not a words.json file") from None
        if spelled != "".join(STORY.split()):
            raise _FailedError("its spans do not cover the story")
        if ends != sorted(ends) or ends[-1] > self._secs + DURATION_TOLERANCE_SECS:
            raise _FailedError("its times are out of order or exceed the audio")
        return f"{len(words)} words"

    def _fetched(self, kind: MediaKind) -> tuple[Path, int]:
        """Download the object of `kind`, check its type and digest, and return its path and size."""
        row = self._rows[kind.row]
        if not row.get(kind.attribute):
            raise _FailedError(f"the row has no {kind.attribute}")
        address = S3Address.parse(str(row[kind.attribute]))
        found = self._objects.find(address)
        if found is None:
            raise _FailedError(f"{address.uri} does not exist")
        if found.content_type != kind.content_type:
            raise _FailedError(f"its content type is {found.content_type}, not {kind.content_type}")
        path = self._folder / Path(address.key).name
        size = self._objects.download(address, path)
        if size != found.size or size == 0:
            raise _FailedError(f"{size:,} of {found.size:,} bytes received")
        if kind.is_primary and Digest.of(path).hex != row.get("media_sha256"):
            raise _FailedError("its digest differs from media_sha256 in the row")
        return path, size

    def _read_cues(self, path: Path) -> str:
        cues = _parsed(path)
        shown = " ".join(cue.plaintext.replace(WORD_JOINER, "") for cue in cues).split()
        if shown != STORY.split():
            raise _FailedError("its text differs from the story's")
        times = [time for cue in cues for time in (cue.start, cue.end)]
        # The last cue may end after the audio, so that it can be read, but must not begin after it.
        if times != sorted(times) or cues[-1].start / 1000 > self._secs:
            raise _FailedError("its cues overlap or begin after the audio")
        return f"{len(cues)} cues with the full text"


def _parsed(path: Path) -> "pysubs2.SSAFile":
    import pysubs2  # noqa: PLC0415  # only needed to read subtitles back

    try:
        return pysubs2.load(str(path), encoding="utf-8")
    except (pysubs2.Pysubs2Error, ValueError):
        raise _FailedError("not readable as subtitles") from None
