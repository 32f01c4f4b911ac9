"""The environment: every fault is named at once, every default is the documented one."""

import pytest

from app.errors import ConfigurationError
from app.settings import Settings, variables

REQUIRED = {
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/story-sqs-queue-tts",
    "AWS_REGION": "us-east-1",
    "DYNAMODB_TABLE": "story-video-tasks",
    "OUTPUT_BUCKET": "story-video-data",
}


def test_the_required_variables_are_enough() -> None:
    """Four variables make a worker; the rest has the contract's defaults."""
    settings = Settings.read(REQUIRED)

    assert settings.default_voice == "af_heart"
    assert settings.speech_engine == "kokoro"
    assert settings.port == 8000
    assert settings.log_level == "INFO"
    assert settings.dead_letter_queue_url is None
    assert settings.allowed_buckets == frozenset()


def test_an_empty_variable_is_an_absent_one() -> None:
    """Container definitions cannot leave a variable out: empty means not set."""
    assert Settings.read(REQUIRED | {"DEAD_LETTER_QUEUE_URL": "", "PORT": " "}) == Settings.read(REQUIRED)


def test_buckets_are_a_list_with_commas() -> None:
    """Several buckets fit into one variable."""
    settings = Settings.read(REQUIRED | {"ALLOWED_OUTPUT_BUCKETS": "one-bucket, other.bucket,"})

    assert settings.allowed_buckets == {"one-bucket", "other.bucket"}


def test_every_missing_variable_is_named_at_once() -> None:
    """Nobody has to start the worker four times to learn of four missing variables."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.read({})

    assert [fault.split(" ")[0] for fault in caught.value.faults] == list(REQUIRED)


def test_what_is_missing_comes_with_where_to_find_it() -> None:
    """Who has no service is told how to get one; who mistyped a value is not sent elsewhere."""
    with pytest.raises(ConfigurationError) as missing:
        Settings.read({})
    with pytest.raises(ConfigurationError) as mistyped:
        Settings.read(REQUIRED | {"PORT": "x"})

    assert ("`story-tts local`" in missing.value.hint, mistyped.value.hint) == (True, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_URL", "story-sqs-queue-tts"),
        ("QUEUE_URL", "ftp://example.com/queue"),
        ("DEAD_LETTER_QUEUE_URL", "https://example.com"),
        ("AWS_REGION", "Virginia"),
        ("DYNAMODB_TABLE", "a b"),
        ("OUTPUT_BUCKET", "s3://bucket"),
        ("ALLOWED_OUTPUT_BUCKETS", "good-one,Bad_One"),
        ("SNS_TOPIC_ARN", "story-topic"),
        ("SPEECH_ENGINE", "festival"),
        ("PORT", "0"),
        ("PORT", "http"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("LEASE_SECS", "1"),
        ("LEASE_SECS", "nan"),
        ("RECEIVE_WAIT_SECS", "21"),
        ("MAX_RECEIVES", "0"),
        ("STOP_TIMEOUT_SECS", "121"),
        ("READING_SPEED", "0"),
        ("SENTENCE_PAUSE_SECS", "-1"),
        ("PARAGRAPH_PAUSE_SECS", "11"),
    ],
)
def test_a_malformed_variable_is_one_line_with_its_name(name: str, value: str) -> None:
    """Each malformed value is refused in one line that begins with the variable."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.read(REQUIRED | {name: value})

    (fault,) = caught.value.faults
    assert fault.startswith(name)
    assert "\n" not in fault


def test_every_variable_says_what_it_means() -> None:
    """The table of variables, from which the documentation is checked, has a meaning for each."""
    assert all(meaning for meaning, _ in variables().values())
