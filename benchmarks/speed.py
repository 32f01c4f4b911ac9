"""
Compares synthesis time with Kokoro's own pipeline on the same text, models, machine and threads.

    python -m benchmarks.speed [--pairs 3] [--threads 1] [--precision float32]

Runs pairs in alternating order, so that other load affects both sides. Times are CPU seconds per second of
audio, because wall time would include other work of the machine. The models have random weights of the real
shapes, which take as long.
"""

import argparse
import statistics
import time
import warnings

from app.models.store import ModelStore
from app.speech.kokoro import KokoroEngine
from app.text.chunks import chunks
from benchmarks.prose import prose
from tests.models.library import models_folder

_VOICE = "af_heart"
_RATE = 24_000


class Plain:
    """kokoro.KPipeline as its documentation calls it."""

    def __init__(self, models: ModelStore) -> None:
        from kokoro import KModel, KPipeline  # noqa: PLC0415 - seconds, and after the warnings are silenced

        model = KModel(
            repo_id="hexgrad/Kokoro-82M",
            config=str(models.file("kokoro/config.json")),
            model=str(models.file("kokoro/kokoro-v1_0.pth")),
        ).eval()
        self._pipeline = KPipeline(lang_code="a", repo_id="hexgrad/Kokoro-82M", model=model)
        self._voice = str(models.file(f"kokoro/voices/{_VOICE}.pt"))

    def __call__(self, text: str) -> int:
        """Return the number of samples made."""
        return sum(len(result.audio) for result in self._pipeline(text, voice=self._voice))


class Ours:
    """This engine, with the narrator's chunks."""

    def __init__(self, engine: KokoroEngine) -> None:
        self._engine = engine

    def __call__(self, text: str) -> int:
        """Return the number of samples made."""
        cut = chunks(
            text, measure=lambda part: self._engine.measure(part, voice=_VOICE), limit=self._engine.max_chunk
        )
        return sum(len(self._engine.speak(chunk.text, voice=_VOICE, speed=1.0).samples) for chunk in cut)


def main() -> None:
    """Print each pair, and the median of their ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--characters", type=int, default=700)
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    models = ModelStore(models_folder("full"))
    ours = Ours(KokoroEngine(models=models, threads=arguments.threads, precision=arguments.precision))
    ours("Warm up.")
    plain = Plain(models)
    plain("Warm up.")
    ratios = []
    for pair in range(arguments.pairs):
        text = prose(arguments.characters, seed=pair)
        factors = {}
        for side in (plain, ours) if pair % 2 else (ours, plain):
            began = time.process_time()
            samples = side(text)
            factors[side] = (time.process_time() - began) * _RATE / samples
        ratios.append(factors[ours] / factors[plain])
        print(
            f"pair {pair + 1}: KPipeline {factors[plain]:.3f}, ours {factors[ours]:.3f},",
            f"ratio {ratios[-1]:.3f}",
            flush=True,
        )
    print(f"ratio {statistics.median(ratios):.2f} at {arguments.threads} thread, {arguments.precision}")


if __name__ == "__main__":
    main()
