"""What the smoke check looks at: it is content with what a real worker left, and with nothing less."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from app.aws.objects import Objects
from app.aws.session import AwsClients
from app.bootstrap import build_submitter
from app.client.smoke import STORY, Check, Passage, look_at, send_story
from app.local.emulator import REGION
from app.local.platform import Platform, create_platform
from app.settings import Settings
from tests.workers import PATIENCE_SECS, worker


@dataclass(frozen=True)
class Narrated:
    """A story that a worker narrated, and where."""

    platform: Platform
    passage: Passage
    objects: Objects

    def checks(self, **changes: Any) -> dict[str, Check]:
        """Look at it, with other rows where asked to."""
        passage = replace(self.passage, job_status=replace(self.passage.job_status, **changes))
        return {check.name: check for check in look_at(passage, self.objects)}

    def key(self, column: str, row: str = "subtitles") -> str:
        """Return the key of one of its objects."""
        url = str(getattr(self.passage.job_status, row)[column])
        return url.removeprefix(f"s3://{self.platform.bucket}/")


@pytest.fixture(scope="module")
def narrated(aws: str) -> Iterator[Narrated]:
    """One story through a real worker, for all that is looked at here."""
    platform = create_platform(aws, suffix=f"-{uuid4().hex[:12]}")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in platform.environment().items():
            environment.setenv(name, value)
        clients = AwsClients(region=REGION)
        submitter = build_submitter(Settings.read(), clients)
        with worker(platform):
            passage = send_story(submitter, timeout_secs=PATIENCE_SECS, on_progress=lambda _: None)
        yield Narrated(platform, passage, Objects(s3=clients.client("s3")))


@pytest.mark.slow
def test_what_a_worker_left_is_all_well(narrated: Narrated) -> None:
    """Rows, audio, subtitles in both formats and words pass, and the timings are those of this story."""
    checks = narrated.checks()

    assert [check.found for check in checks.values() if not check.ok] == []
    assert list(checks) == ["story", "audio row", "subtitles row", "audio", "srt", "vtt", "words"]
    assert narrated.passage.timings.audio_secs == pytest.approx(
        float(narrated.passage.job_status.audio["duration_seconds"])
    )
    assert narrated.passage.timings.waited_secs <= narrated.passage.ended_secs


@pytest.fixture
def damaged(narrated: Narrated) -> Iterator[Any]:
    """Replace one object for one test."""
    s3 = narrated.platform.client("s3")
    kept: list[tuple[str, bytes, str]] = []

    def replace_object(key: str, content: bytes | None, content_type: str | None = None) -> None:
        there = s3.get_object(Bucket=narrated.platform.bucket, Key=key)
        kept.append((key, there["Body"].read(), there["ContentType"]))
        if content is None:
            s3.delete_object(Bucket=narrated.platform.bucket, Key=key)
        else:
            s3.put_object(
                Bucket=narrated.platform.bucket,
                Key=key,
                Body=content or kept[-1][1],
                ContentType=content_type or there["ContentType"],
            )

    yield replace_object
    for key, content, content_type in kept:
        s3.put_object(Bucket=narrated.platform.bucket, Key=key, Body=content, ContentType=content_type)


WORDS = {"words": [{"text": "The", "start": 0.0, "end": 0.2, "span": [0, 3]}]}
SRT = b"1\n00:00:00,000 --> 00:00:01,000\nThe lamp was out.\n\n"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What is done to one object, and what is then said."""

    check: str
    column: str = "media_url"
    content: bytes | None = b""
    """None deletes it, nothing leaves it as it is."""
    content_type: str | None = None
    said: str

    @property
    def row(self) -> str:
        """The row that names the object."""
        return "audio" if self.check == "audio" else "subtitles"


VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nThe lamp was out.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        Damage(check="audio", content=None, said="there is no s3://"),
        Damage(check="audio", content_type="audio/mpeg", said="audio/mpeg"),
        Damage(check="audio", content=b"RIFF", said="not those of media_sha256"),
        Damage(check="srt", content=SRT, said="not those of media_sha256"),
        Damage(check="vtt", column="vtt_url", content=VTT, said="not the story's"),
        Damage(check="vtt", column="vtt_url", content=b"no subtitles", said="cannot be read"),
        Damage(check="words", column="words_url", content=json.dumps(WORDS).encode(), said="do not cover"),
        Damage(check="words", column="words_url", content=b"{", said="no words.json"),
    ],
    ids=lambda damage: f"{damage.check}: {damage.said}",
)
def test_damaged_media_are_found(narrated: Narrated, damaged: Any, damage: Damage) -> None:
    """What is missing, mistyped, altered or of another story fails its own check, which says what is so."""
    damaged(narrated.key(damage.column, damage.row), damage.content, damage.content_type)

    checks = narrated.checks()

    assert [name for name, found in checks.items() if not found.ok] == [damage.check]
    assert damage.said in checks[damage.check].found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"media_sha256": None}, "media_sha256 missing"),
        ({"sparse_gsi_hash_key": "x"}, "sparse_gsi_hash_key left behind"),
        ({"status": "IN_PROGRESS"}, "status is IN_PROGRESS"),
    ],
)
def test_rows_that_are_not_finished_are_found(narrated: Narrated, change: dict[str, Any], said: str) -> None:
    """A row lacks nothing that later services read, and holds nothing that marks it as work in progress."""
    checks = narrated.checks(subtitles=narrated.passage.job_status.subtitles | change)

    assert (checks["subtitles row"].ok, said in checks["subtitles row"].found) == (False, True)


@pytest.mark.slow
def test_a_row_that_lies_about_its_audio_is_found(narrated: Narrated) -> None:
    """The length in the row is the length of the audio."""
    longer = narrated.passage.job_status.audio | {"duration_seconds": 60}

    assert "60.00 s in its row" in narrated.checks(audio=longer)["audio"].found


def test_the_story_has_two_paragraphs() -> None:
    """The story goes through sentence and paragraph pauses alike."""
    assert len(STORY.split("\n\n")) == 2
