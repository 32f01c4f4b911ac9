"""
The narration pipeline: text to audio, words, cues and files, one chunk at a time.

    text ─▶ chunks ─▶ segments ─┬─▶ stored ───────────────────────────────┐
                                └─▶ engine ─▶ trim, amplify, limit, fade ─┴─▶ audio.wav
                                       └─▶ aligner or marks ─▶ words ─▶ cues ─▶ .srt, .vtt
                                                                 └─▶ .words.json

Everything is written as it is produced, so memory does not grow with the length of a story. A segment that is
stored already is read instead of synthesized; the result is the same to the byte.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np

from app.alignment.word_times import time_words
from app.audio.encoders import AudioFiles
from app.audio.pcm import from_pcm, to_pcm
from app.audio.processing import Samples
from app.audio.wav import max_wav_secs
from app.errors import RefusedTextError, disk_error
from app.media import AUDIO, AUDIO_FORMATS
from app.narration.base import ENGINE_TIMINGS, PROPORTIONAL, Narration, OnProgress, Progress, Request
from app.narration.chunk_speaker import ChunkSpeaker, FindAligner, chunk_spans
from app.narration.estimate import check_length
from app.narration.segmentation import Segment, ends_mid_phrase, segments
from app.segments.base import (
    ChunkRecord,
    NoSegments,
    SegmentRecord,
    SegmentStore,
    SegmentWriter,
    StoredSegment,
)
from app.segments.folder import FolderSegments
from app.speech.base import SpeechEngine
from app.subtitles.formats import SubtitleFiles
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.text.chunks import Chunk, chunks
from app.text.headings import Heading
from app.text.spans import Boundary, Span, Word

_JUDGED_SECS = 600.0
"""After this much audio the length of the whole is judged from the pace so far."""
_TOLERANCE = 1.25
"""How far the judged length may lie above the limit: the rest of the text may be faster."""


class Narrator:
    """
    Narrates stories with one engine and, optionally, one aligner.

    The aligner is requested after the first chunk is written, so that loading it does not delay the first
    audio. A story that does not use alignment never loads it.
    """

    def __init__(self, *, engine: SpeechEngine, aligner: FindAligner, fingerprint: str = "") -> None:
        """`fingerprint` stands for engine, models and code in the keys of segments (fingerprint.py)."""
        self._engine = engine
        self._aligner = aligner
        self._fingerprint = fingerprint

    def narrate(self, request: Request, *, on_progress: OnProgress) -> Narration:
        """
        Write the story's media into the request's folder. Calls `on_progress` after each chunk.

        Raises UnknownVoiceError; RefusedTextError if the text has nothing to say or is too long for a WAV
        file; DiskFullError; and any error from loading the aligner. After an error the folder may hold
        incomplete files; the caller removes them.
        """
        began = time.monotonic()
        _check_encodable(request.text)
        options = request.options
        check_length(
            request.text, speed=options.speed, formats=options.formats, sample_rate=self._engine.sample_rate
        )
        kinds = [AUDIO_FORMATS[name] for name in options.formats]
        layout = Layout(Style(speed=options.reading_speed))
        find_aligner = self._aligner if options.use_alignment else no_aligner
        store = (
            FolderSegments(request.segments, reads=request.reuse_segments)
            if request.segments
            else NoSegments()
        )
        try:
            with (
                AudioFiles(request.folder, kinds, sample_rate=self._engine.sample_rate) as audio,
                SubtitleFiles(request.folder) as subtitles,
            ):
                run = _NarrationRun(
                    engine=self._engine,
                    find_aligner=find_aligner,
                    fingerprint=self._fingerprint,
                    request=request,
                    store=store,
                    audio=audio,
                    on_progress=on_progress,
                )
                for cue in layout.cues(_write_words(run.words(), subtitles)):
                    subtitles.write_cue(cue)
        except OSError as error:
            raise disk_error(error, request.folder) from error
        report = layout.report
        return Narration(
            media={**audio.paths, **subtitles.paths},
            duration_secs=audio.seconds,
            sample_rate=audio.sample_rate,
            engine=self._engine.name,
            voice=options.voice,
            alignment=run.alignment,
            alignment_chunks=dict(run.chunks_by_method),
            words=run.word_count,
            words_interpolated=run.interpolated,
            cues=report.cues,
            relaxed_rules={
                "fast": report.fast,
                "early": report.early,
                "late": report.late,
                "short": report.short,
            },
            synthesis_secs=run.speaker.synthesis_secs,
            alignment_secs=run.speaker.alignment_secs,
            elapsed_secs=time.monotonic() - began,
            segments=run.segments,
            segments_reused=run.segments_reused,
            reused_secs=run.reused_samples / audio.sample_rate,
            variant=self._engine.variant,
        )


class _NarrationRun:
    """The narration of one story: its state between chunks, and its totals."""

    def __init__(
        self,
        *,
        engine: SpeechEngine,
        find_aligner: FindAligner,
        fingerprint: str,
        request: Request,
        store: SegmentStore,
        audio: AudioFiles,
        on_progress: OnProgress,
    ) -> None:
        self._engine, self._request, self._audio = engine, request, audio
        self._options = request.options
        self._fingerprint = fingerprint
        self._store = store
        self._on_progress = on_progress
        self._pause_secs = 0.0
        self._is_mid_phrase = False
        self._chunk_count = 0
        self._end = len(request.text.rstrip())
        self.speaker = ChunkSpeaker(engine=engine, find_aligner=find_aligner, options=self._options)
        self.chunks_by_method: Counter[str] = Counter()
        self.word_count = self.interpolated = 0
        self.segments = self.segments_reused = self.reused_samples = 0

    @property
    def alignment(self) -> str:
        """The least exact timing method used by any chunk."""
        for method in (PROPORTIONAL, ENGINE_TIMINGS):
            if self.chunks_by_method[method]:
                return method
        return next(iter(self.chunks_by_method), PROPORTIONAL)

    def words(self) -> Iterator[Word]:
        """Narrate the story chunk by chunk, and yield the words of each chunk once its audio is written."""
        options = self._options
        measure = partial(self._engine.measure, voice=options.voice, lexicon=options.lexicon)
        # Memory use follows the length of a chunk's audio, which grows as speech gets slower.
        scale = min(options.speed, 1.0)
        story_chunks = chunks(
            self._request.text,
            measure=measure,
            limit=round(self._engine.max_chunk * scale),
            first_limit=round(self._engine.max_first_chunk * scale),
        )
        for segment in segments(
            story_chunks,
            options=options,
            fingerprint=self._fingerprint,
            sample_rate=self._engine.sample_rate,
        ):
            self.segments += 1
            stored = self._store.find(segment.key)
            if stored and _fits(stored.record, segment, self._engine.sample_rate):
                yield from self._replay(segment, stored)
            else:
                yield from self._synthesize(segment)
        if not self.chunks_by_method:
            raise RefusedTextError(f"the text holds nothing that the voice {options.voice} can say")

    def _replay(self, segment: Segment, stored: StoredSegment) -> Iterator[Word]:
        """Write a stored segment as if it were synthesized now."""
        record = stored.record
        if record.opens_with_pause:
            self._audio.silence(self._pause_secs)
        start = self._audio.samples
        for block in stored.pcm():
            self._audio.write(from_pcm(np.frombuffer(block, dtype="<i2")))
        for chunk, chunk_record in zip(segment.chunks, record.chunks, strict=True):
            yield from self._to_words(chunk, chunk_record, start)
        self._pause_secs = record.closing_pause_secs
        # A chunk without sound runs into nothing.
        self._is_mid_phrase = bool(record.chunks[-1].method) and ends_mid_phrase(segment.chunks[-1])
        self.segments_reused += 1
        self.reused_samples += self._audio.samples - start
        self._chunk_count += len(segment.chunks)
        self._report(segment.chunks[-1])

    def _synthesize(self, segment: Segment) -> Iterator[Word]:
        """Synthesize a segment, and store it while it is written."""
        self._engine.reset()
        with self._store.create(segment.key) as writer:
            sound = _SegmentSound(self._audio, writer)
            name = ""
            for chunk in segment.chunks:
                record = self._narrate_chunk(chunk, sound)
                yield from self._to_words(chunk, record, sound.start)
                self._chunk_count += 1
                if chunk is segment.chunks[-1]:
                    name = writer.finish(sound.record(closing_pause_secs=self._pause_secs))
                self._report(chunk, segment=name)

    def _report(self, chunk: Chunk, *, segment: str = "") -> None:
        fraction = min(1.0, (chunk.start + len(chunk.text)) / self._end)
        secs = self._audio.seconds
        self._on_progress(
            Progress(
                fraction=fraction,
                chunk=self._chunk_count,
                audio_secs=secs,
                reused_secs=self.reused_samples / self._audio.sample_rate,
                synthesis_secs=self.speaker.synthesis_secs,
                segment=segment,
            )
        )
        limit = max_wav_secs(self._audio.sample_rate)
        if AUDIO in self._audio.paths and secs > _JUDGED_SECS and secs / fraction > _TOLERANCE * limit:
            raise RefusedTextError(
                f"the audio would have about {secs / fraction / 3600:.0f} hours, and a WAV file can hold"
                f" {limit / 3600:.0f}: split the story"
            )

    def _narrate_chunk(self, chunk: Chunk, sound: "_SegmentSound") -> ChunkRecord:
        start = 0

        def write(samples: Samples) -> None:
            nonlocal start
            sound.pause(self._pause_secs)
            start = sound.position
            sound.write(samples)

        spoken = self.speaker.speak(chunk, is_mid_phrase=self._is_mid_phrase, on_samples=write)
        if spoken is None:
            return self._narrate_silent_chunk(chunk, sound)
        self._pause_secs = self._pause_after(chunk) / self._options.speed - spoken.tail_secs
        self._is_mid_phrase = ends_mid_phrase(chunk)
        times = tuple((begin, end) for begin, end in spoken.word_times.times)
        return sound.add(ChunkRecord(start, times, spoken.method, spoken.word_times.interpolated))

    def _narrate_silent_chunk(self, chunk: Chunk, sound: "_SegmentSound") -> ChunkRecord:
        """Write a pause for a chunk without sound, long enough to read its symbols in the subtitles."""
        start = sound.position
        sound.silence(self._options.pauses.scene_secs / self._options.speed)
        self._pause_secs = 0.0
        self._is_mid_phrase = False
        word_times = time_words(
            chunk_spans(chunk),
            (),
            text=chunk.text,
            duration_secs=(sound.position - start) / self._audio.sample_rate,
        )
        return sound.add(ChunkRecord(start, tuple((begin, end) for begin, end in word_times.times), "", 0))

    def _to_words(self, chunk: Chunk, record: ChunkRecord, segment_start: int) -> Iterator[Word]:
        """Count a chunk, and yield its words with times and spans relative to the whole story."""
        if record.method:
            self.chunks_by_method[record.method] += 1
        self.interpolated += record.interpolated
        start_secs = (segment_start + record.start) / self._audio.sample_rate
        for word, (begin, end) in zip(chunk.words, record.times, strict=True):
            self.word_count += 1
            yield Word(
                text=chunk.text[word.span.start : word.span.end],
                start_secs=start_secs + begin,
                end_secs=start_secs + end,
                span=Span(chunk.start + word.span.start, chunk.start + word.span.end),
                boundary=word.boundary,
            )

    def _pause_after(self, chunk: Chunk) -> float:
        pauses = self._options.pauses
        if chunk.boundary is Boundary.PARAGRAPH:
            after = {Heading.CHAPTER: pauses.chapter_secs, Heading.SECTION: pauses.heading_secs}
            return after.get(chunk.heading, pauses.paragraph_secs)
        if chunk.boundary is Boundary.SENTENCE:
            return pauses.sentence_secs
        return 0.0 if ends_mid_phrase(chunk) else pauses.clause_secs


class _SegmentSound:
    """
    The samples of one segment, written to the story's audio and to the store.

    The pause before the first chunk depends on the segment before, so it is no part of the segment. The audio
    files get what the store keeps, 16-bit samples, so that a stored segment gives the same files.
    """

    def __init__(self, audio: AudioFiles, writer: SegmentWriter) -> None:
        self._audio = audio
        self._writer = writer
        self._opens_with_pause = False
        self._chunks: list[ChunkRecord] = []
        self.start = audio.samples
        """Position of the segment's first sample in the story."""

    @property
    def position(self) -> int:
        """Position of the next sample, from the segment's first."""
        return self._audio.samples - self.start

    def pause(self, secs: float) -> None:
        """Write the pause before a chunk."""
        if self._chunks:
            self.silence(secs)
            return
        self._opens_with_pause = True
        self._audio.silence(secs)
        self.start = self._audio.samples

    def silence(self, secs: float) -> None:
        """Append silence to the segment; nothing if `secs` is negative."""
        before = self._audio.samples
        self._audio.silence(secs)
        self._writer.write(bytes(2 * (self._audio.samples - before)))

    def write(self, samples: Samples) -> None:
        """Append samples within -1.0 and 1.0."""
        pcm = to_pcm(samples)
        self._audio.write(from_pcm(pcm))
        self._writer.write(pcm.tobytes())

    def add(self, chunk: ChunkRecord) -> ChunkRecord:
        """Add the record of a chunk whose samples are written, and return it."""
        self._chunks.append(chunk)
        return chunk

    def record(self, *, closing_pause_secs: float) -> SegmentRecord:
        """Return the record of the complete segment."""
        return SegmentRecord(
            sample_rate=self._audio.sample_rate,
            samples=self.position,
            opens_with_pause=self._opens_with_pause,
            closing_pause_secs=closing_pause_secs,
            chunks=tuple(self._chunks),
        )


def _fits(record: SegmentRecord, segment: Segment, sample_rate: int) -> bool:
    """Whether a stored segment has the chunks and words of `segment`."""
    words = [len(chunk.times) for chunk in record.chunks]
    return record.sample_rate == sample_rate and words == [len(chunk.words) for chunk in segment.chunks]


def no_aligner() -> None:
    """Return None: words keep the engine's own times."""


def _check_encodable(text: str) -> None:
    """Raise RefusedTextError for text that cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedTextError(
            f"character {error.start + 1} of the text is half of a surrogate pair, not a character"
        ) from None


def _write_words(words: Iterable[Word], subtitles: SubtitleFiles) -> Iterator[Word]:
    """Write each word to the subtitle files and pass it on."""
    for word in words:
        subtitles.write_word(word)
        yield word
