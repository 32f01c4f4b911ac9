"""The edge: every form of a job is understood, everything else is refused by name."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import (
    InvalidMessageError,
    PermanentJobError,
    RefusedDestinationError,
    UnknownVoiceError,
)
from app.job import Job, RowKey, S3Address
from app.media import WORDS
from app.message import MessageParser

TOPIC = "arn:aws:sns:us-east-1:123456789012:story-topic"
CONTRACT = MessageParser(
    output_bucket="story-video-data",
    default_voice="af_heart",
    voices={"af_heart", "bm_george"},
    allowed_buckets=frozenset({"other-bucket"}),
    topic_arn=TOPIC,
    allowed_input_buckets=frozenset({"inputs"}),
)
STORY = {"text": "Once upon a time.", "parent_id": "story-1", "tts_task_id": "a1", "srt_task_id": "b2"}
DIRECT = {
    "text": "Once upon a time.",
    "audio_out": "s3://story-video-data/old/one.wav",
    "subs_out": "s3://other-bucket/old/one.srt",
}


def body(fields: dict[str, Any], **changes: Any) -> str:
    """Return a message body of `fields` with `changes`; a change to ... leaves the field out."""
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not ...})


def enveloped(message: str, **changes: Any) -> str:
    """Return `message` as SNS delivers it."""
    return body({"Type": "Notification", "TopicArn": TOPIC, "Message": message, "MessageId": "m"}, **changes)


def test_story_form_is_a_job_with_the_producers_rows_and_keys() -> None:
    """The story form names two rows, and its objects lie under the parent's id."""
    job = CONTRACT.job(body(STORY))

    assert job == Job(
        text="Once upon a time.",
        voice="af_heart",
        speed=1.0,
        use_alignment=True,
        destination=job.destination,
        audio_row=RowKey("story-1", "a1"),
        subtitles_row=RowKey("story-1", "b2"),
    )
    assert [address.uri for address in job.destination.addresses.values()] == [
        "s3://story-video-data/story-1/a1.wav",
        "s3://story-video-data/story-1/b2.srt",
        "s3://story-video-data/story-1/b2.vtt",
        "s3://story-video-data/story-1/b2.words.json",
    ]


def test_direct_form_names_its_outputs_and_one_row_of_its_own() -> None:
    """The direct form writes where it says, within the allowed buckets, and claims a row of its own."""
    job = CONTRACT.job(body(DIRECT))

    assert job.destination.audio == S3Address("story-video-data", "old/one.wav")
    assert job.destination.address(WORDS) == S3Address("other-bucket", "old/one.words.json")
    assert job.audio_row == RowKey("s3://story-video-data/old/one.wav", "direct")
    assert job.subtitles_row is None


@pytest.mark.parametrize("fields", [STORY, DIRECT])
def test_an_envelope_of_the_topic_holds_the_same_job(fields: dict[str, Any]) -> None:
    """A job means the same bare and inside an SNS envelope."""
    assert CONTRACT.job(enveloped(body(fields))) == CONTRACT.job(body(fields))


def test_options_are_taken_over() -> None:
    """Voice, speed and the wish for alignment reach the job."""
    job = CONTRACT.job(body(STORY, voice="bm_george", speed=2, use_alignment=False))

    assert (job.voice, job.speed, job.use_alignment) == ("bm_george", 2.0, False)


