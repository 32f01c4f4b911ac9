"""Message bodies that nobody would send, and what must hold of every one of them."""

import json
import re
from typing import Any

from hypothesis import strategies as st

from app.errors import PermanentJobError
from app.job import RowKey
from app.message import MessageParser

TOPIC = "arn:aws:sns:us-east-1:123456789012:story-topic"
MARKER = "zebrawood"
"""Stands in every text, and may stand in no error."""
VOICES = frozenset({"af_heart", "bm_george"})
BUCKETS = frozenset({"story-video-data", "other-bucket"})
CONTRACT = MessageParser(
    output_bucket="story-video-data",
    default_voice="af_heart",
    voices=VOICES,
    allowed_buckets=BUCKETS,
    topic_arn=TOPIC,
)
_STORY = {"text": MARKER, "parent_id": "story-1", "tts_task_id": "a1", "srt_task_id": "b2"}
_DIRECT = {"text": MARKER, "audio_out": "s3://other-bucket/a/b.wav", "subs_out": "s3://other-bucket/a/b.srt"}
_OPTIONS = {"voice": "af_heart", "speed": 1.5, "use_alignment": False}
_FIELDS = [*_STORY, *_DIRECT, *_OPTIONS, "Type", "TopicArn", "Message", "copy"]
_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

# Half surrogates, control characters, other scripts: everything that a string of JSON may spell.
_any_text = st.text(st.characters(codec=None, exclude_categories=[]))
_hostile_values: st.SearchStrategy[Any] = st.sampled_from(
    [
        "../../etc/passwd",
        "..",
        ".",
        "a/b",
        "a\x00b",
        "\ud800",
        "\u202e",
        "s3://",
        "s3://other-bucket/",
        "s3://other-bucket/../x.wav",
        "s3://evil-bucket/x.wav",
        "s3://other-bucket/\n.srt",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "af_heart\n",
        "af_heart,bm_george",
        "x" * 2000,
        10**31,
        -0.0,
        5e-324,
        1.7976931348623157e308,
        True,
        [],
        {},
        None,
    ]
)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _any_text | _hostile_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_any_text, inner, max_size=3),
    max_leaves=6,
)
_near_misses = st.builds(
    lambda base, changes, missing: {
        name: value for name, value in (base | changes).items() if name not in missing
    },
    st.sampled_from([_STORY, _DIRECT, _STORY | _OPTIONS, _DIRECT | _OPTIONS, _STORY | _DIRECT]),
    st.dictionaries(st.sampled_from(_FIELDS) | _any_text, _json_values, max_size=3),
    st.sets(st.sampled_from(_FIELDS), max_size=1),
)
_spelled = st.builds(
    lambda fields, ascii_only: json.dumps(fields, ensure_ascii=ascii_only),
    _near_misses | st.dictionaries(_any_text, _json_values, max_size=4),
    st.booleans(),
)
_enveloped = st.builds(
    lambda message, arn, kind: json.dumps({"Type": kind, "TopicArn": arn, "Message": message}),
    _spelled | _json_values,
    st.sampled_from([TOPIC, TOPIC + "x", ""]) | _json_values,
    st.sampled_from(["Notification", "SubscriptionConfirmation"]) | _json_values,
)


def _damaged(body: str, at: int, junk: str, cut: int) -> str:
    position = at % (len(body) + 1)
    return body[:position] + junk + body[position + cut :]


_JUNK = [
    "",
    "{",
    "}",
    "[" * 2000,
    '"',
    "\\",
    "\\ud800",
    ",",
    ":",
    "NaN",
    "-Infinity",
    "9" * 5000,
    "1e999",
    "\x00",
]
_broken = st.builds(
    _damaged,
    _spelled | st.sampled_from([json.dumps(_STORY), json.dumps(_DIRECT)]),
    st.integers(0, 10_000),
    st.sampled_from(_JUNK) | _any_text,
    st.integers(0, 8),
)
_repeated_keys = st.builds(
    lambda name, value: json.dumps(_STORY)[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}",
    st.sampled_from(_FIELDS),
    _json_values,
)
_deep = st.builds(
    lambda depth, opening, body: opening * depth + body,
    st.integers(1, 100_000),
    st.sampled_from(["[", '{"text":', '{"Type": ']),
    st.sampled_from(["", "1", json.dumps(_STORY)]),
)

bodies = st.one_of(_any_text, _spelled, _enveloped, _broken, _repeated_keys, _deep)


def check(body: str) -> bool:
    """Hold the edge to its promises for one body; return whether it was a job."""
    named = CONTRACT.rows_named_by(body)
    assert all(_is_key(key) for key in named)
    try:
        job = CONTRACT.job(body)
    except PermanentJobError as refusal:
        _check_message(refusal.message)
        return False
    assert job.text.strip()
    job.text.encode()
    assert job.voice in VOICES
    assert 0.5 <= job.speed <= 2.0
    addresses = list(job.destination.addresses.values())
    assert len(set(addresses)) == 4
    for address in addresses:
        assert address.bucket in BUCKETS
        assert all(part.strip(".") for part in address.key.split("/"))
        assert address.key.isprintable()
    if job.subtitles_row is not None:
        assert _is_key(job.audio_row)
        assert _is_key(job.subtitles_row)
        assert named == (job.audio_row, job.subtitles_row)
        prefix = f"{job.audio_row.id}/"
        assert all(address.key.startswith(prefix) for address in addresses)
    return True


def _check_message(message: str) -> None:
    """A refusal is one line, as a row and a log take it, and quotes nothing of the story."""
    assert MARKER not in message
    assert message.isprintable()


def _is_key(key: RowKey) -> bool:
    return all(_ID.fullmatch(part) and part.strip(".") for part in (key.id, key.task_id))
