"""What the worker is told about its platform and its settings."""

from collections.abc import Mapping

import pulumi

from stack import worker_interface as worker
from stack.config import Settings
from stack.naming import Naming
from stack.platform_outputs import Platform
from stack.service import STOP_TIMEOUT_SECONDS


def worker_environment(
    settings: Settings,
    *,
    naming: Naming,
    region: str,
    platform: Platform,
    dead_letter_queue_url: pulumi.Input[str],
) -> Mapping[str, pulumi.Input[str]]:
    """Return the worker's environment variables, as app/settings.py reads them."""
    price = settings.task_hour_price
    optional: dict[str, pulumi.Input[str] | None] = {
        worker.ALLOWED_BUCKETS: ",".join(settings.worker.allowed_output_buckets) or None,
        worker.INPUT_BUCKETS: ",".join(settings.worker.allowed_input_buckets) or None,
        worker.OTLP_ENDPOINT: settings.tracing.endpoint,
        worker.TOPIC_ARN: platform.sns_topic_arn,
        worker.EVENT_BUS: settings.events.bus,
        worker.EVENT_TOPIC: settings.events.topic_arn,
        worker.TASK_HOUR_PRICE: None if price is None else f"{price:.6g}",
    }
    return {
        **settings.worker.environment,
        worker.QUEUE_URL: platform.task_queue_url,
        worker.REGION: region,
        worker.TABLE: platform.story_video_tasks_table_name,
        worker.BUCKET: platform.s3_bucket_name,
        worker.DEAD_LETTER_QUEUE_URL: dead_letter_queue_url,
        worker.SERVICE: naming.app,
        worker.VOICE: settings.worker.voice,
        worker.ENGINE: settings.worker.speech_engine,
        worker.LOG_LEVEL: settings.worker.log_level,
        worker.PORT: str(settings.app_port),
        worker.STOP_TIMEOUT: str(STOP_TIMEOUT_SECONDS),
        **{name: value for name, value in optional.items() if value is not None},
    }
