"""A narration that cannot succeed is refused before it starts."""

import pytest

from app.errors import RefusedTextError
from app.narration.estimate import check_length, estimated_secs
from tests.reading_rules import CORPUS

HOUR = 3600 * 16
"""Characters."""


def test_the_estimate_fits_prose() -> None:
    """The shipped story takes 362 seconds with espeak-ng."""
    assert estimated_secs(CORPUS[0].read_text("utf-8"), speed=1.0) == pytest.approx(362, rel=0.1)


@pytest.mark.parametrize(
    ("hours", "speed", "formats", "is_refused"),
    [
        (20, 1.0, ("wav",), False),
        (60, 1.0, ("wav",), True),
        (60, 2.0, ("wav",), False),
        (20, 0.5, ("opus", "wav"), True),
        (60, 1.0, ("opus",), False),
    ],
)
def test_more_than_a_wav_file_holds_is_refused(
    hours: int, speed: float, formats: tuple[str, ...], *, is_refused: bool
) -> None:
    """Only if that is certain, and only for WAV, which alone has a limit."""
    text = "x" * (HOUR * hours)
    if is_refused:
        with pytest.raises(RefusedTextError, match=r"hours of audio.*another format"):
            check_length(text, speed=speed, formats=formats, sample_rate=24_000)
    else:
        check_length(text, speed=speed, formats=formats, sample_rate=24_000)
