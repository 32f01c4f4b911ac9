"""
Cuts a story into segments, and gives each the key under which it is stored.

A segment is a run of whole chunks, and its cuts follow the content: in the stretch where a segment may end,
it ends after the best boundary, and among equals after the chunk with the lowest digest. So an edit moves the
cuts near it, and those after it stay. The key covers the chunks as the engine gets them and what carries over
from the chunk before, but nothing else of the story.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from app.narration.options import NarrationOptions
from app.text.chunks import Chunk
from app.text.spans import Boundary

FORMAT = 1
"""Part of every key: raise it when the content of stored segments changes in a way the code does not show."""

_WITHOUT_EFFECT = frozenset(
    {"formats", "lexicons", "models_dir", "precision", "reading_speed", "segment_secs", "threads"}
)
"""
Options that are no part of a key. The fingerprint holds the precision in effect and the models' digests, and
`lexicon` what applies of `lexicons`. Every other option counts, so that a new one is not forgotten.
"""
_BYTES_PER_SEC = 15
"""UTF-8 bytes of text per second of speech at speed 1: about right for scripts of one and three bytes."""
_SHORTEST, _LONGEST = 0.6, 1.4
"""Where a segment may end, as shares of its usual length."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of chunks that is synthesized, stored and reused as a whole."""

    key: str
    chunks: tuple[Chunk, ...]


def segments(
    chunks: Iterable[Chunk], *, options: NarrationOptions, fingerprint: str, sample_rate: int
) -> Iterator[Segment]:
    """
    Cut the chunks of a story into segments of about `options.segment_secs` of audio, lazily.

    `fingerprint` stands for everything besides the text and the options that decides the audio: the engine,
    its models and the code. Holds the chunks of one segment, and looks ahead by less than another one.
    """
    context = _context(options, fingerprint, sample_rate)
    is_mid_phrase = False
    for run in _runs(chunks, usual=options.segment_secs * _BYTES_PER_SEC * options.speed):
        yield Segment(_key(context, run, opens_mid_phrase=is_mid_phrase), run)
        is_mid_phrase = ends_mid_phrase(run[-1])


def ends_mid_phrase(chunk: Chunk) -> bool:
    """Whether the next chunk goes on without a pause."""
    return chunk.boundary is Boundary.NONE and chunk.text[-1].isalnum()


def _runs(chunks: Iterable[Chunk], *, usual: float) -> Iterator[tuple[Chunk, ...]]:
    window: list[Chunk] = []
    total = 0
    for chunk in chunks:
        window.append(chunk)
        total += _size(chunk)
        while total > _LONGEST * usual and len(window) > 1:
            count = _best_cut(window, usual)
            yield tuple(window[:count])
            window = window[count:]
            total = sum(map(_size, window))
    if window:
        yield tuple(window)


def _best_cut(window: Sequence[Chunk], usual: float) -> int:
    """Return after how many chunks to cut: where both parts are long enough, after the best chunk."""
    best, best_cost = 0, (len(Boundary), b"")
    taken = 0
    for count, chunk in enumerate(window[:-1], start=1):
        taken += _size(chunk)
        if taken < _SHORTEST * usual:
            continue
        if taken > _LONGEST * usual:
            break
        cost = (Boundary.PARAGRAPH - chunk.boundary, hashlib.sha256(chunk.text.encode()).digest())
        if cost < best_cost:
            best, best_cost = count, cost
    # A chunk longer than the stretch: the segment ends before or after it.
    return best or len(window) - 1


def _size(chunk: Chunk) -> int:
    return len(chunk.text.encode())


def _context(options: NarrationOptions, fingerprint: str, sample_rate: int) -> str:
    """Return what all segments of a story have in common."""
    deciding = {name: value for name, value in asdict(options).items() if name not in _WITHOUT_EFFECT}
    return json.dumps([FORMAT, fingerprint, sample_rate, deciding], sort_keys=True)


def _key(context: str, run: Sequence[Chunk], *, opens_mid_phrase: bool) -> str:
    digest = hashlib.sha256(context.encode())
    digest.update(b"+" if opens_mid_phrase else b"-")
    for chunk in run:
        words = [(word.span.start, word.span.end, word.boundary) for word in chunk.words]
        digest.update(json.dumps([chunk.engine_text, chunk.text, chunk.heading, words]).encode())
    return digest.hexdigest()
