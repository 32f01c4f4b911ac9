"""
Lets each of Kokoro's voices say a paragraph of its language, and looks for words without a time of their own.

    python -m benchmarks.every_voice [--only LETTERS]

Needs `make real-voices`. Voices whose language needs packages that are not installed are named and left out.
"""

import argparse
import warnings
from functools import partial

from app.alignment.word_times import time_words
from app.errors import UnknownVoiceError
from app.speech.kokoro import KokoroEngine
from app.speech.voices import KOKORO_VOICES, language_tag
from app.text.chunks import chunks
from benchmarks import real_voices
from benchmarks.narrated import kokoro
from tests.hard_to_say import paragraphs

_SHORTEST_SECS = 0.03


def main() -> None:
    """Print each voice's result, and a summary."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="beginnings of voices' names, such as abe")
    only = tuple(parser.parse_args().only) or ("",)
    warnings.simplefilter("ignore")
    engine, texts = kokoro(real_voices.models()), paragraphs()
    said, lost, left_out = 0, 0, []
    voices = {name: voice for name, voice in KOKORO_VOICES.items() if name.startswith(only)}
    for name, voice in voices.items():
        language = language_tag(voice)
        text = texts[language if language in texts else language.partition("-")[0]]
        try:
            secs, words, missing = spoken(engine, text, name)
        except UnknownVoiceError as error:
            left_out.append(f"{name}: {error.message}")
            continue
        said, lost = said + 1, lost + len(missing)
        print(f"{name}: {secs:.1f} s, {words} words, without a time of their own: {missing}", flush=True)
    print("\n".join(left_out))
    print(f"{said} of {len(voices)} voices speak; {lost} words lost; {len(left_out)} voices left out")


def spoken(engine: KokoroEngine, text: str, voice: str) -> tuple[float, int, list[str]]:
    """Return the seconds of audio, the number of words, and the words that are lost or squeezed."""
    secs, words, missing = 0.0, 0, []
    for chunk in chunks(text, measure=partial(engine.measure, voice=voice), limit=engine.max_chunk):
        utterance = engine.speak(chunk.engine_text, voice=voice, speed=1.0)
        spans = [word.span for word in chunk.words]
        duration = len(utterance.samples) / engine.sample_rate
        marked = {index for mark in utterance.marks for index in range(mark.start, mark.end)}
        timed = time_words(spans, utterance.marks, text=chunk.text, duration_secs=duration)
        for span, (start, end) in zip(spans, timed.times, strict=True):
            if not marked & set(range(span.start, span.end)) or end - start < _SHORTEST_SECS:
                missing.append(chunk.text[span.start : span.end])
        secs, words = secs + duration, words + len(spans)
    return secs, words, missing


if __name__ == "__main__":
    main()
