"""
Measures the word times of real voices against three judges: energy, PocketSphinx and Whisper.

    python -m benchmarks.onsets [--voice af_heart --voice bf_emma] [--whisperx MODELS_DIR] [--keep FOLDER]

Narrates the bundled story with the engine's own word times, or with WhisperX and the published network in
MODELS_DIR (the one of `make real-voices` has random weights). Positive numbers: later than the judge.

PocketSphinx aligns in another way than Kokoro and WhisperX do; on espeak-ng, whose times are exact, it is
unbiased (median -6 ms; 95% within 61 ms). Energy judges only starts after pauses and ends before them.
Whisper's times come from its attention, and are the coarsest.
"""

import argparse
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.alignment.whisperx import WhisperXAligner
from app.models.store import ModelStore
from benchmarks import real_voices
from benchmarks.listening import Ears, normalized
from benchmarks.narrated import RATE, Audio, Ours, Samples, TimedWord, kokoro
from tests.tree import ROOT

_STORY = ROOT / "app/local/stories/the-story-of-an-hour.txt"
_HEARING_RATE = 16_000
_SENTENCE_END = re.compile(r"[.!?][\"\u201d\u2019)]*$")
_AROUND_SECS = 0.3
_PAUSE_SECS = 0.12
"""A gap between two words that counts as a pause."""
_SILENCE = 0.02
"""Share of the voice's usual level under which a frame of 5 ms is silent."""
_FRAME = RATE // 200


class Error(NamedTuple):
    """A word time minus a judge's, in milliseconds."""

    judge: str
    edge: str
    """ "start" or "end"."""
    position: str
    """ "after a pause", "before a pause", "at a sibilant" or "inside"."""
    milliseconds: float


def main() -> None:
    """Print the errors by voice, judge, edge and position."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voice", action="append")
    parser.add_argument("--whisperx", type=Path, metavar="MODELS_DIR")
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.path.append(str(real_voices.tools()))
    aligner = (
        WhisperXAligner(models=ModelStore(arguments.whisperx), language="en") if arguments.whisperx else None
    )
    ours, ears = Ours(kokoro(real_voices.models()), aligner=aligner), Ears(real_voices.ears())
    summaries = []
    with tempfile.TemporaryDirectory() as scratch:
        for voice in arguments.voice or ["af_heart", "bf_emma"]:
            path = (arguments.keep or Path(scratch)) / f"{voice}-story.wav"
            audio = ours.read(path) if path.exists() else ours(_STORY.read_text("utf-8"), path, voice=voice)
            errors = [*energy(audio), *pocketsphinx(audio), *whisper(audio, ears)]
            print(f"{voice}: {audio.secs:.0f} s, {len(audio.words)} words")
            _report(errors)
            summaries.append(f"{voice} {_summary(errors)}")
    print("; ".join(summaries))


def energy(audio: Audio) -> Iterator[Error]:
    """Judge starts after pauses and ends before them by where the level rises and falls."""
    samples = audio.samples
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    level = np.sqrt((frames**2).mean(1))
    is_sound = level > _SILENCE * np.percentile(level, 95)
    for before, after in zip(audio.words, audio.words[1:], strict=False):
        if after.start_secs - before.end_secs < _PAUSE_SECS:
            continue
        middle = int((before.end_secs + after.start_secs) / 2 * 200)
        if is_sound[middle]:
            continue
        last = middle - int(np.argmax(is_sound[middle::-1]))
        first = middle + int(np.argmax(is_sound[middle:]))
        yield Error("energy", "end", "before a pause", (before.end_secs - (last + 1) / 200) * 1000)
        yield Error("energy", "start", "after a pause", (after.start_secs - first / 200) * 1000)


def pocketsphinx(audio: Audio) -> Iterator[Error]:
    """Judge starts and ends by PocketSphinx's forced alignment, sentence by sentence."""
    from pocketsphinx import Decoder  # noqa: PLC0415  # of `make real-voices` alone

    decoder = Decoder(samprate=_HEARING_RATE, bestpath=False, beam=1e-80, wbeam=1e-60, pbeam=1e-80)
    samples = resampled(audio.samples)
    words, index = audio.words, 0
    for sentence in _sentences(words):
        first, index = index, index + len(sentence)
        tokens = [(token, owner) for owner in range(first, index) for token in _tokens(words[owner].text)]
        if not tokens or any(decoder.lookup_word(token) is None for token, _ in tokens):
            continue
        low = max(0.0, sentence[0].start_secs - _AROUND_SECS)
        piece = samples[
            int(low * _HEARING_RATE) : int((sentence[-1].end_secs + _AROUND_SECS) * _HEARING_RATE)
        ]
        segments = _aligned(decoder, [token for token, _ in tokens], piece)
        if len(segments) == len(tokens):
            yield from _judged("PocketSphinx", words, tokens, [(low + a, low + b) for a, b in segments])


