"""
Checks the reading rules of subtitles on the corpus, narrated by espeak-ng at several speeds.

    python -m benchmarks.cues [--speeds 0.5 1.0 2.0]

Prints the cues of each passage, broken hard rules and cues above the reading speed; then how cues end, and
the CPU time of chunking and laying out 1 MiB of prose.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pysubs2

from app.media import SRT
from app.narration.base import Narration, Request
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator, no_aligner
from app.speech.espeak import EspeakEngine
from app.subtitles.base import Cue
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.text.chunks import chunks
from tests.reading_rules import CORPUS, fast, faults, spoken

VOICE = "en-us"
LEAST_READABLE = 0.995
MIB = 1 << 20


def main() -> None:
    """Narrate, check and print. Exits with 1 if a hard rule is broken, or the reading speed up to speed 1."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speeds", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    kept = [_conforms(speed) for speed in parser.parse_args().speeds]
    _print_cost()
    sys.exit(0 if all(kept) else 1)


def _conforms(speed: float) -> bool:
    """Print one table; return whether the corpus conforms at this speed."""
    style = Style()
    total: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    print(f"\nspeed {speed}\n{'passage':24} {'cues':>5} {'broken':>7} {'fast':>5} {'early':>6} {'late':>5}")
    for path in CORPUS:
        narration, cues = _narrated(path, speed)
        source = path.read_text("utf-8")
        found = faults(cues, source, style)
        broken += found
        row = Counter(
            cues=len(cues),
            broken=found.total(),
            fast=fast(cues, style),
            early=narration.relaxed_rules["early"],
            late=narration.relaxed_rules["late"],
        )
        total += row
        _print_row(path.stem, row)
    _print_row("all", total)
    readable = 1 - total["fast"] / total["cues"]
    print(f"reading speed kept by {readable:.1%} of cues; hard rules broken: {dict(broken) or 'none'}")
    print("cues end with " + ", ".join(f"{name} {count}" for name, count in _endings(speed)))
    return not broken and (readable >= LEAST_READABLE or speed > 1)


def _print_row(name: str, row: Counter[str]) -> None:
    figures = f"{row['cues']:5} {row['broken']:7} {row['fast']:5} {row['early']:6} {row['late']:5}"
    print(f"{name:24} {figures}")


def _narrated(path: Path, speed: float) -> tuple[Narration, list[Cue]]:
    engine = EspeakEngine()
    try:
        with tempfile.TemporaryDirectory() as folder:
            request = Request(
                text=path.read_text("utf-8"),
                folder=Path(folder),
                options=NarrationOptions(engine="espeak", voice=VOICE, speed=speed),
            )
            narration = Narrator(engine=engine, aligner=no_aligner).narrate(
                request, on_progress=lambda _: None
            )
            events = pysubs2.load(str(narration.media[SRT]))
            return narration, [Cue(tuple(e.text.split("\\N")), e.start / 1000, e.end / 1000) for e in events]
    finally:
        engine.close()


def _endings(speed: float) -> Iterator[tuple[str, str]]:
    """Yield the share of cues that end with a sentence, another punctuation mark, or a plain word."""
    ends: Counter[str] = Counter()
    for path in CORPUS:
        for cue in _narrated(path, speed)[1]:
            last = cue.lines[-1].rstrip("\"'\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK})")[
                -1:
            ]
            ends["a stop" if last in ".!?" else "a word" if last.isalnum() else "a comma or alike"] += 1
    for name, count in ends.most_common():
        yield name, f"{count / ends.total():.0%}"


def _print_cost() -> None:
    source = CORPUS[0].read_text("utf-8") + "\n\n"
    source = (source * (MIB // len(source) + 1))[:MIB]
    began = time.process_time()
    count = sum(1 for _ in chunks(source, measure=len, limit=300))
    cut = time.process_time()
    words = [*spoken(source)]
    timed = time.process_time()
    cues = sum(1 for _ in Layout().cues(words))
    laid = time.process_time()
    print(f"\n1 MiB of prose, CPU seconds: {cut - began:.1f} into {count:,} chunks, ", end="")
    print(f"{laid - timed:.1f} from {len(words):,} words to {cues:,} cues")


if __name__ == "__main__":
    main()
