"""The names that the worker and the stack share; a test compares them with those in the worker's code."""

ENTRY_POINT = ("story-tts",)
COMMAND = ("worker",)
HEALTH_COMMAND = ("CMD", "story-tts", "health")
HEALTH_PATH = "/healthz"

# The image creates this user and declares TEMPORARY_FOLDER as a VOLUME: on Fargate an empty volume gets the
# owner and mode of the folder in the image only if the Dockerfile declares it.
USER = "10001:10001"
TEMPORARY_FOLDER = "/tmp"  # noqa: S108 - the mount point of a volume of the task's own

# The largest job message. SQS and SNS have a default of 256 KiB for queues and topics.
MAX_MESSAGE_BYTES = 1024 * 1024

# Keys of the output bucket that hold the segments of unfinished jobs: the worker deletes them, and only them.
SEGMENTS_PREFIX = "segments/"

# CloudWatch metrics in embedded metric format, with the dimension SERVICE_DIMENSION set to app_name.
METRIC_NAMESPACE = "story-tts"
SERVICE_DIMENSION = "service"
JOBS_COMPLETED = "JobsCompleted"
JOBS_FAILED = "JobsFailed"
PROCESSING_SECONDS = "ProcessingSeconds"
AUDIO_SECONDS = "AudioSeconds"
REAL_TIME_FACTOR = "RealTimeFactor"
QUEUE_WAIT_SECONDS = "QueueWaitSeconds"
METRICS = (
    JOBS_COMPLETED,
    JOBS_FAILED,
    PROCESSING_SECONDS,
    AUDIO_SECONDS,
    REAL_TIME_FACTOR,
    QUEUE_WAIT_SECONDS,
)

# Environment variables that the task definition sets.
QUEUE_URL = "QUEUE_URL"
REGION = "AWS_REGION"
TABLE = "DYNAMODB_TABLE"
BUCKET = "OUTPUT_BUCKET"
VOICE = "KOKORO_VOICE"
DEAD_LETTER_QUEUE_URL = "DEAD_LETTER_QUEUE_URL"
ALLOWED_BUCKETS = "ALLOWED_OUTPUT_BUCKETS"
INPUT_BUCKETS = "ALLOWED_INPUT_BUCKETS"
TOPIC_ARN = "SNS_TOPIC_ARN"
ENGINE = "SPEECH_ENGINE"
SERVICE = "SERVICE_NAME"
STOP_TIMEOUT = "STOP_TIMEOUT_SECS"
PORT = "PORT"
LOG_LEVEL = "LOG_LEVEL"
OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
EVENT_BUS = "EVENT_BUS"
EVENT_TOPIC = "EVENT_TOPIC_ARN"
TASK_HOUR_PRICE = "TASK_HOUR_PRICE"
VARIABLES = (
    QUEUE_URL,
    REGION,
    TABLE,
    BUCKET,
    VOICE,
    DEAD_LETTER_QUEUE_URL,
    ALLOWED_BUCKETS,
    INPUT_BUCKETS,
    TOPIC_ARN,
    ENGINE,
    SERVICE,
    STOP_TIMEOUT,
    PORT,
    LOG_LEVEL,
    OTLP_ENDPOINT,
    EVENT_BUS,
    EVENT_TOPIC,
    TASK_HOUR_PRICE,
)
