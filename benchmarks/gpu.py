"""
Measures synthesis and alignment on a GPU, beside the same on this machine's processors.

    python -m benchmarks.gpu [--real] [--chunks 12] [--processes 1 2 4] [--device cuda]

Each number of processes runs that many engines side by side on the one GPU, as that many workers would; the
chunks of a story are not batched, because the network's norms run over the whole length of a chunk and would
count padding. The audio of the GPU is compared with that of the CPU in float32, with the same noise in the
vocoder's source. The models have random weights of the real shapes; `--real` takes Kokoro's from
`make real-voices` (the aligner's stay random).
"""

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from typing import Any

import numpy as np

from app.alignment.whisperx import WhisperXAligner
from app.models.store import ModelStore
from app.speech.base import Utterance
from app.speech.kokoro import KokoroEngine
from app.text.chunks import Chunk, chunks
from benchmarks import real_voices
from benchmarks.prose import prose
from benchmarks.sounds import log_mel_distance_db, snr_db
from tests.models.library import models_folder

_VOICE = "af_heart"
_RATE = 24_000
_GIB = 1 << 30
_COMPARED = 3
"""Chunks whose audio is compared: the CPU takes its time."""


def models(*, real: bool) -> ModelStore:
    """Return the models folder."""
    return real_voices.models() if real else ModelStore(models_folder("full"))


def story(engine: KokoroEngine, count: int) -> list[Chunk]:
    """Return the first chunks of some prose, as a narration cuts it."""
    cut = chunks(
        prose(400 * count),
        measure=lambda part: engine.measure(part, voice=_VOICE),
        limit=engine.max_chunk,
        first_limit=engine.max_first_chunk,
    )
    return list(islice(cut, count))


def speak(engine: KokoroEngine, chunk: Chunk) -> Utterance:
    """Synthesize a chunk; its samples are in main memory."""
    return engine.speak(chunk.engine_text, voice=_VOICE, speed=1.0)


def secs_of(utterances: Sequence[Utterance]) -> float:
    """Return the length of the audio."""
    return sum(len(utterance.samples) for utterance in utterances) / _RATE


@contextmanager
def noise_of_the_cpu() -> Iterator[None]:
    """Draw random numbers on the CPU: for one seed, a GPU draws others."""
    import torch  # noqa: PLC0415

    rand, randn_like = torch.rand, torch.randn_like

    def rand_on_cpu(*size: int, device: Any = None) -> torch.Tensor:
        return rand(*size).to(device)

    def randn_like_on_cpu(other: torch.Tensor) -> torch.Tensor:
        return torch.randn(other.shape).to(other.device)

    torch.rand, torch.randn_like = rand_on_cpu, randn_like_on_cpu
    try:
        yield
    finally:
        torch.rand, torch.randn_like = rand, randn_like


def measure_one(store: ModelStore, device: str, count: int) -> list[Chunk]:
    """Print the times and memory of one engine on the device; return the chunks of its story."""
    began = time.perf_counter()
    engine = KokoroEngine(models=store, device=device)
    import torch  # noqa: PLC0415  # imported by the engine

    loaded = time.perf_counter()
    story_chunks = story(engine, count)
    pronounced = time.perf_counter()
    speak(engine, story_chunks[0])
    first = time.perf_counter()
    print(
        f"{engine.variant}: loaded in {loaded - began:.1f} s, imports included; first chunk spoken in"
        f" {first - pronounced:.2f} s, the next",
        end=" ",
    )
    speak(engine, story_chunks[0])
    print(f"{time.perf_counter() - first:.3f} s")
    speak(engine, max(story_chunks, key=lambda chunk: len(chunk.text)))
    began = time.perf_counter()
    spoken = [speak(engine, chunk) for chunk in story_chunks]
    took = time.perf_counter() - began
    print(f"{secs_of(spoken):.0f} s of audio in {took:.2f} s: real-time factor {took / secs_of(spoken):.4f}")
    if device == "cuda":
        used, held = torch.cuda.max_memory_allocated() / _GIB, torch.cuda.max_memory_reserved() / _GIB
        print(f"GPU memory: {used:.2f} GiB of tensors at most, {held:.2f} held")
    return story_chunks


