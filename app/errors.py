"""
All errors of story-tts. The class of an error decides what happens to the job.

StoryTtsError
├── PermanentJobError       the job can never succeed: FAILED, dead letter
│   ├── InvalidMessageError     the body is not a valid job
│   ├── UnknownVoiceError       the voice is not in the engine's set
│   ├── RefusedTextError        the text cannot be narrated
│   ├── TextChangedError        the text that the job refers to is not the one that was claimed
│   ├── RefusedDestinationError an output is outside the allowed buckets
│   ├── OutputTakenError        a direct job names the output of another job
│   ├── FailedBeforeError       the job failed for this message before
│   ├── TaskRowError            the status of the producer's rows does not allow it
│   ├── JobTooLongError         no segment of it is finished in the time SQS lets one receiver hold it
│   └── PoisonedJobError        many attempts without a result: it may crash its workers
├── RetryableJobError       another attempt may succeed: back to the queue, with a growing delay
│   ├── EngineDiedError         the speech process crashed, hung or was killed
│   │   └── EngineCrashedError      native code crashed: the same text may crash it again
│   ├── TextMissingError        the text that the job refers to does not exist yet, or cannot be read
│   ├── TaskRowMissingError     a row of the producer does not exist yet
│   ├── MediaConflictError      another writer keeps changing the same object
│   ├── DiskFullError           no space left for the job's temporary files
│   └── UnexpectedFaultError    a bug in story-tts
├── ReceiveLimitError       the 12 hours of a receive are over: back to the queue, to go on from there
├── LeaseLostError          another worker owns the job now: stop, write nothing
├── JobCancelledError       the producer cancelled the job: stop, delete the message
├── NarrationCancelledError the caller cancelled the narration
├── InfrastructureError     AWS is unavailable: back off; does not count against the job
│   ├── UnavailableError        throttled, unreachable, 5xx
│   ├── CredentialsError        refused or expired
│   ├── EventsRefusedError      the target of events is missing or not allowed: the message stays
│   └── QueueGoneError          the queue was deleted: exit non-zero
├── ConfigurationError      settings or model files are wrong: the job goes back untouched, exit 2
├── InvalidMediaError       a file that story-tts wrote is damaged, or is not what its name says
├── MissingExtraError       an optional package is not installed: as ConfigurationError
└── LocalServiceError       the service on this machine did not start, or a part of it ended
"""

import errno
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StoryTtsError(Exception):
    """The base class: a message for people, never with the story's text, and a stable code for programs."""

    code = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PermanentJobError(StoryTtsError):
    """The job can never succeed: its rows become FAILED, and its body goes to the dead-letter queue."""

    code = "PERMANENT"


class InvalidMessageError(PermanentJobError):
    """The body is not a valid job; `field` names the invalid field, or is empty for the body as a whole."""

    code = "INVALID_MESSAGE"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class UnknownVoiceError(PermanentJobError):
    """The engine has no such voice."""

    code = "UNKNOWN_VOICE"


class RefusedTextError(PermanentJobError):
    """The text cannot be narrated: it has nothing to speak, or more than fits in a WAV file."""

    code = "REFUSED_TEXT"


class TextChangedError(PermanentJobError):
    """The object with the job's text was replaced or deleted after an attempt had read it."""

    code = "TEXT_CHANGED"


class RefusedDestinationError(PermanentJobError):
    """A direct job names an output outside the allowed buckets."""

    code = "REFUSED_DESTINATION"


class OutputTakenError(PermanentJobError):
    """A direct job names an output that another job has completed."""

    code = "OUTPUT_TAKEN"


class FailedBeforeError(PermanentJobError):
    """The job failed for this very message before; `code` is that of the failure."""

    code = "FAILED_BEFORE"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class TaskRowError(PermanentJobError):
    """The status of the producer's rows does not allow the job to run."""

    code = "TASK_ROW"


class JobTooLongError(PermanentJobError):
    """Not one segment was finished in the 12 hours that SQS lets a receiver hold a message: it never ends."""

    code = "JOB_TOO_LONG"


class PoisonedJobError(PermanentJobError):
    """The job was attempted many times without any result, not even an error: it may crash its workers."""

    code = "POISONED"


class RetryableJobError(StoryTtsError):
    """Another attempt may succeed: the message goes back to the queue with a growing delay."""

    code = "RETRYABLE"


class EngineDiedError(RetryableJobError):
    """The speech process crashed, hung or was killed."""

    code = "ENGINE_DIED"


class EngineCrashedError(EngineDiedError):
    """Native code crashed (SIGABRT, SIGSEGV and the like): the same text may crash it again."""

    code = "ENGINE_CRASHED"


class TextMissingError(RetryableJobError):
    """The object with the job's text does not exist yet, or the worker may not read it."""

    code = "TEXT_MISSING"


class TaskRowMissingError(RetryableJobError):
    """A row of the producer does not exist yet."""

    code = "TASK_ROW_MISSING"


class MediaConflictError(RetryableJobError):
    """Another writer kept changing the object during the conditional write."""

    code = "MEDIA_CONFLICT"


class DiskFullError(RetryableJobError):
    """No space is left for the job's temporary files."""

    code = "DISK_FULL"


class UnexpectedFaultError(RetryableJobError):
    """A bug in story-tts: its trace is logged, and the job is retried."""

    code = "UNEXPECTED_FAULT"


class ReceiveLimitError(StoryTtsError):
    """SQS lets no receiver hold a message longer: the job goes back, and its stored segments stay."""

    code = "RECEIVE_LIMIT"


class LeaseLostError(StoryTtsError):
    """The worker does not hold the job any more: it stops and writes nothing."""

    code = "LEASE_LOST"


class JobCancelledError(StoryTtsError):
    """The producer cancelled one of the job's rows: the other follows, and the message is deleted."""

    code = "JOB_CANCELLED"


class NarrationCancelledError(StoryTtsError):
    """The caller cancelled the narration; it leaves no files."""

    code = "CANCELLED"


class InfrastructureError(StoryTtsError):
    """AWS is unavailable: the worker backs off; this does not count against the job."""

    code = "INFRASTRUCTURE"


class UnavailableError(InfrastructureError):
    """AWS throttles, is unreachable or answers 5xx, after the SDK's own retries."""

    code = "UNAVAILABLE"


class CredentialsError(InfrastructureError):
    """Credentials are missing, refused or expired."""

    code = "CREDENTIALS"


class EventsRefusedError(InfrastructureError):
    """The bus or topic of events does not exist, or the worker may not publish to it."""

    code = "EVENTS_REFUSED"


class QueueGoneError(InfrastructureError):
    """The queue does not exist."""

    code = "QUEUE_GONE"


class ConfigurationError(StoryTtsError):
    """The settings are invalid: one line per problem in `faults`, and advice in `hint`."""

    code = "CONFIGURATION"

    def __init__(self, *faults: str, hint: str = "") -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
        self.hint = hint


class InvalidMediaError(StoryTtsError):
    """A media file is damaged, cut off, or is not what its name says."""

    code = "INVALID_MEDIA"


class MissingExtraError(StoryTtsError):
    """An optional package is not installed; the message names the command that installs it."""

    code = "MISSING_EXTRA"


class LocalServiceError(StoryTtsError):
    """The embedded AWS or its worker did not start, or ended while it was needed."""

    code = "LOCAL_SERVICE"


def disk_error(error: OSError, path: Path) -> Exception:
    """Return DiskFullError if the disk or the quota is full or the file is too large, else `error` itself."""
    if error.errno in _FULL:
        return DiskFullError(f"no space left for {path}")
    return error
