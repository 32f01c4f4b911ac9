"""
Measures the word error of real voices by Whisper, beside Kokoro's own pipeline.

    python -m benchmarks.words [--voice af_heart] [--only difficult] [--minutes 60] [--keep FOLDER]

Narrates the bundled story, the seven passages of the tests and ten difficult texts, in this project's way and
by Kokoro's own pipeline, and compares what Whisper hears with the text, or with its reading in words where a
file has one. With --minutes, narrates that much shuffled prose with four voices instead, and looks for words
that are dropped or doubled: where Whisper misses or repeats a word, it listens again to the seconds around.
With --keep, results stay in FOLDER, and a later run goes on from there.

Whisper's own mistakes (names, homophones) count on both sides.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import real_voices
from benchmarks.listening import Comparison, Difference, Ears, HeardWord, compare, normalized, words_of
from benchmarks.narrated import RATE, Audio, KPipeline, Ours, kokoro
from benchmarks.prose import CHARACTERS_A_MINUTE, prose
from tests.tree import ROOT

_SETS = {
    "story": "app/local/stories/*.txt",
    "passages": "tests/data/passages/*.txt",
    "difficult": "tests/data/difficult/*.txt",
}
_VOICES = ("af_heart", "am_michael", "bf_emma", "bm_george")
_PART_MINUTES = 5
_AROUND_SECS = 3.0
"""Seconds before and after a suspected word that are listened to again."""
_EDGE = 2
"""Words at the ends of these seconds, which may be cut."""
_LEAST_SHARE = 0.6
"""Share of a passage's letters that is heard where words are misheard rather than dropped."""


def main() -> None:
    """Print the word errors of each text, and a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--voice", default="af_heart")
    parser.add_argument("--only", choices=_SETS, action="append")
    parser.add_argument("--ours", action="store_true", help="without Kokoro's own pipeline")
    parser.add_argument("--minutes", type=float, help="look for lost words in so much shuffled prose")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(arguments.keep or Path(scratch), threads=arguments.threads)
        if arguments.minutes:
            run.look_for_lost_words(arguments.minutes)
        else:
            run.compare_with_pipeline(
                arguments.only or list(_SETS), voice=arguments.voice, sides=1 if arguments.ours else 2
            )


class Run:
    """One run: what is loaded, and the folder with its results."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        self._folder = folder
        self._models = real_voices.models()
        self._ears = Ears(real_voices.ears(), threads=threads)
        self._ours = Ours(kokoro(self._models, threads=threads))

    def compare_with_pipeline(self, sets: list[str], *, voice: str, sides: int) -> None:
        """Print each text's word error, ours and the pipeline's, and the sums."""
        totals: dict[str, list[tuple[str, Comparison]]] = {}
        lost, secs = 0, 0.0
        for number in range(sides):
            side = KPipeline(self._models) if number else self._ours
            for kind, path in _texts(sets):
                text = path.read_text("utf-8")
                audio = self._narrated(side, text, f"{voice}-{path.stem}", voice=voice)
                comparison = compare(words_of(_reading(path)), _words(self._heard(audio)))
                totals.setdefault(side.name, []).append((kind, comparison))
                print(f"{side.name} {path.stem}: {_rate([comparison])}", flush=True)
                for each in comparison.differences:
                    print(f"    {each.kind} after {each.after!r}: {each.expected!r} -> {each.heard!r}")
                if side is self._ours and not _has_reading(path):
                    again = list(self._heard_again(audio, *self._compared_by_word(audio)))
                    lost, secs = lost + len(again), secs + audio.secs
                    print("\n".join(f"    not heard once: {each}" for each in again))
        for name, found in totals.items():
            parts = [f"{kind} {_rate([c for k, c in found if k == kind])}" for kind in sets]
            print(f"{name}: word error {_rate([c for _, c in found])}; {'; '.join(parts)}")
        if secs:
            print(f"{lost} words dropped or doubled in {secs / 60:.1f} min of {self._ours.name}")

    def look_for_lost_words(self, minutes: float) -> None:
        """Print each word that is not heard once, also when listening again, and the sums."""
        comparisons, lost, secs = [], [], 0.0
        for number in range(max(1, round(minutes / _PART_MINUTES))):
            voice = _VOICES[number % len(_VOICES)]
            text = prose(_PART_MINUTES * CHARACTERS_A_MINUTE, seed=100 + number)
            audio = self._narrated(self._ours, text, f"prose-{number}", voice=voice)
            found = self._compared_by_word(audio)
            comparisons.append(found[0])
            again = list(self._heard_again(audio, *found))
            lost += again
            secs += audio.secs
            print(f"part {number + 1}, {voice}: {_rate([found[0]])}; not heard once: {again}", flush=True)
        total = sum(each.words for each in comparisons)
        print(
            f"{secs / 60:.1f} min, {total} words, word error {_rate(comparisons)};",
            f"{len(lost)} words dropped or doubled after listening again",
        )

    def _narrated(self, side: Any, text: str, name: str, *, voice: str) -> Audio:
        path = self._folder / side.name / f"{name}.wav"
        done: Audio = side.read(path) if path.exists() else side(text, path, voice=voice)
        return done

    def _heard(self, audio: Audio) -> list[HeardWord]:
        path = audio.path.with_suffix(".heard.json")
        if path.exists():
            return [HeardWord(*each) for each in json.loads(path.read_text("utf-8"))]
        heard = self._ears.hear(audio.path)
        path.write_text(json.dumps(heard, ensure_ascii=False), "utf-8")
        return heard

    def _compared_by_word(self, audio: Audio) -> tuple[Comparison, list[int]]:
        """Return the comparison, and for each word of the text the index of its timed word."""
        expected = [(word, index) for index, each in enumerate(audio.words) for word in normalized(each.text)]
        comparison = compare([word for word, _ in expected], _words(self._heard(audio)))
        return comparison, [index for _, index in expected]

    def _heard_again(self, audio: Audio, comparison: Comparison, owners: list[int]) -> Iterator[str]:
        """Yield the words that are dropped or doubled also when only their surroundings are heard."""
        samples = audio.samples
        expected = [word for index in dict.fromkeys(owners) for word in normalized(audio.words[index].text)]
        for each in comparison.differences:
            if not _is_suspect(each, expected):
                continue
            last = min(each.position + len(each.expected.split()), len(owners)) - 1
            low = audio.words[owners[min(each.position, len(owners) - 1)]].start_secs - _AROUND_SECS
            high = audio.words[owners[last]].end_secs + _AROUND_SECS
            piece = samples[max(0, int(low * RATE)) : int(high * RATE)]
            heard = _words(self._ears.hear(_resampled(piece)))
            around = [
                word
                for word, owner in zip(expected, owners, strict=True)
                if low <= audio.words[owner].start_secs and audio.words[owner].end_secs <= high
            ]
            for again in compare(around, heard).differences:
                at_edge = again.position < _EDGE or again.position + _EDGE > len(around)
                if not at_edge and _is_lost(again, around):
                    yield f"{again.kind} {again.expected or again.heard!r} at {low:.0f} s, heard {heard}"


