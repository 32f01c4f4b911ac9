"""Previews and drift as Markdown: short first, values folded away, never longer than GitHub takes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ops.changes import Change, Value, changes_of
from ops.policies import NAMES, Violation, violations_of
from ops.pulumi import Previewed

LONGEST_BODY = 60_000
"""Characters; GitHub takes 65,536 in a comment or an issue."""
LONGEST_ERROR = 4_000
MOST_ROWS = 150
MOST_CREATED = 10
"""New resources that stand open; more are folded away, for they take nothing from anybody."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a preview of one stack came to: all that leaves the job that may look into the account."""

    stack: str
    changes: Sequence[Change] = ()
    violations: Sequence[Violation] = ()
    error: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing would change, and it is known that nothing would."""
        return not self.changes and not self.error

    @classmethod
    def of(cls, previewed: Previewed) -> Self:
        """Reduce a preview to what may be shown."""
        return cls(previewed.stack, changes_of(previewed), violations_of(previewed), previewed.error)

    def save(self, folder: Path) -> None:
        """Write it beside those of other stacks."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.stack}.json").write_text(json.dumps(asdict(self), indent=2))


def saved_in(folder: Path) -> list[Report]:
    """Return the reports of a folder, by the stacks' names."""
    return [_loaded(json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def _loaded(document: Mapping[str, Any]) -> Report:
    changes = [
        Change(**{**change, "properties": tuple(change["properties"]), "values": _values(change)})
        for change in document["changes"]
    ]
    violations = [Violation(**violation) for violation in document["violations"]]
    return Report(document["stack"], changes, violations, document["error"])


def _values(change: Mapping[str, Any]) -> tuple[Value, ...]:
    return tuple(Value(**value) for value in change["values"])


@dataclass(frozen=True, slots=True)
class Section:
    """One stack's part of a page."""

    report: Report

    def render(self, *, rows: int, values: bool) -> str:
        """Return it with at most `rows` resources, and with or without their values."""
        report = self.report
        parts = [f"### `{report.stack}`: {_headline(report)}"]
        if report.error:
            parts.append(_fenced(report.error[:LONGEST_ERROR], "text"))
        shown = report.changes[:rows]
        created = [change for change in shown if change.operation == "create"]
        if len(created) <= MOST_CREATED:
            created = []
        if len(shown) > len(created):
            parts.append(_table([change for change in shown if change not in created]))
        if created:
            parts.append(_folded("New resources", _table(created)))
        if len(report.changes) > rows:
            parts.append(f"… and {len(report.changes) - rows} more")
        if values and any(change.values for change in report.changes):
            diff = _fenced("\n".join(_diff(report.changes)), "diff")
            parts.append(_folded("Values", diff))
        parts.extend(
            f"❌ **{found.rule}**: {_code(found.resource)}: {found.said}" for found in report.violations
        )
        return "\n\n".join(parts)


def render_preview(reports: Sequence[Report], *, commit: str) -> str:
    """Return the comment: what merging would change, and whether every rule is kept."""
    foot = (
        "Staging is shown with this commit's image, production with the image that it runs: a new one goes"
        f" there by way of staging.\n\n{_policies(reports)} · at {_code(commit[:12])}"
    )
    return _fitted("## What merging this would change", reports, foot=foot)


def render_drift(reports: Sequence[Report]) -> str:
    """Return the issue: where cloud and program differ."""
    head = (
        "What AWS has and what the program on `main` says are not the same. Either a resource was changed"
        " by hand, or a deployment is missing or failed.\n\n"
        "Deploy `main` to have it as the program says, or bring the change into the program; this issue is"
        " closed by the next check that finds nothing."
    )
    return _fitted(head, [report for report in reports if not report.is_clean], foot="")


def _fitted(head: str, reports: Sequence[Report], *, foot: str) -> str:
    """Leave out values, then rows, until it is short enough."""
    body = ""
    for rows, values in ((MOST_ROWS, True), (MOST_ROWS, False), (40, False), (10, False)):
        sections = [Section(report).render(rows=rows, values=values) for report in reports]
        note = [] if values else ["_Values are left out: there are too many to show._"]
        body = "\n\n".join(part for part in (head, *sections, *note, foot) if part)
        if len(body) <= LONGEST_BODY:
            return body
    return body[:LONGEST_BODY]


def _headline(report: Report) -> str:
    if report.error:
        return "the preview failed"
    counts = Counter(change.operation for change in report.changes)
    told = [
        f"{counts[operation]} to {operation}"
        for operation in ("delete", "replace", "create", "update")
        if counts[operation]
    ]
    return ", ".join(told) or "no change"


def _policies(reports: Sequence[Report]) -> str:
    broken = {violation.rule for report in reports for violation in report.violations}
    if any(report.error for report in reports):
        return "Policies: not all could be checked"
    if broken:
        return f"Policies: {len(NAMES) - len(broken)} of {len(NAMES)} kept"
    return f"Policies: all {len(NAMES)} kept ({', '.join(NAMES)})"


def _table(changes: Sequence[Change]) -> str:
    rows = [
        f"| {change.mark} {change.operation} | {_code(change.kind)} **{_plain(change.name)}** |"
        f" {', '.join(map(_code, change.properties))} |"
        for change in changes
    ]
    return "\n".join(["| | resource | properties |", "|---|---|---|", *rows])


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _diff(changes: Sequence[Change]) -> list[str]:
    lines = []
    for change in changes:
        if change.values:
            lines.append(f"@@ {change.kind} {change.name} @@")
        for value in change.values:
            lines += [f"- {value.path}: {value.old}"] if value.old is not None else []
            lines += [f"+ {value.path}: {value.new}"] if value.new is not None else []
    return lines


def _fenced(text: str, language: str) -> str:
    """Fence text so that nothing in it can end the fence."""
    longest = max((len(run) for run in _backticks(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _backticks(text: str) -> list[str]:
    runs, run = [], ""
    for character in f"{text} ":
        if character == "`":
            run += character
        elif run:
            runs.append(run)
            run = ""
    return runs


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _plain(text: str) -> str:
    return "".join(character if character.isalnum() or character in "-_." else "·" for character in text)
