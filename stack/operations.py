"""What an operator does with a deployed stack: `make info`, `make logs`, `make push`, by its own outputs."""

import base64
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from stack import worker_interface as worker

LOG_LINES = 10
Outputs = Mapping[str, Any]

# Output of the stack -> the variable by which `story-tts` finds the same thing.
VARIABLES = {
    "region": worker.REGION,
    "queue_url": worker.QUEUE_URL,
    "dead_letter_queue_url": worker.DEAD_LETTER_QUEUE_URL,
    "table_name": worker.TABLE,
    "bucket_name": worker.BUCKET,
    "topic_arn": worker.TOPIC_ARN,
}


class OperationError(Exception):
    """The question cannot be answered; the message is one line that says what to do."""


def read_outputs(stack: str) -> Outputs:
    """The outputs of a stack that is up, by the Pulumi CLI. Raises OperationError where there are none."""
    try:
        done = subprocess.run(
            # What story-infra holds sensitive is a secret here, and needed all the same.
            ["pulumi", "stack", "output", "--json", "--show-secrets", "--stack", stack],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        message = "the Pulumi CLI is not on PATH: https://www.pulumi.com/docs/iac/download-install/"
        raise OperationError(message) from None
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OperationError(f"the outputs of stack {stack} could not be read: {reason}")
    outputs: Outputs = json.loads(done.stdout)
    if "service_name" not in outputs:
        raise OperationError(f"stack {stack} has no service yet: run `make up STACK={stack}`")
    return outputs


def info(outputs: Outputs) -> Iterator[str]:
    """One line a fact: service, tasks, image, queue, dead letters, dashboard, last log lines.

    Raises ClientError or BotoCoreError as AWS does.
    """
    region = outputs["region"]
    yield from _service(outputs, boto3.client("ecs", region_name=region))
    yield f"image         {outputs['image']} ({outputs['image_tag']})"
    sqs = boto3.client("sqs", region_name=region)
    waiting, in_work = _depth(sqs, outputs["queue_url"])
    yield f"queue         {waiting} waiting, {in_work} in work"
    letters, _ = _depth(sqs, outputs["dead_letter_queue_url"])
    yield f"dead letters  {letters}" + ("   look: story-tts dead-letters list" if letters else "")
    yield f"dashboard     {outputs['dashboard_url']}"
    yield f"log group     {outputs['log_group_name']}, last {LOG_LINES} lines:"
    yield from (f"  {line}" for line in last_log_lines(outputs, lines=LOG_LINES))


def _service(outputs: Outputs, ecs: Any) -> Iterator[str]:
    found = ecs.describe_services(cluster=outputs["cluster_name"], services=[outputs["service_name"]])[
        "services"
    ]
    if not found:
        message = (
            f"{outputs['service_name']} is not on cluster {outputs['cluster_name']}: it was deleted by hand"
        )
        raise OperationError(message)
    service = found[0]
    deployments = ", ".join(
        f"{item['status'].lower()} {item.get('rolloutState', 'unknown').lower()}"
        for item in service["deployments"]
    )
    yield f"service       {service['serviceName']} on {outputs['cluster_name']}, {service['status'].lower()}"
    yield (
        f"tasks         {service['runningCount']} running, {service['pendingCount']} pending,"
        f" {service['desiredCount']} wanted"
    )
    yield f"deployment    {deployments or 'none'}, {service['taskDefinition'].rsplit('/', 1)[-1]}"


def _depth(sqs: Any, url: str) -> tuple[int, int]:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(attributes[names[0]]), int(attributes[names[1]])


def last_log_lines(outputs: Outputs, *, lines: int) -> list[str]:
    """The worker's newest log lines, oldest first, each with its time in UTC."""
    logs: Any = boto3.client("logs", region_name=outputs["region"])
    group = outputs["log_group_name"]
    streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True, limit=3)
    events: list[dict[str, Any]] = []
    for stream in streams["logStreams"]:
        found = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], limit=lines, startFromHead=False
        )
        events += found["events"]
    newest = sorted(events, key=lambda event: event["timestamp"])[-lines:]
    return [f"{_time(event['timestamp'])} {event['message'].rstrip()}" for event in newest] or [
        "(nothing yet)"
    ]


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def environment(outputs: Outputs) -> Iterator[str]:
    """Lines for a shell, after which `story-tts` commands work on the deployed service."""
    for output, variable in VARIABLES.items():
        if outputs.get(output):
            yield f"export {variable}={shlex.quote(str(outputs[output]))}"


def push(outputs: Outputs, tag: str) -> None:
    """Push story-tts:local into the stack's repository with the Docker CLI. Raises OperationError."""
    image = f"{outputs['repository_url']}:{tag}"
    token = boto3.client("ecr", region_name=outputs["region"]).get_authorization_token()["authorizationData"][
        0
    ]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    _docker("login", "--username", user, "--password-stdin", token["proxyEndpoint"], text=password)
    _docker("tag", "story-tts:local", image)
    _docker("push", image)


def _docker(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run(["docker", *arguments], input=text, text=True, check=False)
    if done.returncode != 0:
        raise OperationError(f"docker {arguments[0]} failed; its reason stands above")


def check_credentials() -> str:
    """Who AWS takes us for. Raises OperationError where it knows nobody."""
    try:
        return str(boto3.client("sts", region_name="us-east-1").get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        message = f"AWS does not know you: {error}. Log in (aws sso login, or AWS_PROFILE)"
        raise OperationError(message) from error


def _fail(message: object) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise SystemExit(1)


def _told(arguments: list[str], outputs: Outputs) -> Iterator[str]:
    if arguments[0] == "logs":
        return iter(last_log_lines(outputs, lines=int(arguments[2])))
    return {"info": info, "environment": environment}[arguments[0]](outputs)


def main(arguments: list[str]) -> None:
    """`python -m stack.operations`: info, environment, logs or push with a stack, or credentials."""
    try:
        if arguments[0] == "credentials":
            check_credentials()
            return
        outputs = read_outputs(arguments[1])
        if arguments[0] == "push":
            push(outputs, arguments[2])
            return
        for line in _told(arguments, outputs):
            sys.stdout.write(f"{line}\n")
    except (OperationError, BotoCoreError, ClientError) as error:
        _fail(error)


if __name__ == "__main__":
    main(sys.argv[1:])
