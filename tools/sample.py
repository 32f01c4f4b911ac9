"""
Narrates the beginning of the bundled story with a voice of Kokoro, for the README.

    python -m tools.sample

Needs `make real-voices`. Word times are the engine's own: the aligner prepared there has random weights.
"""

import re
import tempfile
import warnings
from pathlib import Path

from app.models.store import ModelStore
from app.narration.base import Request
from app.narration.options import NarrationOptions
from app.narration.pipeline import Narrator, no_aligner
from app.speech.kokoro import KokoroEngine
from benchmarks import real_voices
from tests.tree import ROOT

SAMPLE = ROOT / "docs/sample"
_STORY = ROOT / "app/local/stories/the-story-of-an-hour.txt"
_VOICE = "af_heart"
_SENTENCES = 2
"""About twenty seconds, with title and author."""


def beginning(text: str) -> str:
    """Return the title, the author and the first sentences of the story."""
    title, author, *paragraphs = text.split("\n\n")
    sentences = re.split(r"(?<=[a-z]{4}\.)\s+", "\n\n".join(paragraphs))
    return f"{title}\n\n{author}\n\n" + "\n\n".join(sentences[:_SENTENCES])


def main() -> None:
    """Write audio and subtitles into docs/sample."""
    warnings.simplefilter("ignore")  # the packages import deprecated modules
    models: ModelStore = real_voices.models()
    options = NarrationOptions(engine="kokoro", voice=_VOICE, formats=("mp3",), use_alignment=False)
    engine = KokoroEngine(models=models, threads=0, precision="auto")
    SAMPLE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        request = Request(text=beginning(_STORY.read_text("utf-8")), folder=Path(folder), options=options)
        narration = Narrator(engine=engine, aligner=no_aligner).narrate(request, on_progress=lambda _: None)
        for kind, path in narration.media.items():
            target = SAMPLE / f"{_STORY.stem}{kind.suffix}"
            target.write_bytes(path.read_bytes())
            print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
