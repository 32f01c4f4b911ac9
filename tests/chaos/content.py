"""Whether the objects of a completed job are what it asked for, by readers that are not the product's own."""

import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import soundfile  # type: ignore[import-untyped]

from app.aws.rows import Row
from app.media import AUDIO_FORMATS, SRT, VTT, WORDS

# Format and coding as libsndfile names them; what a coding may add to the length, in seconds.
_AUDIO = {
    "wav": ("WAV", "PCM_16", 0.0006),
    "flac": ("FLAC", "PCM_16", 0.0006),
    "opus": ("OGG", "OPUS", 0.05),
    "mp3": ("MP3", "MPEG_LAYER_III", 0.1),
}
_TIME = r"(\d+):(\d\d):(\d\d){point}(\d{{3}})"
_CUE = rf"(\d+)\n{_TIME} --> {_TIME}\n((?:.+\n)+)\n"
_JOINER = "\u2060"
Object = tuple[bytes, str]
"""Its content and its type."""


def keys_of(story: str, job: Mapping[str, Any]) -> dict[str, str]:
    """Return what a job must leave in the bucket: the key of each object, and its content type."""
    kinds = [AUDIO_FORMATS[name] for name in job.get("formats", ["wav"])]
    audio = {f"{story}/tts{kind.suffix}": kind.content_type for kind in kinds}
    return audio | {f"{story}/srt{kind.suffix}": kind.content_type for kind in (SRT, VTT, WORDS)}


def content_faults(
    job: Mapping[str, Any], row: Row, story: str, read: Callable[[str], Object | None]
) -> Iterator[str]:
    """Yield what is wrong with the objects of a job; `row` is its audio row, `read` returns an object."""
    secs = float(row["duration_seconds"])
    for key, content_type in keys_of(story, job).items():
        found = read(key)
        if found is None:
            yield f"{key} does not exist"
        elif found[1] != content_type:
            yield f"{key} is {found[1]}, not {content_type}"
        else:
            try:
                fault = _fault(key.partition(".")[2], found[0], str(job["text"]), secs)
            except (ValueError, KeyError, TypeError, IndexError, soundfile.LibsndfileError) as error:
                fault = f"cannot be read: {error}"
            if fault:
                yield f"{key}: {fault}"


def _fault(suffix: str, content: bytes, text: str, secs: float) -> str:
    if suffix in _AUDIO:
        return _fault_of_audio(suffix, content, secs)
    if suffix == "words.json":
        return _fault_of_words(json.loads(content)["words"], text, secs)
    decoded = content.decode()
    point = "," if suffix == "srt" else r"\."
    head, body = ("", decoded) if suffix == "srt" else (decoded[:8], decoded[8:])
    cues = list(re.finditer(_CUE.format(point=point), body))
    if head not in {"", "WEBVTT\n\n"} or "".join(cue[0] for cue in cues) != body:
        return "is not written in its format"
    shown = " ".join(cue[10] for cue in cues).replace(_JOINER, "")
    if (html.unescape(shown) if head else shown).split() != text.split():
        return "shows another text than the source"
    times = [_secs(cue.groups()[at : at + 4]) for cue in cues for at in (1, 5)]
    is_numbered = [int(cue[1]) for cue in cues] == list(range(1, len(cues) + 1))
    return "" if is_numbered and times == sorted(times) and times[-2] < secs else "has cues out of order"


def _secs(parts: tuple[str, ...]) -> float:
    hours, minutes, secs, thousandths = map(int, parts)
    return hours * 3600 + minutes * 60 + secs + thousandths / 1000


def _fault_of_audio(suffix: str, content: bytes, secs: float) -> str:
    name, coding, slack = _AUDIO[suffix]
    info = soundfile.info(io.BytesIO(content))
    if (info.format, info.subtype, info.channels) != (name, coding, 1):
        return f"is {info.format} {info.subtype} with {info.channels} channels"
    samples, rate = soundfile.read(io.BytesIO(content))
    if abs(len(samples) / rate - secs) > slack:
        return f"lasts {len(samples) / rate:.3f} s, and {secs} s by its row"
    return "" if abs(samples).max() > 0.01 else "is silent"


def _fault_of_words(words: list[dict[str, Any]], text: str, secs: float) -> str:
    if [text[slice(*word["span"])] for word in words] != [word["text"] for word in words]:
        return "has words that are not at their spans"
    if "".join("".join(word["text"].split()) for word in words) != "".join(text.split()):
        return "has other words than the source"
    times = [word[name] for word in words for name in ("start", "end")]
    return "" if times == sorted(times) and times[-1] <= secs + 0.001 else "has times out of order"