def test_pronunciations_are_taken_over() -> None:
    """Words and their pronunciations reach the job as they were given; null and {} are none."""
    given = {"Tolkien": "tˈOlkin", "Siobhan": "shi-vawn"}

    assert CONTRACT.job(body(STORY, pronunciations=given)).pronunciations == tuple(given.items())
    assert CONTRACT.job(body(STORY, pronunciations=None)).pronunciations == ()
    assert CONTRACT.job(body(STORY, pronunciations={})) == CONTRACT.job(body(STORY))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"a": "x", "Tolkien": "/tˈO7n/"}, "entry 2: character 5, '7', is not a phoneme"),
        ({"a": 7}, "entry 1: words and pronunciations must be text"),
        ({"": "x"}, "entry 1: a word has 1 to 64 characters"),
        ({"\ud800a": "x"}, "entry 1: a word has"),
        ({"a": "b" * 129}, "entry 1: a pronunciation has 1 to 128"),
        ({f"w{number}": "x" for number in range(2001)}, "entry 2001: there are at most 2000 entries"),
    ],
)
def test_a_wrong_pronunciation_is_refused_by_its_place(given: dict[str, Any], reason: str) -> None:
    """The job is refused, not the worker; the error counts entries from 1 and quotes no word."""
    with pytest.raises(InvalidMessageError) as caught:
        CONTRACT.job(body(STORY, pronunciations=given))

    assert caught.value.message.startswith(f"pronunciations: {reason}")
    assert "Tolkien" not in caught.value.message


def test_formats_are_further_objects_of_the_audio_row() -> None:
    """The first format is the main object; the others lie beside it, in attributes of their own."""
    destination = CONTRACT.job(body(STORY, formats=["opus", "wav"])).destination

    assert [(destination.attribute(kind), each.key) for kind, each in destination.addresses.items()][:3] == [
        ("media_url", "story-1/a1.opus"),
        ("wav_url", "story-1/a1.wav"),
        ("media_url", "story-1/b2.srt"),
    ]
    assert [kind.name for kind in destination.addresses if destination.is_primary(kind)] == ["opus", "srt"]


def test_formats_of_the_direct_form_follow_its_audio() -> None:
    """The named object has the first format; the key of another gets that format's suffix."""
    destination = CONTRACT.job(body(DIRECT, formats=["wav", "mp3"])).destination

    assert [address.key for address in destination.addresses.values()][:2] == ["old/one.wav", "old/one.mp3"]


def test_another_format_under_the_same_key_is_another_request() -> None:
    """A direct job that asks for another format of the same object is not taken for a copy."""
    wav, mp3 = (CONTRACT.job(body(DIRECT, formats=[name])) for name in ("wav", "mp3"))

    assert wav.destination.audio == mp3.destination.audio
    assert wav.request_sha256 != mp3.request_sha256


def test_other_pronunciations_are_another_request() -> None:
    """The order of the entries does not count, and jobs without any keep the digest that rows have."""
    plain, given, turned = (
        CONTRACT.job(body(DIRECT, pronunciations=entries))
        for entries in ({}, {"lead": "led", "bass": "base"}, {"bass": "base", "lead": "led"})
    )

    assert given.request_sha256 == turned.request_sha256 != plain.request_sha256
    assert plain.request_sha256 == "ad192b6ba125db23c24dd248c6545646ae6302602c5f196d059e252e0a6e4c06"


def test_unknown_fields_are_ignored_and_named() -> None:
    """The producer may add fields: they change nothing and can be counted."""
    job = CONTRACT.job(body(STORY, mood="merry", chapter=3))

    assert job.unknown_fields == ("chapter", "mood")


def test_text_is_kept_to_the_letter() -> None:
    """White space at the ends stays, for spans of words count from the text as it was sent."""
    assert CONTRACT.job(body(STORY, text="  Once. \n")).text == "  Once. \n"


