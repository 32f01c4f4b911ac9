"""How commands print: what comes from users, producers and AWS is shown literally, whatever it holds."""

import re
from collections.abc import Mapping
from typing import Any

from rich.console import Console  # noqa: TID251  # this is the place
from rich.text import Text

_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed; line separators, direction controls, lone surrogates."""


def literal(text: object) -> str:
    """Return `text` with every character that acts on a terminal, or cannot be printed, as its escape."""
    return _ACTIVE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


class LiteralConsole(Console):
    """
    A console that prints every string literally: no markup, no emoji codes, no control characters.

    Style what is our own with `rich.text.Text`. Colours follow rich's rules: none with NO_COLOR or in a pipe.
    """

    def __init__(self, **options: Any) -> None:
        """`options` are Console's own, such as `stderr`."""
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Render `text` as it is; rich calls this for every string that it prints, table cells too."""
        return super().render_str(literal(text), **options)

    def print_line(self, *parts: str | Text) -> None:
        """Print one line that is never wrapped or cut by us, so that ids and addresses can be copied."""
        self.print(*parts, soft_wrap=True)

    def print_record(self, fields: Mapping[str, object]) -> None:
        """Print one line per field, names aligned and values whole."""
        width = max(map(len, fields), default=0)
        for name, value in fields.items():
            self.print_line(f"  {name:<{width}}  {value}")


GOOD, BAD, OPEN = Text("✓", style="green"), Text("✗", style="red"), Text("…", style="yellow")
