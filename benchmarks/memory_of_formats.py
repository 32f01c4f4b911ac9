"""
Checks that memory hardly depends on the format: a story of ten hours is narrated to WAV, Opus and M4B.

    python -m benchmarks.memory_of_formats [--hours 10] [--formats wav opus m4b]

`story-tts speak` runs with espeak-ng, which is fast, as a process of its own for each format. It and its
speech process are sampled ten times a second; their RSS is counted together. Exits with 1 if a format
takes more than 5% above the first one. M4B needs the extra `m4b`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory import Peak, Sampler
from benchmarks.prose import prose

_CHARACTERS_AN_HOUR = 56_000
"""Of this prose by espeak-ng at its usual speed: 18.7 hours for 1 MiB."""
_MOST_GROWTH = 1.05
_MIB = 1024 * 1024


def measure(name: str, story: Path, folder: Path) -> tuple[Peak, float]:
    """Narrate `story` to one format; return the peak memory of all processes, and the seconds it took."""
    command = [sys.executable, "-m", "app", "speak", str(story), "--engine", "espeak", "--format", name]
    settings = {"WORK_DIR": str(folder / "work"), "LOG_LEVEL": "WARNING"}
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--output", str(folder / name), "--json"],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
    )
    with Sampler(process.pid) as sampler:
        code = process.wait()
    if code:
        sys.exit(f"speak --format {name} ended with {code}")
    return sampler.peak, time.monotonic() - began


def main() -> None:
    """Measure each format and compare it with the first. Exits with 1 if one takes more memory."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--formats", nargs="+", default=["wav", "opus", "m4b"])
    arguments = parser.parse_args()
    text = prose(round(arguments.hours * _CHARACTERS_AN_HOUR))
    peaks: dict[str, Peak] = {}
    for name in arguments.formats:
        with tempfile.TemporaryDirectory() as folder:
            story = Path(folder) / "story.txt"
            story.write_text(text, encoding="utf-8")
            peaks[name], secs = measure(name, story, Path(folder))
            size = (Path(folder) / name / f"story.{name}").stat().st_size
        first, peak = next(iter(peaks.values())), peaks[name]
        print(
            f"{name:>5}: {peak.rss / _MIB:6.1f} MiB RSS together ({peak.rss / first.rss - 1:+.1%}),",
            f"{peak.anonymous / _MIB:.1f} MiB of it anonymous ({peak.anonymous / first.anonymous - 1:+.1%});",
            f"file {size / _MIB:,.0f} MiB, {secs:.0f} s",
            flush=True,
        )
        for process, rss in peaks[name].by_process.items():
            print(f"       {rss / _MIB:6.1f} MiB  {process}", flush=True)
    first = next(iter(peaks.values()))
    sys.exit(any(peak.rss > _MOST_GROWTH * first.rss for peak in peaks.values()))


if __name__ == "__main__":
    main()
