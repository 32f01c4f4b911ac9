"""
Estimates the cost of an hour of audio on Fargate from the real-time factor of this machine.

    python -m benchmarks.cost [--threads 1]

The factor is the CPU time of synthesis and alignment on one processor, which is what a task of 1 vCPU has.
A Fargate vCPU is half a core, and the kind of core differs between tasks, so expect a deviation of up to a
factor of two. For exact numbers run `make bench-cost` in a task in your region.
"""

import argparse
import time
import warnings

from app.alignment.whisperx import WhisperXAligner
from app.models.store import ModelStore
from app.speech.kokoro import KokoroEngine
from app.text.chunks import chunks
from benchmarks.prose import prose
from stack.config import Settings, task_hour_price
from tests.models.library import models_folder

# us-east-1, Linux on x86, per hour: https://aws.amazon.com/fargate/pricing/ as of 2025; --vcpu-price and
# --gib-price take those of the day and of the region
_VCPU_DOLLARS, _GIB_DOLLARS = 0.04048, 0.004445
_SPOT = 0.3
"""Share of the price on Spot: AWS states discounts of up to 70%."""
_VOICE = "af_heart"


def factor(*, threads: int, characters: int) -> float:
    """Return the CPU seconds of synthesis and alignment per second of audio."""
    models = ModelStore(models_folder("full"))
    engine = KokoroEngine(models=models, threads=threads, precision="auto")
    aligner = WhisperXAligner(models=models, language="en", threads=threads)
    engine.speak("Warm up.", voice=_VOICE, speed=1.0)
    began, audio_secs = time.process_time(), 0.0
    cut = chunks(
        prose(characters), measure=lambda part: engine.measure(part, voice=_VOICE), limit=engine.max_chunk
    )
    for chunk in cut:
        utterance = engine.speak(chunk.text, voice=_VOICE, speed=1.0)
        words = [word.span for word in chunk.words]
        aligner.align(utterance, text=chunk.text, words=words, sample_rate=engine.sample_rate)
        audio_secs += len(utterance.samples) / engine.sample_rate
    return (time.process_time() - began) / audio_secs


def main() -> None:
    """Print the factor and the price of an hour of audio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--characters", type=int, default=900)
    parser.add_argument("--vcpu-price", type=float, default=_VCPU_DOLLARS)
    parser.add_argument("--gib-price", type=float, default=_GIB_DOLLARS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    measured = factor(threads=arguments.threads, characters=arguments.characters)
    task = Settings()
    hour = task_hour_price(
        cpu=task.cpu, memory=task.memory, vcpu_hour=arguments.vcpu_price, gb_hour=arguments.gib_price
    )
    print(f"CPU seconds per second of audio: {measured:.3f}; a task-hour: ${hour:.4f}")
    print(f"on Spot, at {_SPOT:.0%} of the price: ${measured * hour * _SPOT:.4f}")
    print(f"an hour of audio ${measured * hour:.4f}")


if __name__ == "__main__":
    main()
