"""Log lines for people and for machines."""

import json

import pytest
import structlog

from app.telemetry import configure_logging

FIELDS = {
    "job": "story-1/9f2c",
    "message_id": "0b5e3a9a",
    "receive_count": 1,
    "epoch": 2,
    "audio_secs": 362.1,
}


@pytest.fixture(autouse=True)
def restored() -> object:
    """Leave structlog as other tests expect it."""
    yield
    structlog.reset_defaults()


def test_a_terminals_lines_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for people has the time of day and what they ask for; a warning has the ids as well."""
    configure_logging(level="INFO", log_format="console")
    log = structlog.get_logger().bind(**FIELDS)
    log.info("job completed")
    log.warning("media changed")

    told, warned = capsys.readouterr().err.splitlines()
    assert len(told) < 80
    assert told.endswith("job completed audio_secs=362.1 job=story-1/9f2c")
    assert "message_id=0b5e3a9a" in warned


def test_a_machines_lines_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has every field, the level and the time in UTC."""
    configure_logging(level="INFO", log_format="json")
    structlog.get_logger().bind(**FIELDS).info("job completed")

    line = json.loads(capsys.readouterr().err)
    assert {name: line[name] for name in FIELDS} == FIELDS
    assert (line["event"], line["level"], line["timestamp"][-1]) == ("job completed", "info", "Z")