def _texts(sets: list[str]) -> Iterator[tuple[str, Path]]:
    for kind in sets:
        for path in sorted(ROOT.glob(_SETS[kind])):
            yield kind, path


def _reading(path: Path) -> str:
    """Return how the text is read, in words, where the benchmark does not leave that to its own rules."""
    return (path.with_suffix(".said") if _has_reading(path) else path).read_text("utf-8")


def _has_reading(path: Path) -> bool:
    return path.with_suffix(".said").exists()


def _is_suspect(difference: Difference, expected: list[str]) -> bool:
    """Whether one of the words may be dropped, or doubled."""
    if difference.kind == "replaced":
        return len(difference.heard.split()) < len(difference.expected.split())
    return _is_lost(difference, expected)


def _is_lost(difference: Difference, expected: list[str]) -> bool:
    """Whether words are dropped, or said like the words before or after them."""
    heard = difference.heard.split()
    if difference.kind == "added":
        at = difference.position
        return heard in (expected[at - len(heard) : at], expected[at : at + len(heard)])
    return len("".join(heard)) < _LEAST_SHARE * len(difference.expected.replace(" ", ""))


def _words(heard: list[HeardWord]) -> list[str]:
    return words_of("".join(word.text for word in heard))


def _resampled(samples: Any) -> Any:
    import torch  # noqa: PLC0415  # loaded by now
    from torchaudio.functional import resample  # noqa: PLC0415

    return resample(torch.from_numpy(np.ascontiguousarray(samples)), RATE, 16_000).numpy()


def _rate(comparisons: list[Comparison]) -> str:
    errors, words = sum(each.errors for each in comparisons), sum(each.words for each in comparisons)
    return f"{errors} of {words}, {errors / max(words, 1):.1%}"


if __name__ == "__main__":
    main()
