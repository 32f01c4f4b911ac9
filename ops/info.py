"""The state of a deployed service, for an operator's terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ops.aws import aws_client
from ops.errors import OpsError
from ops.pulumi import Outputs

LOG_LINES = 10
STREAMS = 3
"""Log streams that are read: one per task, the newest."""


def service_info(outputs: Outputs) -> Iterator[str]:
    """Yield lines about service, tasks, image, queue, dead letters, dashboard and log. Raises OpsError."""
    with aws_client("ecs", region=outputs["region"]) as ecs:
        yield from _service(outputs, ecs)
    yield f"image         {outputs['image']} ({outputs['image_tag']})"
    with aws_client("sqs", region=outputs["region"]) as sqs:
        visible, in_flight = _depth(sqs, outputs["queue_url"])
        dead, _ = _depth(sqs, outputs["dead_letter_queue_url"])
    yield f"queue         {visible} waiting, {in_flight} in work"
    yield f"dead letters  {dead}" + ("   list them: story-tts dead-letters list" if dead else "")
    yield f"dashboard     {outputs['dashboard_url']}"
    yield f"log group     {outputs['log_group_name']}, last {LOG_LINES} lines:"
    yield from (f"  {line}" for line in log_lines(outputs, lines=LOG_LINES))


def _service(outputs: Outputs, ecs: Any) -> Iterator[str]:
    cluster, name = outputs["cluster_name"], outputs["service_name"]
    services = ecs.describe_services(cluster=cluster, services=[name])["services"]
    if not services:
        raise OpsError(f"cluster {cluster} has no service {name}: it was deleted outside of Pulumi")
    service = services[0]
    deployments = ", ".join(
        f"{item['status'].lower()} {item.get('rolloutState', 'unknown').lower()}"
        for item in service["deployments"]
    )
    running, pending, desired = (service[f"{state}Count"] for state in ("running", "pending", "desired"))
    yield f"service       {service['serviceName']} on {cluster}, {service['status'].lower()}"
    yield f"tasks         {running} running, {pending} pending, {desired} desired"
    yield f"deployment    {deployments or 'none'}, {service['taskDefinition'].rsplit('/', 1)[-1]}"


def _depth(sqs: Any, url: str) -> tuple[int, int]:
    """Return how many messages of a queue are visible, and how many are in flight."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(attributes[names[0]]), int(attributes[names[1]])


def log_lines(outputs: Outputs, *, lines: int) -> list[str]:
    """Return the newest log lines, oldest first, each with its time in UTC. Raises OpsError."""
    group = outputs["log_group_name"]
    events: list[dict[str, Any]] = []
    with aws_client("logs", region=outputs["region"]) as logs:
        streams = logs.describe_log_streams(
            logGroupName=group, orderBy="LastEventTime", descending=True, limit=STREAMS
        )
        for stream in streams["logStreams"]:
            name = stream["logStreamName"]
            page = logs.get_log_events(
                logGroupName=group, logStreamName=name, limit=lines, startFromHead=False
            )
            events += page["events"]
    newest = sorted(events, key=lambda event: int(event["timestamp"]))[-lines:]
    return [f"{_time(event['timestamp'])} {event['message'].rstrip()}" for event in newest] or ["(empty)"]


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