def whisper(audio: Audio, ears: Ears) -> Iterator[Error]:
    """Judge starts and ends by Whisper's word times, for the words that it hears as they are written."""
    import difflib  # noqa: PLC0415

    heard = ears.hear(audio.path)
    expected = [(token, owner) for owner, word in enumerate(audio.words) for token in normalized(word.text)]
    found = [(token, each) for each in heard for token in normalized(each.text)]
    matcher = difflib.SequenceMatcher(
        None, [token for token, _ in expected], [token for token, _ in found], autojunk=False
    )
    for i, j, size in matcher.get_matching_blocks():
        matched = [(found[j + k][1].start_secs, found[j + k][1].end_secs) for k in range(size)]
        yield from _judged("Whisper", audio.words, expected[i : i + size], matched)


def resampled(samples: Samples) -> Samples:
    """Return samples at the rate that the judges hear."""
    import torch  # noqa: PLC0415  # loaded by now
    from torchaudio.functional import resample  # noqa: PLC0415

    result: Samples = resample(torch.from_numpy(samples), RATE, _HEARING_RATE).numpy()
    return result


def _aligned(decoder: Any, tokens: Sequence[str], samples: Samples) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of each token; an empty list if they cannot be aligned."""
    try:
        decoder.set_align_text(" ".join(tokens))
        decoder.start_utt()
        decoder.process_raw((samples * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        segments = [each for each in decoder.seg() if each.word[0] not in "<["]
    except (RuntimeError, TypeError):  # its way to say that no path reaches the end
        return []
    return [(each.start_frame / 100, (each.end_frame + 1) / 100) for each in segments]


def _judged(
    judge: str,
    words: Sequence[TimedWord],
    tokens: Sequence[tuple[str, int]],
    times: Sequence[tuple[float, float]],
) -> Iterator[Error]:
    """Yield the errors of the words whose tokens are all there."""
    spans: dict[int, tuple[float, float]] = {}
    for (_, owner), (start, end) in zip(tokens, times, strict=True):
        spans[owner] = (spans[owner][0] if owner in spans else start, end)
    for owner, (start, end) in spans.items():
        word = words[owner]
        before = words[owner - 1].end_secs if owner else 0.0
        after = words[owner + 1].start_secs if owner + 1 < len(words) else float("inf")
        follows_pause = word.start_secs - before > _PAUSE_SECS
        is_sibilant = normalized(word.text)[:1] and normalized(word.text)[0][0] in "szcjx"
        at = "after a pause" if follows_pause else "at a sibilant" if is_sibilant else "inside"
        yield Error(judge, "start", at, (word.start_secs - start) * 1000)
        at = "before a pause" if after - word.end_secs > _PAUSE_SECS else "inside"
        yield Error(judge, "end", at, (word.end_secs - end) * 1000)


def _sentences(words: Sequence[TimedWord]) -> Iterator[Sequence[TimedWord]]:
    first = 0
    for index, word in enumerate(words, 1):
        if _SENTENCE_END.search(word.text) or index == len(words):
            yield words[first:index]
            first = index


def _tokens(text: str) -> list[str]:
    found = re.findall(r"[a-z']+", text.lower().replace("\u2019", "'"))
    return [token.strip("'") for token in found if token.strip("'")]


def _report(errors: Sequence[Error]) -> None:
    for judge in dict.fromkeys(each.judge for each in errors):
        for edge in ("start", "end"):
            found = [each for each in errors if (each.judge, each.edge) == (judge, edge)]
            for position in sorted({each.position for each in found}):
                _line(judge, edge, position, [e.milliseconds for e in found if e.position == position])
            _line(judge, edge, "all", [each.milliseconds for each in found])


def _line(judge: str, edge: str, position: str, values: Sequence[float]) -> None:
    if values:
        median = np.median(values)
        high = np.percentile(np.abs(np.array(values) - median), 95)
        print(f"  {judge:12} {edge:5} {position:15} {len(values):4} words", end="  ")
        print(f"median {median:+5.0f} ms  p95 {high:4.0f} ms")


def _summary(errors: Sequence[Error]) -> str:
    starts = [e.milliseconds for e in errors if (e.judge, e.edge) == ("PocketSphinx", "start")]
    ends = [e.milliseconds for e in errors if (e.judge, e.position) == ("PocketSphinx", "before a pause")]
    median = np.median(starts)
    high = np.percentile(np.abs(np.array(starts) - median), 95)
    return (
        f"starts against PocketSphinx: median {median:+.0f} ms, 95% within {high:.0f} ms of it, "
        f"ends before pauses {np.median(ends):+.0f} ms"
    )


if __name__ == "__main__":
    main()