REFUSED = [
    ("", ""),
    ("not json", ""),
    ("[]", ""),
    ('"text"', ""),
    ("null", ""),
    ("[" * 100_000 + "]" * 100_000, ""),
    ('{"a":' * 100_000 + "1" + "}" * 100_000, ""),
    (body(STORY)[:-1] + ', "chapter": ' + "9" * 5000 + "}", ""),
    (body(STORY)[:-1] + ', "speed": NaN}', ""),
    (body(STORY)[:-1] + ', "speed": -Infinity}', ""),
    (body(STORY)[:-1] + ', "speed": 1e999}', ""),
    (body(STORY)[:-1] + ', "text": "again"}', "text"),
    (body(STORY, text=...), "text"),
    (body(STORY, text=""), "text"),
    (body(STORY, text=" \n\t\u3000"), "text"),
    (body(STORY, text=7), "text"),
    (body(STORY, text=None), "text"),
    (body(STORY, text="half \ud800 pair"), "text"),
    (body(STORY, parent_id=...), "parent_id"),
    (body(STORY, parent_id=""), "parent_id"),
    (body(STORY, parent_id="a" * 129), "parent_id"),
    (body(STORY, parent_id="../other"), "parent_id"),
    (body(STORY, parent_id=".."), "parent_id"),
    (body(STORY, parent_id="a\n"), "parent_id"),
    (body(STORY, parent_id="segments"), "parent_id"),
    (body(DIRECT, subs_out="s3://story-video-data/segments/a.srt"), "subs_out"),
    (body(STORY, tts_task_id="a/b"), "tts_task_id"),
    (body(STORY, srt_task_id="ä"), "srt_task_id"),
    (body(STORY, srt_task_id="a1"), "srt_task_id"),
    (body(STORY, speed="1.0"), "speed"),
    (body(STORY, speed=True), "speed"),
    (body(STORY, speed=0.49), "speed"),
    (body(STORY, speed=2.01), "speed"),
    (body(STORY, use_alignment="yes"), "use_alignment"),
    (body(STORY, use_alignment=1), "use_alignment"),
    (body(STORY, voice=3), "voice"),
    (body(DIRECT, subs_out=...), "subs_out"),
    (body(DIRECT, parent_id="story-1"), "parent_id"),
    (body(DIRECT, audio_out="https://example.com/a.wav"), "audio_out"),
    (body(DIRECT, audio_out="s3://story-video-data/"), "audio_out"),
    (body(DIRECT, audio_out="s3://story-video-data/a/../b.wav"), "audio_out"),
    (body(DIRECT, audio_out="s3://story-video-data/a\n.wav"), "audio_out"),
    (body(DIRECT, audio_out="s3://story-video-data/" + "é" * 600), "audio_out"),
    # The key is 1,024 bytes long, and that of the words, which has a longer suffix, 1,031.
    (body(DIRECT, subs_out="s3://story-video-data/" + "k" * 1020 + ".srt"), "subs_out"),
    (
        body(DIRECT, audio_out="s3://story-video-data/a.vtt", subs_out="s3://story-video-data/a.srt"),
        "subs_out",
    ),
    (enveloped(body(STORY), Type="SubscriptionConfirmation"), "Type"),
    (enveloped(body(STORY), TopicArn=TOPIC + "-of-others"), "TopicArn"),
    (enveloped(body(STORY), Message=...), "Message"),
    (enveloped(body(STORY), Message={"text": "x"}), "Message"),
    (enveloped("not json"), ""),
    (body(STORY, formats=[]), "formats"),
    (body(STORY, formats=["wav", "wav"]), "formats"),
    (body(STORY, formats=["ogg"]), "formats"),
    (body(STORY, formats="wav"), "formats"),
    (body(STORY, formats=[["wav"]]), "formats"),
    (body(STORY, pronunciations=["lead"]), "pronunciations"),
    (body(STORY, pronunciations="lead"), "pronunciations"),
]


@pytest.mark.parametrize(
    ("message", "field"), REFUSED, ids=[f"{i}-{field}" for i, (_, field) in enumerate(REFUSED)]
)
def test_a_bad_body_is_refused_by_the_name_of_its_field(message: str, field: str) -> None:
    """Whatever is wrong with a body, the error names the field at fault, in one line."""
    with pytest.raises(InvalidMessageError) as caught:
        CONTRACT.job(message)

    assert caught.value.field == field
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 200


def test_an_unknown_voice_is_refused_before_anything_is_built_from_it() -> None:
    """A voice outside the engine's closed set ends at the edge."""
    with pytest.raises(UnknownVoiceError, match=r"no voice '\.\./\.\./etc/passwd'"):
        CONTRACT.job(body(STORY, voice="../../etc/passwd"))


