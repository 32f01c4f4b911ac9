"""The parameters of the reading rules: the size of a cue and its timing."""

from dataclasses import dataclass
from math import ceil

_FRAME_SECS = 1 / 24
_WIDEST_CHARACTER = 2


@dataclass(frozen=True, slots=True)
class Style:
    """
    The reading rules of subtitles. The defaults follow Netflix's English Timed Text Style Guide.

    Times are in whole milliseconds, the resolution of the files, rounded to the strict side.
    """

    line_width: int = 42
    """Columns per line. A wide East Asian character takes two."""
    speed: float = 20.0
    """Highest reading speed, in columns per second. The first rule to be relaxed."""
    shortest_ms: int = ceil(5 / 6 * 1000)
    longest_ms: int = 7_000
    gap_ms: int = ceil(2 * _FRAME_SECS * 1000)
    """Least time between cues: two frames at 24 frames per second."""
    closed_ms: int = 500
    """Gaps shorter than this are reduced to `gap_ms`, because a short blank looks like an error."""
    linger_ms: int = 500
    """How long a cue may stay after its last word if there is room."""
    early_ms: int = 250
    """How long before its first word a cue may start to allow enough reading time."""
    late_ms: int = 750
    """How long after its first word a cue may start, so that the previous cue can be read."""

    def __post_init__(self) -> None:
        """Raise ValueError for parameters that no cue could satisfy."""
        if self.line_width < _WIDEST_CHARACTER:
            raise ValueError(
                f"a line must have at least 2 columns (one wide character), not {self.line_width}"
            )
        if not 0 < self.shortest_ms <= self.longest_ms:
            raise ValueError(
                f"the shortest time of a cue ({self.shortest_ms} ms) must be from 1 ms to its longest time "
                f"({self.longest_ms} ms)"
            )
        if not 0 <= self.gap_ms <= self.closed_ms:
            raise ValueError(
                f"the gap ({self.gap_ms} ms) must not exceed the longest closed gap ({self.closed_ms} ms)"
            )
        if self.speed <= 0 or min(self.linger_ms, self.early_ms, self.late_ms) < 0:
            raise ValueError("the reading speed must be above 0; linger, early and late must not be negative")

    @classmethod
    def for_children(cls) -> "Style":
        """Return the rules for children's stories: 17 columns per second."""
        return cls(speed=17.0)
