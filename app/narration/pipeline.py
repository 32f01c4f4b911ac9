"""
Tells a story: chunk by chunk from text to audio, words, cues and files, all of it while it streams.

    text ─▶ chunks ─▶ engine ─▶ trim, limit, fade ─▶ audio.wav
                         └─▶ aligner or marks ─▶ words ─▶ cues ─▶ .srt, .vtt
                                                   └─▶ .words.json

Nothing is kept of what is written: a story of a day takes the memory of one of a minute.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial

import numpy as np

from app.alignment.base import Aligner
from app.alignment.word_times import WordTimes, time_words
from app.audio.processing import faded, limited, trimmed
from app.audio.wav import WavWriter
from app.errors import RefusedTextError, disk_error
from app.media import AUDIO
from app.narration.base import ENGINE_TIMINGS, PROPORTIONAL, Narration, OnProgress, Progress, Request
from app.speech.base import Mark, SpeechEngine, Utterance
from app.subtitles.formats import SubtitleFiles
from app.subtitles.layout import Layout
from app.subtitles.style import Style
from app.text.chunks import Chunk, chunks
from app.text.spans import Boundary, Span, Word

_log = logging.getLogger(__name__)

_NOTHING = Utterance(samples=np.zeros(0, dtype=np.float32), marks=())


FindAligner = Callable[[], Aligner | None]


class Narrator:
    """
    An engine and, where there is one, an aligner, ready to tell one story after another.

    The aligner is asked for once the first chunk is spoken and written: its loading keeps nobody waiting for
    the first sound, and a story without alignment does not load it at all.
    """

    def __init__(self, *, engine: SpeechEngine, aligner: FindAligner) -> None:
        self._engine = engine
        self._aligner = aligner

    def narrate(self, request: Request, *, on_progress: OnProgress) -> Narration:
        """
        Write the story's media into the request's folder; `on_progress` is called after each chunk.

        Raises UnknownVoiceError, RefusedTextError where there is nothing to say or too much for a WAV file,
        DiskFullError, and what the aligner's loading raises; whatever the folder then holds is for its owner
        to remove.
        """
        began = time.monotonic()
        _check(request.text)
        audio = request.folder / AUDIO.file_name
        options = request.options
        layout = Layout(Style(speed=options.reading_speed))
        aligner = self._aligner if options.use_alignment else no_aligner
        try:
            with (
                WavWriter(audio, sample_rate=self._engine.sample_rate) as wav,
                SubtitleFiles(request.folder) as subtitles,
            ):
                telling = _Telling(self._engine, aligner, request, wav, on_progress)
                for cue in layout.cues(_noted(telling.words(), subtitles)):
                    subtitles.write_cue(cue)
        except OSError as error:
            raise disk_error(error, request.folder) from error
        report = layout.report
        return Narration(
            media={AUDIO: audio, **subtitles.paths},
            duration_secs=wav.seconds,
            sample_rate=wav.sample_rate,
            engine=self._engine.name,
            voice=options.voice,
            alignment=telling.alignment,
            alignment_chunks=dict(telling.methods),
            words=telling.count,
            words_interpolated=telling.interpolated,
            cues=report.cues,
            concessions={
                "fast": report.fast,
                "early": report.early,
                "late": report.late,
                "short": report.short,
            },
            synthesis_secs=telling.synthesis_secs,
            alignment_secs=telling.alignment_secs,
            elapsed_secs=time.monotonic() - began,
        )


class _Telling:
    """One story on its way: what was said so far, in numbers."""

    def __init__(
        self,
        engine: SpeechEngine,
        aligner: FindAligner,
        request: Request,
        wav: WavWriter,
        on_progress: OnProgress,
    ) -> None:
        self._engine, self._request, self._wav = engine, request, wav
        self._options = request.options
        self._find_aligner = aligner
        self._on_progress = on_progress
        self._pause_secs = 0.0
        self.methods: Counter[str] = Counter()
        self.count = self.interpolated = 0
        self.synthesis_secs = self.alignment_secs = 0.0

    @cached_property
    def _aligner(self) -> Aligner | None:
        return self._find_aligner()

    @property
    def alignment(self) -> str:
        """The least exact method of all that were used."""
        for method in (PROPORTIONAL, ENGINE_TIMINGS):
            if self.methods[method]:
                return method
        return next(iter(self.methods), PROPORTIONAL)

    def words(self) -> Iterator[Word]:
        """Speak chunk after chunk, and yield their words as each is written."""
        text, options = self._request.text, self._request.options
        measure = partial(self._engine.measure, voice=options.voice)
        # slow speech is longer, and memory follows its length
        share = min(options.speed, 1.0)
        cut = chunks(
            text,
            measure=measure,
            limit=round(self._engine.max_chunk * share),
            first_limit=round(self._engine.max_first_chunk * share),
        )
        for index, chunk in enumerate(cut, start=1):
            yield from self._tell(chunk)
            done = (chunk.start + len(chunk.text)) / len(text)
            self._on_progress(Progress(fraction=done, chunk=index, audio_secs=self._wav.seconds))
        if not self.methods:
            raise RefusedTextError(f"the text holds nothing that the voice {options.voice} can say")

    def _tell(self, chunk: Chunk) -> Iterator[Word]:
        utterance = self._spoken(chunk)
        part = trimmed(utterance.samples, self._wav.sample_rate)
        if not len(part.samples):
            return self._be_silent(chunk)
        self._wav.silence(self._pause_secs)
        start_secs = self._wav.seconds
        heard = Utterance(samples=part.samples, marks=tuple(_moved(utterance.marks, part.cut_secs)))
        self._wav.write(faded(limited(part.samples, self._wav.sample_rate), self._wav.sample_rate))
        timed = self._timed(chunk, heard)
        self._pause_secs = self._pause_after(chunk) / self._options.speed - part.tail_secs
        self.interpolated += timed.interpolated
        return self._placed(chunk, timed, start_secs)

    def _spoken(self, chunk: Chunk) -> Utterance:
        if not chunk.speakable:
            return _NOTHING
        began = time.perf_counter()
        try:
            return self._engine.speak(chunk.text, voice=self._options.voice, speed=self._options.speed)
        except RefusedTextError:
            # Some signs or a foreign script within a story: it goes on without them.
            return _NOTHING
        finally:
            self.synthesis_secs += time.perf_counter() - began

    def _be_silent(self, chunk: Chunk) -> Iterator[Word]:
        """Let a chunk without sound be a pause of its own, in which its signs can be read."""
        secs = self._options.pauses.scene_secs / self._options.speed
        start_secs = self._wav.seconds
        self._wav.silence(secs)
        self._pause_secs = 0.0
        timed = time_words(_spans(chunk), (), text=chunk.text, duration_secs=self._wav.seconds - start_secs)
        return self._placed(chunk, timed, start_secs)

    def _timed(self, chunk: Chunk, heard: Utterance) -> WordTimes:
        duration_secs = len(heard.samples) / self._wav.sample_rate
        spans = _spans(chunk)
        marks = self._aligned(chunk, heard, spans)
        method = self._aligner.name if marks and self._aligner else ENGINE_TIMINGS
        timed = time_words(spans, marks or heard.marks, text=chunk.text, duration_secs=duration_secs)
        self.methods[PROPORTIONAL if timed.proportional else method] += 1
        return timed

    def _aligned(self, chunk: Chunk, heard: Utterance, spans: Sequence[Span]) -> Sequence[Mark | None]:
        """Return the aligner's marks, or none where it is not there, fails or finds nothing."""
        if self._aligner is None:
            return ()
        began = time.perf_counter()
        try:
            marks = self._aligner.align(
                heard, text=chunk.text, words=spans, sample_rate=self._wav.sample_rate
            )
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the engine's timings still stand
            _log.warning(
                "alignment of a chunk failed with %s; the engine's timings stand", type(error).__name__
            )
            return ()
        finally:
            self.alignment_secs += time.perf_counter() - began
        return marks if any(marks) else ()

    def _placed(self, chunk: Chunk, timed: WordTimes, start_secs: float) -> Iterator[Word]:
        """Yield the words of a chunk at their place in the story."""
        for word, (begin, end) in zip(chunk.words, timed.times, strict=True):
            self.count += 1
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
            return pauses.paragraph_secs
        if chunk.boundary is Boundary.SENTENCE:
            return pauses.sentence_secs
        return 0.0 if chunk.text[-1].isalnum() else pauses.clause_secs


def no_aligner() -> None:
    """Return None: the engine's own times are all there are."""


def _check(text: str) -> None:
    """Refuse what no file can hold, before anything is written."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedTextError(
            f"character {error.start + 1} of the text is half a surrogate pair, which is no character"
        ) from None


def _noted(words: Iterable[Word], subtitles: SubtitleFiles) -> Iterator[Word]:
    """Pass words on, each written to words.json."""
    for word in words:
        subtitles.write_word(word)
        yield word


def _spans(chunk: Chunk) -> Sequence[Span]:
    return [word.span for word in chunk.words]


def _moved(marks: Sequence[Mark], secs: float) -> Iterator[Mark]:
    """Yield marks as they are once `secs` were cut from the start of the audio."""
    for mark in marks:
        yield Mark(
            start=mark.start,
            end=mark.end,
            start_secs=mark.start_secs - secs,
            end_secs=mark.end_secs - secs,
        )