def test_a_foreign_bucket_is_refused_with_the_setting_that_would_allow_it() -> None:
    """A direct job writes to no bucket that the operator has not named."""
    with pytest.raises(RefusedDestinationError, match="bucket somebody-elses is not allowed"):
        CONTRACT.job(body(DIRECT, audio_out="s3://somebody-elses/a.wav"))


def test_no_refusal_quotes_the_story() -> None:
    """The text of a story reaches no error, whatever else is wrong with its job."""
    secret = "the butler did it"  # the story, not a credential
    for changes in ({"speed": 9}, {"parent_id": "?"}, {"voice": "x"}, {"text": secret + "\ud800"}):
        with pytest.raises(PermanentJobError) as caught:
            CONTRACT.job(body(STORY, **({"text": secret} | changes)))
        assert secret not in str(caught.value)


def test_a_word_that_is_given_twice_is_not_named() -> None:
    """Pronunciations hold words of the story; a field of the message that appears twice is named."""
    twice = '{"pronunciations": {"Moriarty": "a", "Moriarty": "b"}}'
    with pytest.raises(InvalidMessageError) as caught:
        CONTRACT.job(twice)
    assert caught.value.message == "an object of the body has a name twice"
    with pytest.raises(InvalidMessageError, match="voice: appears twice"):
        CONTRACT.job('{"voice": "a", "voice": "b"}')


def test_a_refused_body_still_names_its_rows() -> None:
    """Rows of a refused job can be marked FAILED where the body names them well enough."""
    assert CONTRACT.rows_named_by(enveloped(body(STORY, speed=9))) == (
        RowKey("story-1", "a1"),
        RowKey("story-1", "b2"),
    )
    assert CONTRACT.rows_named_by(body(STORY, parent_id="../other")) == ()
    assert CONTRACT.rows_named_by(body(STORY, tts_task_id=7)) == ()
    assert CONTRACT.rows_named_by("not json") == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.text()
    | st.dictionaries(
        st.sampled_from([*STORY, *DIRECT, "voice", "speed", "Type", "TopicArn"]), json_values
    ).map(json.dumps)
)
def test_any_body_is_a_job_or_a_typed_refusal(message: str) -> None:
    """No body whatever gets anything but a job or a PermanentJobError out of the edge."""
    try:
        job = CONTRACT.job(message)
    except PermanentJobError:
        return
    assert job.text.strip()


@pytest.mark.parametrize("form", [STORY, DIRECT])
def test_a_text_may_be_referred_to(form: dict[str, Any]) -> None:
    """In place of the text, from the output bucket or an input bucket; the digest is of the address."""
    jobs = [
        CONTRACT.job(body(form, text=..., text_url=f"s3://{bucket}/in/a.txt"))
        for bucket in ("story-video-data", "inputs")
    ]
    assert [job.text_address for job in jobs] == [
        S3Address("story-video-data", "in/a.txt"),
        S3Address("inputs", "in/a.txt"),
    ]
    assert len({job.request_sha256 for job in jobs}) == 2
    assert replace(jobs[0], text="read").request_sha256 == jobs[0].request_sha256


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text_url": "s3://inputs/a.txt"}, "text_url"),
        ({"text": ...}, "text"),
        ({"text": ..., "text_url": "https://inputs/a.txt"}, "text_url"),
        ({"text": ..., "text_url": "s3://inputs/../a.txt"}, "text_url"),
        ({"text": ..., "text_url": "s3://other-bucket/a.txt"}, "text_url"),
        ({"text": ..., "text_url": 7}, "text_url"),
        ({"text": None}, "text"),
    ],
)
def test_a_wrong_reference_is_refused(changes: dict[str, Any], field: str) -> None:
    """Both or neither, no address, or a bucket that is not for reading, such as one of the output buckets."""
    with pytest.raises(InvalidMessageError) as refused:
        CONTRACT.job(body(STORY, **changes))
    assert refused.value.field == field
