"""Message bodies that nobody would send."""

import json
from typing import Any

from hypothesis import strategies as st

TOPIC = "arn:aws:sns:us-east-1:123456789012:story-topic"
MARKER = "zebrawood"
"""Stands in every text, and may stand in no error."""
_STORY = {"text": MARKER, "parent_id": "story-1", "tts_task_id": "a1", "srt_task_id": "b2"}
_DIRECT = {"text": MARKER, "audio_out": "s3://other-bucket/a/b.wav", "subs_out": "s3://other-bucket/a/b.srt"}
_OPTIONS = {"voice": "af_heart", "speed": 1.5, "use_alignment": False, "pronunciations": {"lead": "led"}}
_FIELDS = [*_STORY, *_DIRECT, *_OPTIONS, "Type", "TopicArn", "Message", "copy"]

_HOSTILE_TEXTS = r"""
../../etc/passwd .. . a/b a\u0000b \ud800 \u202e s3:// s3://other-bucket/ s3://other-bucket/../x.wav
s3://evil-bucket/x.wav s3://other-bucket/\n.srt file:///etc/passwd http://169.254.169.254/latest/meta-data
af_heart\n af_heart,bm_george
"""
_HOSTILE: list[Any] = [json.loads(f'"{text}"') for text in _HOSTILE_TEXTS.split()]
_HOSTILE += ["x" * 2000, 10**31, -0.0, 5e-324, 1.7976931348623157e308, True, [], {}, None]
_JUNK = [*'{}"\\,:\x00', "", "[" * 2000, "\\ud800", "NaN", "-Infinity", "9" * 5000, "1e999"]

# Half surrogates, control characters, other scripts: everything that a string of JSON may spell.
_any_text = st.text(st.characters(codec=None, exclude_categories=[]))
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _any_text | st.sampled_from(_HOSTILE),
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
