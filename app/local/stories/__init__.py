"""The story that is shipped with the package, for demonstrations."""

from importlib.resources import files

SHIPPED = "the-story-of-an-hour.txt"


def shipped_story() -> tuple[str, str]:
    """Return the name and the text of the shipped story: Kate Chopin, 1894, in the public domain."""
    return SHIPPED, files(__package__ or "").joinpath(SHIPPED).read_text("utf-8")
