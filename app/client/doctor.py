"""Checks everything a worker needs, without writing anything. Implements `story-tts doctor`."""

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from app.aws.session import AwsClients
from app.errors import ConfigurationError, InfrastructureError, StoryTtsError, UnavailableError
from app.narration.base import Request
from app.narration.options import NarrationOptions
from app.settings import Settings
from app.speech_process.client import SpeechProcess
from app.work_folder import WorkFolder

GIBIBYTE = 1024**3
WANTED_DISK_BYTES = 5 * GIBIBYTE
"""Enough for the longest story that a WAV file can hold, and its subtitles."""
OF_AWS = {"credentials", "queue", "dead letters", "table", "bucket", "events"}
SETTINGS_ADVICE = "correct the variables; `story-tts local` prints an example"
UNREACHABLE = "start `story-tts local`; for AWS itself, unset AWS_ENDPOINT_URL and check the network"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    ok: bool
    found: str
    advice: str = ""


def diagnose() -> Iterator[Finding]:
    """Run the checks in order of dependency, and yield one finding per check."""
    try:
        settings = Settings.read()
    except ConfigurationError as error:
        *others, last = error.faults
        for fault in others:
            yield Finding("settings", ok=False, found=fault)
        yield Finding("settings", ok=False, found=last, advice=SETTINGS_ADVICE)
        return
    yield Finding("settings", ok=True, found="complete")
    clients = AwsClients(region=settings.region)
    checks: tuple[tuple[str, Callable[[Settings, AwsClients], str], str], ...] = (
        ("credentials", _identity, "export credentials, set AWS_PROFILE, or give the task a role"),
        ("queue", _queue, "check QUEUE_URL, and sqs:ReceiveMessage, ChangeMessageVisibility, DeleteMessage"),
        ("dead letters", _dead_letters, "check DEAD_LETTER_QUEUE_URL and sqs:SendMessage"),
        (
            "table",
            _table,
            "check DYNAMODB_TABLE; its keys must be id (HASH) and task_id (RANGE), both strings",
        ),
        ("bucket", _bucket, "check OUTPUT_BUCKET, its region, and s3:GetObject and s3:PutObject"),
        ("events", _events, "check EVENT_BUS and EVENT_TOPIC_ARN; EventBridge drops what a missing bus gets"),
        (
            "engine",
            _engine,
            "check SPEECH_ENGINE and KOKORO_VOICE; kokoro needs the extra `speech`: run `make speech`",
        ),
        ("disk", _disk, "set WORK_DIR to a folder that belongs to this user and has more free space"),
    )
    unreachable = False
    for name, check, advice in checks:
        if unreachable and name in OF_AWS:
            continue
        try:
            found = check(settings, clients)
        except UnavailableError as error:
            # One finding: the checks after it would say the same.
            unreachable = True
            yield Finding("AWS", ok=False, found=error.message.splitlines()[0], advice=UNREACHABLE)
        except StoryTtsError as error:
            yield Finding(name, ok=False, found=error.message.splitlines()[0], advice=advice)
        else:
            yield Finding(name, ok=True, found=found)


def _identity(_: Settings, clients: AwsClients) -> str:
    return str(clients.call("sts", "get_caller_identity")["Arn"])


def _queue(settings: Settings, clients: AwsClients) -> str:
    return _depth(clients, settings.queue_url)


def _dead_letters(settings: Settings, clients: AwsClients) -> str:
    if settings.dead_letter_queue_url is None:
        return "none is set: a job that cannot succeed stays on the queue, with growing delays"
    return _depth(clients, settings.dead_letter_queue_url)


def _depth(clients: AwsClients, url: str) -> str:
    attributes = clients.call(
        "sqs",
        "get_queue_attributes",
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "QueueArn"],
    )["Attributes"]
    return f"{attributes['QueueArn']}, {attributes['ApproximateNumberOfMessages']} messages"


def _table(settings: Settings, clients: AwsClients) -> str:
    table: Any = clients.call("dynamodb", "describe_table", TableName=settings.table)["Table"]
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in table["AttributeDefinitions"]}
    keys = [(key["AttributeName"], key["KeyType"], types[key["AttributeName"]]) for key in table["KeySchema"]]
    if sorted(keys) != [("id", "HASH", "S"), ("task_id", "RANGE", "S")]:
        spelled = ", ".join(f"{name} ({kind}, {of})" for name, kind, of in keys)
        raise ConfigurationError(f"{settings.table} has the keys {spelled}")
    return f"{settings.table}, keys id and task_id"


def _bucket(settings: Settings, clients: AwsClients) -> str:
    clients.call("s3", "head_bucket", Bucket=settings.bucket)
    return settings.bucket


def _events(settings: Settings, clients: AwsClients) -> str:
    found = []
    if settings.event_bus is not None:
        found.append(clients.call("events", "describe_event_bus", Name=settings.event_bus)["Arn"])
    if settings.event_topic_arn is not None:
        clients.call("sns", "get_topic_attributes", TopicArn=settings.event_topic_arn)
        found.append(settings.event_topic_arn)
    return ", ".join(found) or "none are published: neither EVENT_BUS nor EVENT_TOPIC_ARN is set"


def _engine(settings: Settings, _: AwsClients) -> str:
    options = NarrationOptions.from_settings(settings)
    with (
        WorkFolder(settings.work_dir) as work_folder,
        work_folder.job() as folder,
        SpeechProcess(options=options, scratch=work_folder.path) as speech,
    ):
        request = Request(text="One, two, three.", folder=folder, options=options)
        spoken = speech.narrate(request, on_progress=lambda _: None, cancel=threading.Event())
    return f"{settings.speech_engine} spoke {spoken.duration_secs:.1f} s as {settings.default_voice}"


def _disk(settings: Settings, _: AwsClients) -> str:
    with WorkFolder(settings.work_dir):
        free = shutil.disk_usage(settings.work_dir).free
    if free < WANTED_DISK_BYTES:
        raise InfrastructureError(
            f"{settings.work_dir} has {free / GIBIBYTE:.1f} GiB free; a long story needs 5 GiB"
        )
    return f"{settings.work_dir}, {free / GIBIBYTE:.0f} GiB free"
