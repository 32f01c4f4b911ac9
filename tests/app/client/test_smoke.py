"""The smoke check accepts what a real worker leaves, and rejects everything else."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from app.aws.objects import Objects
from app.aws.session import AwsClients
from app.bootstrap import build_submitter
from app.client.smoke import Check, SmokeRun, run_checks, send_story
from app.local.emulator import REGION
from app.local.platform import Platform, create_platform
from app.media import MEDIA
from app.settings import Settings
from tests.workers import PATIENCE_SECS, worker


@dataclass(frozen=True)
class Narrated:
    """A story that a worker has narrated, and its platform."""

    platform: Platform
    run: SmokeRun
    objects: Objects

    def checks(self, **changes: Any) -> dict[str, Check]:
        """Return the checks by name, after changing attributes of the job status."""
        run = replace(self.run, job_status=replace(self.run.job_status, **changes))
        return {check.name: check for check in run_checks(run, self.objects)}

    def key(self, column: str, row: str = "subtitles") -> str:
        """Return the key of one of its objects."""
        url = str(getattr(self.run.job_status, row)[column])
        return url.removeprefix(f"s3://{self.platform.bucket}/")


@pytest.fixture(scope="module")
def narrated(aws: str) -> Iterator[Narrated]:
    """Send one story through a real worker."""
    platform = create_platform(aws, suffix=f"-{uuid4().hex[:12]}")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in platform.environment().items():
            environment.setenv(name, value)
        clients = AwsClients(region=REGION)
        submitter = build_submitter(Settings.read(), clients)
        with worker(platform):
            run = send_story(submitter, timeout_secs=PATIENCE_SECS, on_progress=lambda _: None)
        yield Narrated(platform, run, Objects(s3=clients.client("s3")))


@pytest.mark.slow
def test_a_real_workers_results_pass(narrated: Narrated) -> None:
    """Rows, audio, subtitles and words pass, and the timings are those of this story."""
    checks = narrated.checks()

    assert [check.found for check in checks.values() if not check.ok] == []
    assert list(checks) == ["story", "audio row", "subtitles row", *(kind.name for kind in MEDIA)]
    assert narrated.run.timings.audio_secs == pytest.approx(
        float(narrated.run.job_status.audio["duration_seconds"])
    )
    assert narrated.run.timings.waited_secs <= narrated.run.ended_secs


@pytest.fixture
def damaged(narrated: Narrated) -> Iterator[Any]:
    """Return a function that replaces an object until the end of the test."""
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
    """A change of one object, and the finding that it causes."""

    check: str
    column: str = "media_url"
    content: bytes | None = b""
    """None deletes the object; empty keeps its content."""
    content_type: str | None = None
    finding: str

    @property
    def row(self) -> str:
        """The row that names the object."""
        return "audio" if self.check == "audio" else "subtitles"


VTT = b"WEBVTT\n\n00:00.000 --> 00:01.000\nThe lamp was out.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        Damage(check="audio", content=None, finding="does not exist"),
        Damage(check="audio", content_type="audio/mpeg", finding="audio/mpeg"),
        Damage(check="audio", content=b"RIFF", finding="differs from media_sha256"),
        Damage(check="srt", content=SRT, finding="differs from media_sha256"),
        Damage(check="vtt", column="vtt_url", content=VTT, finding="differs from the story's"),
        Damage(check="vtt", column="vtt_url", content=b"no subtitles", finding="not readable as subtitles"),
        Damage(check="words", column="words_url", content=json.dumps(WORDS).encode(), finding="do not cover"),
        Damage(check="words", column="words_url", content=b"{", finding="not a words.json"),
    ],
    ids=lambda damage: f"{damage.check}: {damage.finding}",
)
def test_damaged_media_are_found(narrated: Narrated, damaged: Any, damage: Damage) -> None:
    """An object that is missing, changed or of the wrong type fails its own check with a reason."""
    damaged(narrated.key(damage.column, damage.row), damage.content, damage.content_type)

    checks = narrated.checks()

    assert [name for name, found in checks.items() if not found.ok] == [damage.check]
    assert damage.finding in checks[damage.check].found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"media_sha256": None}, "media_sha256 missing"),
        ({"sparse_gsi_hash_key": "x"}, "sparse_gsi_hash_key left behind"),
        ({"status": "IN_PROGRESS"}, "status is IN_PROGRESS"),
    ],
)
def test_unfinished_rows_are_found(narrated: Narrated, change: dict[str, Any], finding: str) -> None:
    """A row with missing attributes or marks of work in progress fails its check."""
    checks = narrated.checks(subtitles=narrated.run.job_status.subtitles | change)

    assert (checks["subtitles row"].ok, finding in checks["subtitles row"].found) == (False, True)


@pytest.mark.slow
def test_a_row_with_the_wrong_duration_is_found(narrated: Narrated) -> None:
    """The duration in the row must be that of the audio."""
    longer = narrated.run.job_status.audio | {"duration_seconds": 60}

    assert "60.00 s in its row" in narrated.checks(audio=longer)["audio"].found
