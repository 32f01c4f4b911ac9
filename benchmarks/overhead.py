"""
What narration takes beside its models: cutting, pronouncing, mastering, cues and files.

    python -m benchmarks.overhead [--characters 1500]

A story by Kokoro and WhisperX at full size, with random weights, in this process; one before it loads what
loads but once. What the models take is counted by the narration itself, as its rows tell it.
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
    """Narrate `text`, and throw its media away."""
    with tempfile.TemporaryDirectory() as folder:
        request = Request(text=text, folder=Path(folder), options=options)
        return narrators.narrator(options.voice).narrate(request, on_progress=lambda _: None)


def main() -> None:
    """Print the seconds, and the share that is not the models'."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--characters", type=int, default=1500)
    arguments = parser.parse_args()
    options = NarrationOptions(engine="kokoro", voice=_VOICE, models_dir=models_folder("full"), threads=1)
    narrators = Narrators(options)
    narration(narrators, options, "One story before.")
    told = narration(narrators, options, prose(arguments.characters))
    models_secs = told.synthesis_secs + told.alignment_secs
    print(
        f"{told.duration_secs:.0f} s of audio: {told.synthesis_secs:.2f} s of synthesis,",
        f"{told.alignment_secs:.2f} s of alignment, {told.elapsed_secs - models_secs:.2f} s of all else",
    )
    print(f"overhead {told.elapsed_secs / models_secs - 1:.1%} of the models' time")


if __name__ == "__main__":
    main()
