"""
Checks that memory does not grow with a story: 1 MiB of prose, the largest message, is narrated.

    python benchmarks/memory_of_long_text.py [--engine espeak] [--characters 1048576]

Prints the speech process's resident memory after the first minute of audio and at the end, their ratio, and
the share of time spent outside the engine and the aligner.
"""

import argparse
import sys
import tempfile
import threading
from pathlib import Path

from app.narration.base import Progress, Request
from app.narration.options import NarrationOptions
from app.speech_process.client import SpeechProcess

PROSE = Path(__file__).parent.parent / "app" / "local" / "stories" / "the-story-of-an-hour.txt"
FIRST_SECS = 60.0
MOST_GROWTH = 1.05


class Memory:
    """Records the resident memory of a speech process at each progress report."""

    def __init__(self, speech: SpeechProcess) -> None:
        self._speech = speech
        self.first_mib = self.last_mib = self.peak_mib = 0.0

    def watch(self, progress: Progress) -> None:
        """Record the current memory."""
        status = Path(f"/proc/{self._speech.pid}/status").read_text(encoding="ascii")
        fields = dict(line.split(":", maxsplit=1) for line in status.splitlines())
        self.last_mib = int(fields["VmRSS"].split()[0]) / 1024
        self.peak_mib = int(fields["VmHWM"].split()[0]) / 1024
        if progress.audio_secs >= FIRST_SECS and not self.first_mib:
            self.first_mib = self.last_mib
        print(f"\r{progress.fraction:6.1%}  {self.last_mib:7.1f} MiB", end="", file=sys.stderr)


def main() -> None:
    """Narrate and print. Exits with 1 if memory grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="espeak")
    parser.add_argument("--characters", type=int, default=1 << 20)
    arguments = parser.parse_args()
    prose = PROSE.read_text(encoding="utf-8") + "\n\n"
    text = (prose * (arguments.characters // len(prose) + 1))[: arguments.characters]
    with (
        tempfile.TemporaryDirectory() as folder,
        SpeechProcess(options=NarrationOptions(engine=arguments.engine, voice="af_heart")) as speech,
    ):
        memory = Memory(speech)
        request = Request(
            text=text,
            folder=Path(folder),
            options=NarrationOptions(engine=arguments.engine, voice="af_heart"),
        )
        result = speech.narrate(request, on_progress=memory.watch, cancel=threading.Event())
    growth = memory.last_mib / memory.first_mib
    outside = 1 - (result.synthesis_secs + result.alignment_secs) / result.elapsed_secs
    print(f"\r{len(text):,} characters, {result.duration_secs / 3600:.1f} h of audio, {result.words:,} words")
    print(f"memory after the first minute: {memory.first_mib:7.1f} MiB")
    print(f"memory at the end:             {memory.last_mib:7.1f} MiB, {growth:.3f} of that")
    print(f"highest:                       {memory.peak_mib:7.1f} MiB")
    print(f"time: {result.elapsed_secs:.1f} s, {outside:.1%} of it outside the engine and the aligner,")
    print(f"      {outside * result.elapsed_secs / result.duration_secs * 1000:.2f} ms a second of audio")
    sys.exit(growth > MOST_GROWTH)


if __name__ == "__main__":
    main()
