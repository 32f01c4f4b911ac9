"""The numbers of the reading rules: what a cue may hold and how long it stays."""

from dataclasses import dataclass
from math import ceil

_FRAME_SECS = 1 / 24
_WIDEST_CHARACTER = 2


@dataclass(frozen=True, slots=True)
class Style:
    """
    The reading rules of subtitles, by default those of Netflix' English Timed Text Style Guide.

    Times are whole milliseconds, the resolution of the files, rounded to the side that keeps the rule.
    """

    line_width: int = 42
    """Columns of a line; a wide East Asian character takes two."""
    speed: float = 20.0
    """Columns a second at most. The rule that gives first."""
    shortest_ms: int = ceil(5 / 6 * 1000)
    longest_ms: int = 7_000
    gap_ms: int = ceil(2 * _FRAME_SECS * 1000)
    """Two frames at 24 a second, at least, from one cue's end to the next one's start."""
    closed_ms: int = 500
    """A gap shorter than this is closed to `gap_ms`: a longer blink would look like a mistake."""
    linger_ms: int = 500
    """How long a cue may stay after its last word where there is room."""
    early_ms: int = 250
    """How much earlier than its first word a cue may start where its reader needs the time."""
    late_ms: int = 750
    """How much later than its first word a cue may start, so that the one before it can be read."""

    def __post_init__(self) -> None:
        """Refuse numbers that no cue could satisfy."""
        if self.line_width < _WIDEST_CHARACTER:
            raise ValueError(f"a line must hold 2 columns or more, one wide character, not {self.line_width}")
        if not 0 < self.shortest_ms <= self.longest_ms:
            raise ValueError(
                f"a cue's shortest time ({self.shortest_ms} ms) must lie between 1 and its longest "
                f"({self.longest_ms} ms)"
            )
        if not 0 <= self.gap_ms <= self.closed_ms:
            raise ValueError(
                f"the gap ({self.gap_ms} ms) must not exceed the one that is closed ({self.closed_ms} ms)"
            )
        if self.speed <= 0 or min(self.linger_ms, self.early_ms, self.late_ms) < 0:
            raise ValueError(
                "the reading speed must be above 0, and linger, early and late must not be below"
            )

    @classmethod
    def for_children(cls) -> "Style":
        """The rules for children's stories: 17 columns a second."""
        return cls(speed=17.0)
