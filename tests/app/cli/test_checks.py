"""The commands that look after a service: doctor, health, smoke."""

import json
import os
import subprocess
import sys

import pytest

from app.local.platform import Platform
from tests.app.cli.commands import story_tts
from tests.workers import PATIENCE_SECS, Jobs, until, worker

pytestmark = pytest.mark.slow


@pytest.fixture
def jobs(platform: Platform) -> Jobs:
    """The platform of this test, as a producer sees it."""
    return Jobs(platform)


def test_the_doctor_finds_all_well_and_each_thing_that_is_not(platform: Platform) -> None:
    """Where all is well every check says so; what is missing fails its own check and tells what to do."""
    well = story_tts("doctor", "--json")
    checks = {line["check"]: line for line in map(json.loads, well.stdout.splitlines())}
    assert well.returncode == 0, well.stdout
    assert list(checks) == [
        "settings",
        "credentials",
        "queue",
        "dead letters",
        "table",
        "bucket",
        "events",
        "engine",
        "disk",
    ]

    ill = story_tts(
        "doctor",
        "--json",
        QUEUE_URL=platform.queue_url + "-absent",
        DYNAMODB_TABLE="absent-table",
        OUTPUT_BUCKET="absent-bucket",
        KOKORO_VOICE="darth",
        EVENT_BUS="absent",
    )
    checks = {line["check"]: line for line in map(json.loads, ill.stdout.splitlines())}
    assert ill.returncode == 1
    failed = {name for name, line in checks.items() if not line["ok"]}
    assert failed == {"queue", "table", "bucket", "events", "engine"}
    assert all(checks[name]["advice"] for name in failed)
    assert "Traceback" not in ill.stderr


def test_the_doctor_names_every_missing_setting(platform: Platform) -> None:  # noqa: ARG001  # its environment
    """Without settings there is a line for each that is missing, and nothing else is tried."""
    done = story_tts("doctor", QUEUE_URL="", OUTPUT_BUCKET="")

    assert done.returncode == 1
    assert done.stdout.count("✗") == 2
    assert done.stdout.count("→") == 1


def test_the_doctor_says_once_that_aws_does_not_answer(
    platform: Platform,  # noqa: ARG001  # its environment
) -> None:
    """Where nothing listens there is one finding for all of AWS, with what to do; the rest is checked."""
    done = story_tts("doctor", "--json", AWS_ENDPOINT_URL="http://127.0.0.1:9")

    checks = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line["ok"] for name, line in checks.items()} == {
        "settings": True, "AWS": False, "engine": True, "disk": True,
    }  # fmt: skip
    assert "story-tts local" in checks["AWS"]["advice"]


def test_health_of_a_worker_is_ok(platform: Platform) -> None:
    """The container's health check agrees with a healthy worker."""
    with worker(platform) as process:
        done = until(lambda: _healthy(process.port))

    assert done.stdout == "ok\n"


def _healthy(port: int) -> subprocess.CompletedProcess[str] | None:
    done = story_tts("health", PORT=str(port))
    return done if done.returncode == 0 else None


def test_smoke_tells_what_it_looked_at_and_how_long_it_took(platform: Platform) -> None:
    """A service that is well passes every check, for people and for scripts, and the numbers are there."""
    with worker(platform):
        told = story_tts("smoke")
        scripted = story_tts("smoke", "--json")

    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("✓") == 7
    assert "real-time factor" in told.stdout
    report = json.loads(scripted.stdout)
    assert (scripted.returncode, report["ok"], report["state"]) == (0, True, "completed")
    assert report["timings"]["audio_secs"] > 5


@pytest.mark.usefixtures("platform")
def test_a_smoke_story_that_nobody_takes_has_an_exit_code_of_its_own() -> None:
    """A service that is asleep is told from one that fails."""
    late = story_tts("smoke", "--timeout", "1")

    assert late.returncode == 3
    assert "still waiting when the time limit passed" in late.stdout


def test_a_smoke_story_that_failed_says_why(platform: Platform, jobs: Jobs) -> None:
    """The reason in the row is the reason that is told, and the exit code says that something is wrong."""
    command = [sys.executable, "-m", "app", "smoke", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as smoke:
        until(lambda: jobs.depth() == 1)
        table = platform.client("dynamodb")
        for row in table.scan(TableName=platform.table)["Items"]:
            table.update_item(
                TableName=platform.table,
                Key={"id": row["id"], "task_id": row["task_id"]},
                UpdateExpression="SET #s = :failed, error_code = :code, error_message = :why",
                ExpressionAttributeNames={"#s": "status"},
                ExpressionAttributeValues={
                    ":failed": {"S": "FAILED"},
                    ":code": {"S": "REFUSED_TEXT"},
                    ":why": {"S": "nothing to speak"},
                },
            )
        report = json.loads(smoke.communicate(timeout=PATIENCE_SECS)[0])

    assert (smoke.returncode, report["ok"]) == (1, False)
    assert report["checks"] == [
        {"name": "story", "ok": False, "found": "REFUSED_TEXT: nothing to speak"},
    ]
