"""
Time and memory of the spoken form, over prose and over text that is hard for its rules.

    python -m benchmarks.spoken_stage [--characters 1000000]

Each text is measured at its length and at a quarter of it; a ratio of 4 is linear. Kokoro takes at least 0.44
CPU seconds for a second of audio, which is 15 characters of prose: the share is that of the spoken form in
the sum of both. Whole texts are the worst case; the worker passes chunks of a sentence or so.
"""

import argparse
import time
import tracemalloc
from pathlib import Path

from app.text.spoken.form import spoken_form
from benchmarks.prose import CHARACTERS_A_MINUTE, prose
from tests.hard_to_say import hard_lines
from tests.tree import ROOT

_SYNTHESIS_SECS = 0.44
"""CPU seconds of a second of audio: the fastest that was measured, with AVX-512's bfloat16."""
_CASES = "tests/data/spoken-forms/*.tsv"


def main() -> None:
    """Print time, ratio and memory of each text, and the share of synthesis."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=1_000_000)
    length: int = parser.parse_args().characters
    share = 0.0
    for name, text in _texts(length).items():
        secs, quarter = _secs(text), _secs(text[: length // 4])
        if name == "prose":
            an_audio_second = secs / length * CHARACTERS_A_MINUTE / 60
            share = an_audio_second / (_SYNTHESIS_SECS + an_audio_second)
        print(
            f"{name}: {secs / length * 1e6:.2f} µs a character, {secs / quarter:.1f} times a quarter's time,",
            f"{_peak_bytes(text[: length // 4]) / (length // 4):.0f} bytes a character at the peak",
            flush=True,
        )
    print(f"the spoken form takes {share:.2%} of the time of speech, over {length:,} characters of prose")


def _texts(length: int) -> dict[str, str]:
    cases = [
        line.partition("\t")[0] for path in sorted(ROOT.glob(_CASES)) for line in _lines(path) if line.strip()
    ]
    repeated = {
        "written forms": "\n".join(cases) + "\n",
        "digits": "\n".join(hard_lines("digits")) + "\n",
        "apostrophes": "\n".join(hard_lines("apostrophes")) + "\n",
        "capitals": "STOP THE MILL AT ONCE! ",
        "one run of digits": "1",
        "one run of letters": "a",
        "marks of emphasis": "*a _b ",
    }
    return {"prose": prose(length)[:length]} | {
        name: (part * (length // len(part) + 1))[:length] for name, part in repeated.items()
    }


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").replace("\\n", " ").splitlines()


def _secs(text: str) -> float:
    began = time.process_time()
    spoken_form(text, language="en-us")
    return time.process_time() - began


def _peak_bytes(text: str) -> int:
    tracemalloc.start()
    try:
        spoken_form(text, language="en-us")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
