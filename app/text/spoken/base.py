"""The data of the spoken form: replacements of source spans, and the way from spoken text to the source."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.text.spans import Span


def listed(words: str) -> frozenset[str]:
    """Return the words of a table that is written as text."""
    return frozenset(words.split())


@dataclass(frozen=True, slots=True)
class Variant:
    """The variety of English that rules differ by."""

    british: bool = False


class Spoken(NamedTuple):
    """What replaces a span of the source."""

    text: str
    phonemes: str = ""
    """How the text is pronounced, in Kokoro's phonemes; empty if the engine decides."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A span of the source and what is said instead."""

    start: int
    end: int
    text: str
    """May be empty: the span is silent."""
    phonemes: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and a function that returns what is said for a match, or None if the rule does not apply."""

    pattern: re.Pattern[str]
    say: Callable[[re.Match[str], Variant], str | Spoken | None]
    group: int | str = 0
    """The group of the pattern that is replaced."""


class SpokenText:
    """
    What an engine is to say for a source text.

    Outside of replacements, spoken text and source agree character by character, except for repairs of equal
    length such as a straight apostrophe for a curly one.
    """

    __slots__ = ("_spoken_starts", "repaired", "replacements", "spans", "text")

    def __init__(self, repaired: str, replacements: Iterable[Replacement] = ()) -> None:
        """`repaired` has the length of the source; `replacements` are sorted and do not overlap."""
        self.replacements = tuple(replacements)
        self.repaired = repaired
        """The source with repairs of equal length."""
        parts: list[str] = []
        spans: list[Span] = []
        position = length = 0
        for each in self.replacements:
            parts += (repaired[position : each.start], each.text)
            start = length + each.start - position
            length = start + len(each.text)
            spans.append(Span(start, length))
            position = each.end
        parts.append(repaired[position:])
        self.text = "".join(parts)
        """What is said."""
        self.spans = tuple(spans)
        """The span of each replacement in `text`."""
        self._spoken_starts = [span.start for span in spans]

    def source_span(self, start: int, end: int) -> Span:
        """Return the span of the source that `text[start:end]` speaks; replacements count as a whole."""
        first, last = self._source_of(start), self._source_of(max(start, end - 1))
        return Span(first.start, max(first.end, last.end))

    def pronunciations(self) -> Iterator[tuple[Span, str]]:
        """Yield the spans of `text` whose phonemes are given, with these phonemes."""
        for span, each in zip(self.spans, self.replacements, strict=True):
            if each.phonemes:
                yield span, each.phonemes

    def _source_of(self, position: int) -> Span:
        index = bisect_right(self._spoken_starts, position) - 1
        # a silent replacement at this position has no characters of its own
        while index >= 0 and self.spans[index].start == self.spans[index].end == position:
            index -= 1
        if index < 0:
            shift = self._shift_before(position)
            return Span(position + shift, position + shift + 1)
        span, each = self.spans[index], self.replacements[index]
        if position < span.end:
            return Span(each.start, each.end)
        source = position + self._shift_before(position)
        return Span(source, source + 1)

    def _shift_before(self, position: int) -> int:
        """Return source position minus spoken position, for a position outside of replacements."""
        index = bisect_right(self._spoken_starts, position) - 1
        if index < 0:
            return 0
        return self.replacements[index].end - self.spans[index].end


class Editor:
    """Collects replacements by rules; where two overlap, the earlier rule wins."""

    def __init__(self, repaired: str) -> None:
        self.text = repaired
        self._taken = bytearray(len(repaired))
        self._replacements: list[Replacement] = []

    def is_free(self, start: int, end: int) -> bool:
        """Whether no replacement touches the span."""
        return self._taken.find(1, start, end) < 0

    def replace(self, start: int, end: int, spoken: str | Spoken) -> None:
        """Replace a span that is free."""
        text, phonemes = (spoken, "") if isinstance(spoken, str) else spoken
        while start < end and text[:1] == " " and self.text[start] == " ":
            start, text = start + 1, text[1:]
        while start < end and text[-1:] == " " and self.text[end - 1] == " ":
            end, text = end - 1, text[:-1]
        self._taken[start:end] = b"\1" * (end - start)
        self._replacements.append(Replacement(start, end, text, phonemes))

    def replace_free(self, start: int, end: int, spoken: str) -> None:
        """Replace the parts of a span that are free, each by `spoken`."""
        while start < end:
            if self._taken[start]:
                start += 1
                continue
            taken = self._taken.find(1, start, end)
            until = end if taken < 0 else taken
            self.replace(start, until, spoken)
            start = until

    def apply(self, rules: Iterable[Rule], variant: Variant) -> None:
        """Apply each rule to the whole text, in order."""
        for rule in rules:
            for match in rule.pattern.finditer(self.text):
                start, end = match.span(rule.group)
                if start < end and self.is_free(start, end):
                    spoken = rule.say(match, variant)
                    if spoken is not None:
                        self.replace(start, end, spoken)

    def result(self) -> SpokenText:
        """Return the spoken text."""
        return SpokenText(self.text, sorted(self._replacements, key=lambda each: each.start))
