"""A subtitle cue, which the layout produces and the formats write."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: one or two lines, shown from start to end."""

    lines: tuple[str, ...]
    start_secs: float
    end_secs: float
