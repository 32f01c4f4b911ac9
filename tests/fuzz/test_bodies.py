"""Whatever arrives on the queue is a job or a typed refusal; `make fuzz` tries more of it."""

import os
import re

import pytest
from hypothesis import HealthCheck, given, settings

from app.errors import PermanentJobError
from app.job import Job, RowKey
from app.media import MEDIA
from app.message import MessageParser
from tests.fuzz.bodies import MARKER, TOPIC, bodies

VOICES = frozenset({"af_heart", "bm_george"})
BUCKETS = frozenset({"story-video-data", "other-bucket"})
PARSER = MessageParser(
    output_bucket="story-video-data",
    default_voice="af_heart",
    voices=VOICES,
    allowed_buckets=BUCKETS,
    topic_arn=TOPIC,
)


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("BODIES", "1000")),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(bodies)
def test_every_body_is_a_job_or_a_refusal(body: str) -> None:
    """No body crashes the parser, leads out of the allowed buckets, or has its text quoted."""
    named = PARSER.rows_named_by(body)
    assert all(is_key(key) for key in named)
    try:
        job = PARSER.job(body)
    except PermanentJobError as refusal:
        check_message(refusal.message)
    else:
        check_job(job, named)


def check_message(message: str) -> None:
    """Check that a refusal is one line, as a row and a log take it, and quotes nothing of the story."""
    assert MARKER not in message
    assert message.isprintable()


def check_job(job: Job, named: tuple[RowKey, ...]) -> None:
    """Check that everything in a job is within bounds."""
    assert job.text.strip()
    job.text.encode()
    assert job.voice in VOICES
    assert 0.5 <= job.speed <= 2.0
    addresses = list(job.destination.addresses.values())
    assert len(set(addresses)) == len(addresses) >= len(MEDIA)
    for address in addresses:
        assert address.bucket in BUCKETS
        assert all(part.strip(".") for part in address.key.split("/"))
        assert address.key.isprintable()
    if job.subtitles_row is not None:
        assert named == (job.audio_row, job.subtitles_row)
        prefix = f"{job.audio_row.id}/"
        assert all(address.key.startswith(prefix) for address in addresses)


def is_key(key: RowKey) -> bool:
    """Return whether a key may be one of a row."""
    return all(
        re.fullmatch(r"[A-Za-z0-9._-]{1,128}", part) and part.strip(".") for part in (key.id, key.task_id)
    )
