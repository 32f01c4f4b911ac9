"""
What can go wrong, and what that means for the job at hand: the class decides its fate.

StoryTtsError
├── PermanentJobError       the job can never succeed: FAILED, dead letter
│   ├── InvalidMessageError     the body is no job
│   ├── UnknownVoiceError       the voice is not in the engine's set
│   ├── RefusedTextError        the text cannot be narrated
│   ├── RefusedDestinationError the output lies outside the allowed buckets
│   ├── TaskRowError            the producer's rows contradict the job
│   └── PoisonedJobError        so many attempts, and no end: it may kill its workers
├── RetryableJobError       another attempt may succeed: back to the queue, with a growing delay
│   ├── EngineDiedError         the speech child crashed, hung or was killed
│   │   └── EngineCrashedError      native code crashed: the same text may crash it again
│   ├── TaskRowMissingError     the producer's row is not there yet
│   ├── MediaConflictError      someone else keeps writing the same object
│   ├── DiskFullError           the job's temporary folder ran out of space
│   └── UnexpectedFaultError    a fault of our own
├── LeaseLostError          another worker owns the job now: stop, write nothing
├── NarrationCancelledError whoever asked for the narration called it off
├── InfrastructureError     nobody's job: back off, unhealthy
│   ├── UnavailableError        throttled, unreachable, 5xx
│   ├── CredentialsError        refused or expired
│   └── QueueGoneError          the queue was deleted: exit non-zero
├── ConfigurationError      the settings are wrong: exit 2
├── MissingExtraError       an optional package is not installed
└── LocalServiceError       the service on this machine did not start, or a part of it ended
"""

import errno
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class StoryTtsError(Exception):
    """The root: a message for people, without any of the story's text, and a stable code for programs."""

    code = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PermanentJobError(StoryTtsError):
    """The job can never succeed: its rows become FAILED and its body a dead letter."""

    code = "PERMANENT"


class InvalidMessageError(PermanentJobError):
    """The body is no job; `field` names the part at fault, or is empty for the body as a whole."""

    code = "INVALID_MESSAGE"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


class UnknownVoiceError(PermanentJobError):
    """The voice is not in the engine's closed set."""

    code = "UNKNOWN_VOICE"


class RefusedTextError(PermanentJobError):
    """The text cannot be narrated: nothing to speak, or more than a WAV file holds."""

    code = "REFUSED_TEXT"


class RefusedDestinationError(PermanentJobError):
    """A direct job names an output outside the allowed buckets."""

    code = "REFUSED_DESTINATION"


class TaskRowError(PermanentJobError):
    """The producer's rows contradict the job."""

    code = "TASK_ROW"


class PoisonedJobError(PermanentJobError):
    """The job was begun many times and never ended, not even with an error: it may kill its workers."""

    code = "POISONED"


class RetryableJobError(StoryTtsError):
    """Another attempt may succeed: the message goes back to the queue with a growing delay."""

    code = "RETRYABLE"


class EngineDiedError(RetryableJobError):
    """The speech child crashed, hung or was killed."""

    code = "ENGINE_DIED"


class EngineCrashedError(EngineDiedError):
    """Native code crashed (SIGABRT, SIGSEGV and the like): the same text may crash it again."""

    code = "ENGINE_CRASHED"


class TaskRowMissingError(RetryableJobError):
    """The producer's row is not there yet."""

    code = "TASK_ROW_MISSING"


class MediaConflictError(RetryableJobError):
    """The object kept changing under the conditional write."""

    code = "MEDIA_CONFLICT"


class DiskFullError(RetryableJobError):
    """The job's temporary folder ran out of space."""

    code = "DISK_FULL"


class UnexpectedFaultError(RetryableJobError):
    """A fault of our own: the log has its trace, and the job another attempt."""

    code = "UNEXPECTED_FAULT"


class LeaseLostError(StoryTtsError):
    """Another worker owns the job now: the holder stops and writes nothing."""

    code = "LEASE_LOST"


class NarrationCancelledError(StoryTtsError):
    """Whoever asked for the narration called it off; nothing of it is left."""

    code = "CANCELLED"


class InfrastructureError(StoryTtsError):
    """A fault of the surroundings, nobody's job: the worker backs off and turns unhealthy."""

    code = "INFRASTRUCTURE"


class UnavailableError(InfrastructureError):
    """Throttled, unreachable or answering 5xx after the SDK's own retries."""

    code = "UNAVAILABLE"


class CredentialsError(InfrastructureError):
    """Credentials are missing, refused or expired."""

    code = "CREDENTIALS"


class QueueGoneError(InfrastructureError):
    """The queue does not exist (any more)."""

    code = "QUEUE_GONE"


class ConfigurationError(StoryTtsError):
    """The settings are wrong; one line a fault in `faults`, and what helps against them in `hint`."""

    code = "CONFIGURATION"

    def __init__(self, *faults: str, hint: str = "") -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
        self.hint = hint


class MissingExtraError(StoryTtsError):
    """An optional package is not installed; the message names the command that installs it."""

    code = "MISSING_EXTRA"


class LocalServiceError(StoryTtsError):
    """The embedded AWS or its worker did not start, or ended while it was needed."""

    code = "LOCAL_SERVICE"


def disk_error(error: OSError, path: Path) -> Exception:
    """Return DiskFullError where disk or quota are full or the file may not grow, else `error` itself."""
    if error.errno in _FULL:
        return DiskFullError(f"no space left for {path}")
    return error
