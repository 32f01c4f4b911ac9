"""The composition root: builds the worker and the clients from the settings."""

import sys

from app.aws.claims import Claim
from app.aws.dead_letters import DeadLetters
from app.aws.events import EventBus, EventTopic
from app.aws.objects import Objects
from app.aws.protection import NoProtection, Protection, TaskProtection
from app.aws.queue import Message, Queue, Topic
from app.aws.session import AwsClients
from app.aws.tasks import Tasks
from app.client.submission import Submitter
from app.errors import ConfigurationError
from app.health import Health
from app.message import MessageParser
from app.narration.options import NarrationOptions
from app.settings import Settings
from app.shutdown import Shutdown
from app.speech.registry import VoiceNames
from app.speech_process.client import SpeechProcess
from app.telemetry import Metrics, open_tracer
from app.work_folder import WorkFolder
from app.worker.attempt import AttemptRunner
from app.worker.checkpoints import Checkpoints
from app.worker.lease import Lease
from app.worker.loop import Worker
from app.worker.outbox import Outbox
from app.worker.outcomes import OutcomeHandler
from app.worker.seams import EventTarget

RENEWAL_TIMEOUT_SHARE = 1 / 6
"""The timeout of one renewal as a share of the lease, so that several fit in before the lease expires."""


def message_parser(settings: Settings) -> MessageParser:
    """Return the parser of job messages. Raises ConfigurationError if the default voice does not exist."""
    voices = VoiceNames(settings.speech_engine)
    if settings.default_voice not in voices:
        raise ConfigurationError(
            f"KOKORO_VOICE={settings.default_voice} is not a voice of engine {settings.speech_engine};"
            f" `story-tts voices --engine {settings.speech_engine}` lists them"
        )
    return MessageParser(
        output_bucket=settings.bucket,
        default_voice=settings.default_voice,
        voices=voices,
        allowed_buckets=settings.allowed_buckets,
        allowed_input_buckets=settings.allowed_input_buckets,
        topic_arn=settings.topic_arn,
    )


def task_table(settings: Settings, clients: AwsClients) -> Tasks:
    """Return the table of task rows."""
    return Tasks(dynamodb=clients.client("dynamodb"), table=settings.table, owner=settings.owner)


def dead_letter_queue(settings: Settings, clients: AwsClients) -> DeadLetters | None:
    """Return the dead-letter queue, None if none is configured."""
    if settings.dead_letter_queue_url is None:
        return None
    return DeadLetters(
        sqs=clients.client("sqs"),
        url=settings.dead_letter_queue_url,
        objects=Objects(s3=clients.client("s3")),
        bucket=settings.bucket,
    )


def event_targets(settings: Settings, clients: AwsClients) -> list[EventTarget]:
    """Return where events are published."""
    targets: list[EventTarget] = []
    if settings.event_bus is not None:
        targets.append(EventBus(events=clients.client("events"), bus=settings.event_bus))
    if settings.event_topic_arn is not None:
        targets.append(EventTopic(sns=clients.client("sns"), arn=settings.event_topic_arn))
    return targets


def build_submitter(settings: Settings, clients: AwsClients) -> Submitter:
    """Return a submitter, which sends jobs to the topic if one is configured, else to the queue."""
    queue = Queue(sqs=clients.client("sqs"), url=settings.queue_url)
    channel = (
        Topic(sns=clients.client("sns"), arn=settings.topic_arn, queue=queue) if settings.topic_arn else queue
    )
    return Submitter(
        tasks=task_table(settings, clients),
        channel=channel,
        texts=Objects(s3=clients.client("s3")),
        bucket=settings.bucket,
    )


def build_worker(
    settings: Settings,
    *,
    options: NarrationOptions,
    work_folder: WorkFolder,
    speech: SpeechProcess,
    shutdown: Shutdown,
    emit_metrics: bool,
) -> tuple[Worker, Health]:
    """
    Return a worker and its health; the caller owns and closes the work folder and the speech process.

    Raises ConfigurationError if settings are inconsistent.
    """
    parser = message_parser(settings)
    clients = AwsClients(region=settings.region)
    health = Health(speech_state=lambda: speech.state, lease_secs=settings.lease_secs)
    protection = (
        TaskProtection(agent_uri=settings.ecs_agent_uri) if settings.ecs_agent_uri else NoProtection()
    )
    queue = Queue(sqs=clients.client("sqs"), url=settings.queue_url)
    tasks = task_table(settings, clients)
    tracer = open_tracer(endpoint=settings.otlp_endpoint, service=settings.service_name)
    objects = Objects(s3=clients.client("s3"))
    checkpoints = Checkpoints(objects=objects, bucket=settings.bucket, shutdown=shutdown)
    outbox = Outbox(
        tasks=tasks,
        targets=event_targets(settings, clients),
        service=settings.service_name,
        shutdown=shutdown,
    )
    runner = AttemptRunner(
        queue=queue,
        tasks=tasks,
        media=objects,
        parser=parser,
        speech=speech,
        options=options,
        work_folder=work_folder,
        checkpoints=checkpoints,
        outbox=outbox,
        leases=_Leases(settings, clients, health, protection),
        lease_secs=settings.lease_secs,
        max_attempts=settings.max_receives,
        hour_price=settings.task_hour_price,
        shutdown=shutdown,
        tracer=tracer,
    )
    outcomes = OutcomeHandler(
        queue=queue,
        dead_letters=dead_letter_queue(settings, clients),
        tasks=tasks,
        checkpoints=checkpoints,
        outbox=outbox,
        parser=parser,
        max_attempts=settings.max_receives,
    )
    worker = Worker(
        queue=queue,
        runner=runner,
        outcomes=outcomes,
        speech=speech,
        receive_wait_secs=settings.receive_wait_secs,
        visibility_secs=settings.lease_secs,
        health=health,
        metrics=Metrics(stream=sys.stdout if emit_metrics else None, service=settings.service_name),
        protection=protection,
        shutdown=shutdown,
        tracer=tracer,
    )
    return worker, health


class _Leases:
    """Creates leases, with AWS clients that time out quickly so that renewals can be retried."""

    def __init__(
        self, settings: Settings, clients: AwsClients, health: Health, protection: Protection
    ) -> None:
        clients = clients.with_limits(timeout_secs=settings.lease_secs * RENEWAL_TIMEOUT_SHARE, attempts=1)
        self._queue = Queue(sqs=clients.client("sqs"), url=settings.queue_url)
        self._tasks = task_table(settings, clients)
        self._lease_secs = settings.lease_secs
        self._health = health
        self._protection = protection

    def __call__(self, message: Message, claim: Claim, claimed_at: float) -> Lease:
        return Lease(
            queue=self._queue,
            tasks=self._tasks,
            message=message,
            claim=claim,
            lease_secs=self._lease_secs,
            claimed_at=claimed_at,
            on_renewal=self._on_renewal,
        )

    def _on_renewal(self) -> None:
        self._health.heartbeat()
        self._protection.renew()