def compare(store: ModelStore, device: str, story_chunks: Sequence[Chunk]) -> None:
    """Print how far the audio of the device is from that of the CPU in float32."""
    sides = [KokoroEngine(models=store, device=name) for name in (device, "cpu")]
    with noise_of_the_cpu():
        for chunk in story_chunks[:_COMPARED]:
            theirs, reference = (speak(engine, chunk).samples for engine in sides)
            if len(theirs) != len(reference):
                print(f"durations differ: {len(theirs)} samples, {len(reference)} on the CPU")
                continue
            print(
                f"{len(theirs) / _RATE:.1f} s against the CPU: SNR {snr_db(reference, theirs):.1f} dB,"
                f" log-mel distance {log_mel_distance_db(reference, theirs):.2f} dB"
            )


def align(store: ModelStore, device: str, story_chunks: Sequence[Chunk]) -> None:
    """Print the time of alignment on the device, and how far its word times are from those of the CPU."""
    engine = KokoroEngine(models=store, device=device)
    spoken = [speak(engine, chunk) for chunk in story_chunks]
    starts = []
    for name in (device, "cpu"):
        aligner = WhisperXAligner(models=store, language="en", device=name)
        selected = list(zip(story_chunks, spoken, strict=True))[: None if name == device else _COMPARED]
        _align(aligner, *selected[0])
        began = time.perf_counter()
        starts.append(np.concatenate([_align(aligner, *pair) for pair in selected]))
        took, secs = time.perf_counter() - began, secs_of([utterance for _, utterance in selected])
        print(f"alignment on {name}: {took / secs:.4f} s a second of audio")
    both = zip(*starts, strict=False)
    worst = max(abs(one - other) for one, other in both if not np.isnan(one + other))
    print(f"word starts differ by {worst * 1000:.0f} ms at most")


def _align(aligner: WhisperXAligner, chunk: Chunk, utterance: Utterance) -> Any:
    """Return the starts of a chunk's words in seconds; not a number for words without one."""
    words = [word.span for word in chunk.words]
    marks = aligner.align(utterance, text=chunk.text, words=words, sample_rate=_RATE)
    return np.array([mark.start_secs if mark else np.nan for mark in marks])


def _work(store: ModelStore, device: str, count: int, start: Barrier, results: Any) -> None:
    """Synthesize a story once every process is ready; put (began, ended, seconds of audio)."""
    warnings.simplefilter("ignore")
    engine = KokoroEngine(models=store, device=device)
    story_chunks = story(engine, count)
    for chunk in story_chunks:
        speak(engine, chunk)
    start.wait()
    began = time.monotonic()
    spoken = [speak(engine, chunk) for chunk in story_chunks]
    results.put((began, time.monotonic(), secs_of(spoken)))


def side_by_side(store: ModelStore, device: str, count: int, processes: int) -> None:
    """Print how much audio several processes make together."""
    context = get_context("spawn")
    results, start = context.Queue(), context.Barrier(processes)
    workers = [
        context.Process(target=_work, args=(store, device, count, start, results)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    ends = [results.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    took = max(end for _, end, _ in ends) - min(began for began, _, _ in ends)
    audio = sum(secs for *_, secs in ends)
    print(f"{processes} processes side by side: {audio / took:.0f} s of audio a second", flush=True)


def main() -> None:
    """Print every measurement."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", action="store_true", help="the weights of `make real-voices`")
    parser.add_argument("--chunks", type=int, default=12)
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    store = models(real=arguments.real)
    story_chunks = measure_one(store, arguments.device, arguments.chunks)
    compare(store, arguments.device, story_chunks)
    for processes in arguments.processes:
        side_by_side(store, arguments.device, arguments.chunks, processes)
    align(models(real=False), arguments.device, story_chunks)


if __name__ == "__main__":
    main()
