"""Estimates how long a narration will be, so that what cannot succeed is refused before it starts."""

from app.audio.wav import max_wav_secs
from app.errors import RefusedTextError

CHARACTERS_A_SECOND = 15.5
"""Of English prose at speed 1.0, white space included: 15.5 with espeak-ng, 14 to 16 with Kokoro's voices."""
_DOUBT = 1.5
"""By how much the estimate must exceed the limit: lists and verse take longer, no text takes much less."""


def estimated_secs(text: str, *, speed: float) -> float:
    """Return about how many seconds of audio `text` becomes."""
    return len(text) / CHARACTERS_A_SECOND / speed


def check_length(text: str, *, speed: float, formats: tuple[str, ...], sample_rate: int) -> None:
    """Raise RefusedTextError if the audio would certainly exceed what a WAV file holds."""
    if "wav" not in formats:
        return
    secs, limit = estimated_secs(text, speed=speed), max_wav_secs(sample_rate)
    if secs > limit * _DOUBT:
        raise RefusedTextError(
            f"about {secs / 3600:.0f} hours of audio, more than the {limit / 3600:.0f} hours of a WAV file:"
            " split the story, or choose another format than wav"
        )
