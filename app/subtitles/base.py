"""A subtitle cue, the unit that layout produces and formats write."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: up to two lines, shown from start to end."""

    lines: tuple[str, ...]
    start_secs: float
    end_secs: float
