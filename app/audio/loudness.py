"""
Loudness normalisation: one constant gain per voice.

Audio is written while it is produced, so the loudness of a story is known only at its end, and a gain that
follows the signal would be audible. The loudness of each voice is therefore measured in advance, by
`make measure-loudness`, and kept in loudness.tab.
"""

from functools import cache
from pathlib import Path
from statistics import fmean

from app.speech.registry import voice_parts

DEFAULT_TARGET_LUFS = -19.0
"""LUFS, mono. Played on two loudspeakers it is as loud as stereo at -16 LUFS."""
TABLE = Path(__file__).with_name("loudness.tab")
"""A line per voice: engine, voice, integrated loudness in LUFS (ITU-R BS.1770-4)."""


def voice_gain(engine: str, voice: str, target_lufs: float) -> float:
    """
    Return the factor that brings `voice`, or a blend of voices, to `target_lufs`.

    A voice that was not measured counts as an average one of its engine. Returns 1.0 for an engine without
    measurements.
    """
    measured = _measured().get(engine)
    if not measured:
        return 1.0
    average = fmean(measured.values())
    parts = voice_parts(engine, voice)
    loudness = fmean([measured.get(name, average) for name, _ in parts], [weight for _, weight in parts])
    return float(10 ** ((target_lufs - loudness) / 20))


@cache
def _measured() -> dict[str, dict[str, float]]:
    measured: dict[str, dict[str, float]] = {}
    for line in TABLE.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            engine, voice, lufs = line.split()
            measured.setdefault(engine, {})[voice] = float(lufs)
    return measured
