"""The comment as text: short enough for GitHub, and safe for any name of a resource."""

from pathlib import Path

from ops.changes import Change, Value
from ops.pulumi import Violation
from ops.report import MAX_BODY_CHARS, Report, load_reports, render_comment


def change(name: str = "task", *, values: int = 1, text: str = '"1"') -> Change:
    """Return an update of `values` values."""
    return Change(
        "update",
        "aws:ecs:TaskDefinition",
        name,
        ("cpu",),
        tuple(Value(f"cpu[{number}]", text, '"2"') for number in range(values)),
    )


def test_a_preview_of_any_size_fits_into_a_comment() -> None:
    """First values, then rows are left out, with a note; the headline always has the full count."""
    few = render_comment([Report("production", [change()])], commit="c" * 40)
    many = render_comment([Report("production", [change(values=2000)])], commit="c" * 40)
    more = render_comment(
        [Report("s", [change("n" * 300)] * 2000), Report("t", [change("n" * 300)] * 2000)], commit="c"
    )

    assert "```diff" in few
    assert ("```diff" in many, "Values are left out" in many) == (False, True)
    assert "… and 1960 more" in more
    assert "2000 to update" in more
    assert max(len(text) for text in (few, many, more)) <= MAX_BODY_CHARS


def test_nothing_in_a_value_ends_its_fence() -> None:
    """Backticks, tags and table bars in names and values are not interpreted."""
    text = render_comment(
        [Report("p", [change("a|b</details>@team", text='"``` </details> ````"')])], commit="`x`"
    )

    assert "\n`````diff\n" in text
    assert "**a·b··details··team**" in text
    assert "at `'x'`" in text


def test_a_failure_does_not_look_like_no_change() -> None:
    """A preview that failed shows its error, and the policies count as not checked."""
    text = render_comment([Report("p"), Report("s", error="error: no such setting")], commit="c")

    assert "### `p`: no change" in text
    assert "### `s`: the preview failed\n\n```text\nerror: no such setting\n```" in text
    assert "not all could be checked" in text


def test_a_broken_rule_is_shown() -> None:
    """The comment names rule and resource, and the rule once more in its last line."""
    text = render_comment(
        [Report("p", violations=[Violation("encrypted-queues", "queue q", "message")])], commit="c"
    )

    assert "❌ **encrypted-queues**: `queue q`: message" in text
    assert "Policies broken: encrypted-queues · at" in text


def test_a_saved_report_is_read_back_as_it_was(tmp_path: Path) -> None:
    """A report survives the way through a file."""
    report = Report("p", (change(),), (Violation("encrypted-queues", "queue q", "message"),), "error")
    report.save(tmp_path)

    (back,) = load_reports(tmp_path)
    assert render_comment([back], commit="c") == render_comment([report], commit="c")


def test_many_new_resources_are_folded() -> None:
    """More than ten new resources are folded; deletions and changes never are."""
    new = [Change("create", "aws:sqs:Queue", f"queue-{number}", (), ()) for number in range(11)]
    text = render_comment(
        [Report("p", [Change("delete", "aws:sns:Topic", "alarms", (), ()), *new])], commit="c"
    )
    open_part, _, folded = text.partition("<details><summary>New resources</summary>")

    assert ("alarms" in open_part, "queue-" in open_part, folded.count("queue-")) == (True, False, 11)
    assert "<details>" not in render_comment([Report("p", new[:10])], commit="c")
