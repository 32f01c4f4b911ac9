"""End to end: foundation, up, the worker from the task definition, a story in, media out, destroy."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.local.emulator import CREDENTIALS, REGION
from app.media import MEDIA
from tests import logs
from tests.e2e.deployed import DeployedContainer, free_port
from tests.e2e.engine import Engine
from tests.e2e.gateway import Verdicts, gateway
from tests.e2e.platform import PlatformInAws, client
from tests.ministack import MINISTACK
from tests.workers import until

pytestmark = pytest.mark.slow

STORY = "The lighthouse keeper counted the ships. There were three, and then there were none."


@pytest.fixture
def source(request: pytest.FixtureRequest, engine: Engine, story_infra: PlatformInAws) -> dict[str, Any]:
    """The foundation: story-infra's Terraform state, or a stack that this program made."""
    if request.param == "s3":
        return story_infra.settings
    foundation = engine.stack(
        "ground",
        {
            "app_name": "ground",
            "story_infra": {"source": "own"},
            "features": {"service": False, "protect": False},
        },
    )
    foundation.up()
    return {"source": "stack", "stack": foundation.address}


def submit(cloud: str, outputs: dict[str, Any], topic: str, folder: Path) -> dict[str, Any]:
    """Send the story as a producer would, wait for its media, and return the job's status."""
    story = folder / "story.txt"
    story.write_text(STORY)
    logs.remember(json.dumps({"text": STORY}))
    environment = {
        **os.environ,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": cloud,
        "AWS_REGION": REGION,
        "QUEUE_URL": outputs["queue_url"],
        "DYNAMODB_TABLE": outputs["table_name"],
        "OUTPUT_BUCKET": outputs["bucket_name"],
        "SNS_TOPIC_ARN": topic,
        "SPEECH_ENGINE": "espeak",
    }
    done = subprocess.run(
        [sys.executable, "-m", "app", "submit", str(story), "--wait", "--json", "--timeout", "90"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def media(cloud: str, bucket: str) -> dict[str, int]:
    """Suffix of an object -> its bytes."""
    listed = client(cloud, "s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"].split(".", 1)[1]: item["Size"] for item in listed}


def narrate(cloud: str, outputs: dict[str, Any], folder: Path) -> Verdicts:
    """Run the deployed worker under its own role until one story is narrated; stop it as ECS would."""
    container = DeployedContainer.of(cloud, cluster=outputs["cluster_name"], service=outputs["service_name"])
    with gateway(cloud, container.role) as (address, verdicts), container.running(address, folder) as worker:
        until(lambda: container.is_healthy(address, folder) or worker.poll() is not None)
        assert worker.poll() is None, (folder / "log").read_text()
        submit(cloud, outputs, container.environment["SNS_TOPIC_ARN"], folder)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=container.definition["stopTimeout"]) == 0, (folder / "log").read_text()
    return verdicts


@pytest.mark.parametrize(
    ("cloud", "source"), [("moto", "s3"), (MINISTACK, "stack")], indirect=True, ids=["s3", "stack"]
)
def test_a_story_goes_through_the_deployed_stack(
    engine: Engine, cloud: str, source: dict[str, Any], tmp_path: Path
) -> None:
    """
    The whole promise, from either kind of foundation.

    Up; the worker runs from the task definition that was deployed, under its role's policies and no more; a
    story comes out narrated; another up changes nothing; destroy. tests/e2e/test_engine.py changes the image.
    """
    settings: dict[str, Any] = {
        "story_infra": source,
        "app_port": free_port(),
        "worker": {"speech_engine": "espeak", "voice": "en-us"},
        "features": {"protect": False},
    }
    stack = engine.stack(f"deployed-{source['source']}", settings)
    outputs = dict(stack.up().outputs)

    verdicts = narrate(cloud, outputs, tmp_path)

    sizes = media(cloud, outputs["bucket_name"])
    assert set(sizes) == {kind.suffix.lstrip(".") for kind in MEDIA}
    assert sizes["wav"] > 22_050 * 2  # a second of espeak's audio
    assert verdicts.refused == []
    assert {action for action, _ in verdicts.allowed} >= {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "s3:PutObject",
        "dynamodb:UpdateItem",
    }
    assert metric_names(tmp_path / "metrics") >= alarm_metrics(cloud)

    assert stack.up().changed == {}
    stack.destroy()
    client(cloud, "s3").head_bucket(Bucket=outputs["bucket_name"])
    client(cloud, "sqs").get_queue_attributes(QueueUrl=outputs["queue_url"])


def metric_names(path: Path) -> set[tuple[str, str]]:
    """Pairs of namespace and metric that the worker published in embedded metric format."""
    found: set[tuple[str, str]] = set()
    for line in path.read_text().splitlines():
        for directive in json.loads(line)["_aws"]["CloudWatchMetrics"]:
            found |= {(directive["Namespace"], metric["Name"]) for metric in directive["Metrics"]}
    return found


def alarm_metrics(cloud: str) -> set[tuple[str, str]]:
    """Pairs of namespace and metric of the worker's own that the dashboard shows."""
    body = client(cloud, "cloudwatch").get_dashboard(DashboardName="story-tts")["DashboardBody"]
    widgets = json.loads(body)["widgets"]
    series = [item for widget in widgets for item in widget["properties"]["metrics"]]
    # A story without fault fails no job.
    return {(item[0], item[1]) for item in series if item[0] == "story-tts" and item[1] != "JobsFailed"}


def test_the_role_is_what_lets_the_worker_work(
    engine: Engine, cloud: str, story_infra: PlatformInAws
) -> None:
    """The gateway refuses what the role was not granted, so that the test above could fail."""
    settings = {"app_name": "bare", "ecr_repository_name": "bare", "story_infra": story_infra.beside("bare")}
    stack = engine.stack("bare", {**settings, "features": {"protect": False}})
    stack.up()
    with gateway(cloud, "bare-task") as (address, verdicts):
        sqs = client(address, "sqs")
        with pytest.raises(sqs.exceptions.ClientError, match="not authorized"):
            sqs.send_message(QueueUrl=story_infra.outputs["task_queue_urls"]["TTS"], MessageBody="{}")
        with pytest.raises(sqs.exceptions.ClientError, match="not authorized"):
            sqs.receive_message(QueueUrl=story_infra.outputs["task_queue_urls"]["TEXT"])
    assert {action for action, _ in verdicts.refused} == {"sqs:SendMessage", "sqs:ReceiveMessage"}
    assert verdicts.allowed == set()
    stack.destroy()
