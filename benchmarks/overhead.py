"""
Measures the time of narration outside its models: chunking, pronunciation, mastering, cues and files.

    python -m benchmarks.overhead [--characters 1500]

Narrates a story with Kokoro and WhisperX at full size, with random weights, in this process, after a warm-up.
The time of the models is the one reported by the narration itself.
"""

import argparse
import tempfile
from pathlib import Path

from app.narration.base import Narration, Request
from app.narration.narrators import Narrators
from app.narration.options import NarrationOptions
from benchmarks.prose import prose
from tests.models.library import models_folder

_VOICE = "af_heart"


def narration(narrators: Narrators, options: NarrationOptions, text: str) -> Narration:
    """Narrate `text` and discard its media."""
    with tempfile.TemporaryDirectory() as folder:
        request = Request(text=text, folder=Path(folder), options=options)
        return narrators.narrator(options.voice).narrate(request, on_progress=lambda _: None)


def main() -> None:
    """Print the times, and the overhead relative to the models."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=1500)
    arguments = parser.parse_args()
    options = NarrationOptions(engine="kokoro", voice=_VOICE, models_dir=models_folder("full"), threads=1)
    narrators = Narrators(options)
    narration(narrators, options, "One story before.")
    result = narration(narrators, options, prose(arguments.characters))
    models_secs = result.synthesis_secs + result.alignment_secs
    print(
        f"{result.duration_secs:.0f} s of audio: {result.synthesis_secs:.2f} s of synthesis,",
        f"{result.alignment_secs:.2f} s of alignment, {result.elapsed_secs - models_secs:.2f} s of the rest",
    )
    print(f"overhead {result.elapsed_secs / models_secs - 1:.1%} of the models' time")


if __name__ == "__main__":
    main()
