"""The comment on a pull request: a summary first, values folded, never longer than GitHub allows."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ops.changes import Change, Value, changes_of
from ops.pulumi import Preview, Violation

MAX_BODY_CHARS = 60_000
"""GitHub allows 65,536 characters in a comment."""
MAX_ERROR_CHARS = 4_000
MAX_ROWS = 150
MAX_OPEN_CREATIONS = 10
"""More new resources than these are folded: they take nothing away."""


@dataclass(frozen=True, slots=True)
class Report:
    """What may be published of one stack's preview; nothing else leaves the job that can read the account."""

    stack: str
    changes: Sequence[Change] = ()
    violations: Sequence[Violation] = ()
    error: str = ""

    @classmethod
    def of(cls, preview: Preview) -> Self:
        """Reduce a preview to what may be published."""
        return cls(preview.stack, changes_of(preview), preview.violations, preview.error)

    @property
    def problems(self) -> list[str]:
        """One line per reason to fail the check of the pull request."""
        failed = [f"the preview of {self.stack} failed"] if self.error else []
        return failed + [f"{item.rule}: {item.resource}: {item.message}" for item in self.violations]

    def save(self, folder: Path) -> None:
        """Write the report to `folder`, as one file per stack."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.stack}.json").write_text(json.dumps(asdict(self), indent=2))


def load_reports(folder: Path) -> list[Report]:
    """Return the saved reports, sorted by stack."""
    return [_load(json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def _load(document: Mapping[str, Any]) -> Report:
    changes = [
        Change(
            **{
                **change,
                "properties": tuple(change["properties"]),
                "values": tuple(Value(**value) for value in change["values"]),
            }
        )
        for change in document["changes"]
    ]
    violations = [Violation(**violation) for violation in document["violations"]]
    return Report(document["stack"], changes, violations, document["error"])


def render_comment(reports: Sequence[Report], *, commit: str) -> str:
    """Return the comment as Markdown; if it is too long, first values and then rows are left out."""
    foot = (
        "Staging is previewed with the image of this commit, production with the image that it runs: a new"
        f" image reaches production through staging.\n\n{_policy_line(reports)} · at {_code(commit[:12])}"
    )
    body = ""
    for rows, values in ((MAX_ROWS, True), (MAX_ROWS, False), (40, False), (10, False)):
        sections = [_section(report, rows=rows, values=values) for report in reports]
        note = [] if values else ["_Values are left out: there are too many to show._"]
        body = "\n\n".join(["## Changes by this pull request", *sections, *note, foot])
        if len(body) <= MAX_BODY_CHARS:
            return body
    return body[:MAX_BODY_CHARS]


def _section(report: Report, *, rows: int, values: bool) -> str:
    """Return the part of one stack with at most `rows` resources, with or without their values."""
    parts = [f"### `{report.stack}`: {_headline(report)}"]
    if report.error:
        parts.append(_fenced(report.error[:MAX_ERROR_CHARS], "text"))
    parts += _tables(report.changes[:rows])
    if len(report.changes) > rows:
        parts.append(f"… and {len(report.changes) - rows} more")
    if values and any(change.values for change in report.changes):
        parts.append(_folded("Values", _fenced("\n".join(_diff(report.changes)), "diff")))
    parts += [f"❌ **{item.rule}**: {_code(item.resource)}: {item.message}" for item in report.violations]
    return "\n\n".join(parts)


def _headline(report: Report) -> str:
    if report.error:
        return "the preview failed"
    counts = Counter(change.operation for change in report.changes)
    parts = [
        f"{counts[operation]} to {operation}"
        for operation in ("delete", "replace", "create", "update")
        if counts[operation]
    ]
    return ", ".join(parts) or "no change"


def _policy_line(reports: Sequence[Report]) -> str:
    broken = {violation.rule for report in reports for violation in report.violations}
    if broken:
        return f"Policies broken: {', '.join(sorted(broken))}"
    if any(report.error for report in reports):
        return "Policies: not all could be checked"
    return "Policies: all passed"


def _tables(changes: Sequence[Change]) -> Iterator[str]:
    created = [change for change in changes if change.operation == "create"]
    folded = created if len(created) > MAX_OPEN_CREATIONS else []
    if len(changes) > len(folded):
        yield _table([change for change in changes if change not in folded])
    if folded:
        yield _folded("New resources", _table(folded))


def _table(changes: Sequence[Change]) -> str:
    rows = [
        f"| {change.mark} {change.operation} | {_code(change.kind)} **{_plain(change.name)}** |"
        f" {', '.join(map(_code, change.properties))} |"
        for change in changes
    ]
    return "\n".join(["| | resource | properties |", "|---|---|---|", *rows])


def _folded(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _diff(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        if change.values:
            yield f"@@ {change.kind} {change.name} @@"
        for value in change.values:
            if value.old is not None:
                yield f"- {value.path}: {value.old}"
            if value.new is not None:
                yield f"+ {value.path}: {value.new}"


def _fenced(text: str, language: str) -> str:
    """Return a code block whose fence is longer than any run of backticks in `text`."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _plain(text: str) -> str:
    """Replace everything that Markdown or HTML could interpret."""
    return "".join(character if character.isalnum() or character in "-_." else "·" for character in text)
