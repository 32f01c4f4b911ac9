"""
The narration pipeline: text to audio, words, cues and files, one chunk at a time.

    text ─▶ chunks ─▶ engine ─▶ trim, amplify, limit, fade ─▶ audio.wav
                         └─▶ aligner or marks ─▶ words ─▶ cues ─▶ .srt, .vtt
                                                   └─▶ .words.json

Everything is written as it is produced, so memory does not grow with the length of a story.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from app.alignment.base import Aligner
from app.alignment.word_times import WordTimes, time_words
from app.audio.encoders import AudioFiles
from app.audio.loudness import voice_gain
from app.audio.processing import LEAD_SECS, TAIL_SECS, amplify, fade_ends, limit_peaks, trim_silence
from app.errors import RefusedTextError, disk_error
from app.media import AUDIO_FORMATS
from app.narration.base import ENGINE_TIMINGS, PROPORTIONAL, Narration, OnProgress, Progress, Request
from app.speech.base import Mark, SpeechEngine, Utterance
from app.subtitles.formats import SubtitleFiles
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.text.chunks import Chunk, chunks
from app.text.headings import Heading
from app.text.spans import Boundary, Span, Word

_log = logging.getLogger(__name__)

_EMPTY = Utterance(samples=np.zeros(0, dtype=np.float32), marks=())

_JOINT_SECS = 0.01
"""Silence kept where two chunks of one phrase join."""

FindAligner = Callable[[], Aligner | None]


class Narrator:
    """
    Narrates stories with one engine and, optionally, one aligner.

    The aligner is requested after the first chunk is written, so that loading it does not delay the first
    audio. A story that does not use alignment never loads it.
    """

    def __init__(self, *, engine: SpeechEngine, aligner: FindAligner) -> None:
        self._engine = engine
        self._aligner = aligner

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
        kinds = [AUDIO_FORMATS[name] for name in options.formats]
        layout = Layout(Style(speed=options.reading_speed))
        find_aligner = self._aligner if options.use_alignment else no_aligner
        try:
            with (
                AudioFiles(request.folder, kinds, sample_rate=self._engine.sample_rate) as audio,
                SubtitleFiles(request.folder) as subtitles,
            ):
                run = _NarrationRun(self._engine, find_aligner, request, audio, on_progress)
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
            synthesis_secs=run.synthesis_secs,
            alignment_secs=run.alignment_secs,
            elapsed_secs=time.monotonic() - began,
        )


class _NarrationRun:
    """The narration of one story: its state between chunks, and its totals."""

    def __init__(
        self,
        engine: SpeechEngine,
        find_aligner: FindAligner,
        request: Request,
        audio: AudioFiles,
        on_progress: OnProgress,
    ) -> None:
        self._engine, self._request, self._audio = engine, request, audio
        self._options = request.options
        self._find_aligner = find_aligner
        self._on_progress = on_progress
        self._gain = voice_gain(engine.name, self._options.voice, self._options.loudness_lufs)
        self._pause_secs = 0.0
        self._is_mid_phrase = False
        self.chunks_by_method: Counter[str] = Counter()
        self.word_count = self.interpolated = 0
        self.synthesis_secs = self.alignment_secs = 0.0

    @cached_property
    def _aligner(self) -> Aligner | None:
        return self._find_aligner()

    @property
    def alignment(self) -> str:
        """The least exact timing method used by any chunk."""
        for method in (PROPORTIONAL, ENGINE_TIMINGS):
            if self.chunks_by_method[method]:
                return method
        return next(iter(self.chunks_by_method), PROPORTIONAL)

    def words(self) -> Iterator[Word]:
        """Narrate the story chunk by chunk, and yield the words of each chunk once its audio is written."""
        text, options = self._request.text, self._request.options
        measure = partial(self._engine.measure, voice=options.voice, lexicon=options.lexicon)
        # Memory use follows the length of a chunk's audio, which grows as speech gets slower.
        scale = min(options.speed, 1.0)
        story_chunks = chunks(
            text,
            measure=measure,
            limit=round(self._engine.max_chunk * scale),
            first_limit=round(self._engine.max_first_chunk * scale),
        )
        for number, chunk in enumerate(story_chunks, start=1):
            yield from self._narrate_chunk(chunk)
            fraction = (chunk.start + len(chunk.text)) / len(text)
            self._on_progress(Progress(fraction=fraction, chunk=number, audio_secs=self._audio.seconds))
        if not self.chunks_by_method:
            raise RefusedTextError(f"the text holds nothing that the voice {options.voice} can say")

    def _narrate_chunk(self, chunk: Chunk) -> Iterator[Word]:
        rate = self._audio.sample_rate
        utterance = self._synthesize(chunk)
        speech = trim_silence(
            utterance.samples,
            rate,
            lead_secs=_JOINT_SECS if self._is_mid_phrase else LEAD_SECS,
            tail_secs=_JOINT_SECS if _ends_mid_phrase(chunk) else TAIL_SECS,
        )
        if not len(speech.samples):
            return self._write_silent_chunk(chunk)
        self._audio.silence(self._pause_secs)
        start_secs = self._audio.seconds
        marks = tuple(_shift_marks(utterance.marks, -speech.cut_secs))
        self._audio.write(fade_ends(limit_peaks(amplify(speech.samples, self._gain), rate), rate))
        word_times = self._time_words(chunk, replace(utterance, samples=speech.samples, marks=marks))
        self._pause_secs = self._pause_after(chunk) / self._options.speed - speech.tail_secs
        self._is_mid_phrase = _ends_mid_phrase(chunk)
        self.interpolated += word_times.interpolated
        return self._to_words(chunk, word_times, start_secs)

    def _synthesize(self, chunk: Chunk) -> Utterance:
        """Return the chunk's speech, empty if the engine cannot say any of it."""
        if not chunk.speakable:
            return _EMPTY
        began = time.perf_counter()
        try:
            return self._engine.speak(
                chunk.engine_text,
                voice=self._options.voice,
                speed=self._options.speed,
                lexicon=self._options.lexicon,
            )
        except RefusedTextError:
            # Symbols or a foreign script inside a story: the rest of the story is still narrated.
            return _EMPTY
        finally:
            self.synthesis_secs += time.perf_counter() - began

    def _write_silent_chunk(self, chunk: Chunk) -> Iterator[Word]:
        """Write a pause for a chunk without sound, long enough to read its symbols in the subtitles."""
        start_secs = self._audio.seconds
        self._audio.silence(self._options.pauses.scene_secs / self._options.speed)
        self._pause_secs = 0.0
        self._is_mid_phrase = False
        word_times = time_words(
            _spans(chunk), (), text=chunk.text, duration_secs=self._audio.seconds - start_secs
        )
        return self._to_words(chunk, word_times, start_secs)

    def _time_words(self, chunk: Chunk, speech: Utterance) -> WordTimes:
        """Time the chunk's words by the aligner, else by the engine's marks, else by length."""
        spans = _spans(chunk)
        aligned = self._align(chunk, speech, spans)
        word_times = time_words(
            spans,
            aligned or speech.marks,
            text=chunk.text,
            duration_secs=len(speech.samples) / self._audio.sample_rate,
        )
        method = self._aligner.name if aligned and self._aligner else ENGINE_TIMINGS
        self.chunks_by_method[PROPORTIONAL if word_times.proportional else method] += 1
        return word_times

    def _align(self, chunk: Chunk, speech: Utterance, spans: Sequence[Span]) -> Sequence[Mark | None]:
        """Return the aligner's marks; empty if there is no aligner, it fails, or it finds no word."""
        if self._aligner is None:
            return ()
        began = time.perf_counter()
        try:
            marks = self._aligner.align(
                speech, text=chunk.text, words=spans, sample_rate=self._audio.sample_rate
            )
        except Exception as error:  # noqa: BLE001 - a model may raise anything; the engine's times remain
            _log.warning(
                "alignment of a chunk failed with %s; using the engine's word times", type(error).__name__
            )
            return ()
        finally:
            self.alignment_secs += time.perf_counter() - began
        return marks if any(marks) else ()

    def _to_words(self, chunk: Chunk, word_times: WordTimes, start_secs: float) -> Iterator[Word]:
        """Yield the chunk's words with times and spans relative to the whole story."""
        for word, (begin, end) in zip(chunk.words, word_times.times, strict=True):
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
        return 0.0 if _ends_mid_phrase(chunk) else pauses.clause_secs


def _ends_mid_phrase(chunk: Chunk) -> bool:
    """Whether the next chunk goes on without a pause."""
    return chunk.boundary is Boundary.NONE and chunk.text[-1].isalnum()


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


def _spans(chunk: Chunk) -> Sequence[Span]:
    return [word.span for word in chunk.words]


def _shift_marks(marks: Sequence[Mark], secs: float) -> Iterator[Mark]:
    for mark in marks:
        yield Mark(
            start=mark.start,
            end=mark.end,
            start_secs=mark.start_secs + secs,
            end_secs=mark.end_secs + secs,
        )
