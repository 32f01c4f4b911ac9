"""The comment and the issue as text: short enough for GitHub, and safe whatever resources are called."""

from pathlib import Path

from ops.changes import Change, Value
from ops.github import _marked
from ops.policies import Violation
from ops.report import LONGEST_BODY, Report, render_drift, render_preview, saved_in

GITHUB_TAKES = 65_536


def change(name: str = "task", *, values: int = 1, text: str = '"1"') -> Change:
    """Return an update of so many values."""
    return Change(
        "update",
        "aws:ecs:TaskDefinition",
        name,
        ("cpu",),
        tuple(Value(f"cpu[{number}]", text, '"2"') for number in range(values)),
    )


def test_a_preview_of_any_size_fits_into_a_comment() -> None:
    """Values go first, then rows, and the comment says so; who reads it knows how many there are."""
    few = render_preview([Report("production", [change()])], commit="c" * 40)
    many = render_preview([Report("production", [change(values=2000)])], commit="c" * 40)
    more = render_preview(
        [Report("s", [change("n" * 300)] * 2000), Report("t", [change("n" * 300)] * 2000)], commit="c"
    )

    assert "```diff" in few
    assert ("```diff" in many, "Values are left out" in many) == (False, True)
    assert "… and 1960 more" in more
    assert "2000 to update" in more
    assert max(len(_marked(text, "story-tts: preview")) for text in (few, many, more)) < GITHUB_TAKES
    assert len(more) <= LONGEST_BODY


def test_nothing_in_a_value_ends_its_fence() -> None:
    """Backticks, tags and table bars in names and values stay what they are."""
    text = render_preview(
        [Report("p", [change("a|b</details>@team", text='"``` </details> ````"')])], commit="`x`"
    )

    assert "\n`````diff\n" in text
    assert "**a·b··details··team**" in text
    assert "at `'x'`" in text


def test_no_change_and_a_failure_are_told_apart() -> None:
    """A preview that failed never reads like one that found nothing."""
    text = render_preview([Report("p"), Report("s", error="error: no such setting")], commit="c")

    assert "### `p`: no change" in text
    assert "### `s`: the preview failed\n\n```text\nerror: no such setting\n```" in text
    assert "not all could be checked" in text


def test_a_broken_rule_is_told_and_counted() -> None:
    """The comment names rule and resource; the count says how many are kept."""
    text = render_preview([Report("p", violations=[Violation("encrypted", "queue q", "said")])], commit="c")

    assert "❌ **encrypted**: `queue q`: said" in text
    assert "Policies: 7 of 8 kept" in text


def test_drift_names_the_stacks_that_differ_alone() -> None:
    """A stack that agrees takes no room in the issue."""
    text = render_drift([Report("production", [change()]), Report("staging")])

    assert ("`production`" in text, "`staging`" in text) == (True, False)


def test_a_saved_report_is_read_back_as_it_was(tmp_path: Path) -> None:
    """What one job saves, the next shows, to the letter."""
    report = Report("p", (change(),), (Violation("encrypted", "queue q", "said"),), "error")
    report.save(tmp_path)

    (back,) = saved_in(tmp_path)
    assert render_preview([back], commit="c") == render_preview([report], commit="c")


def test_many_new_resources_are_folded_away_and_nothing_else_is() -> None:
    """Of a stack that begins, the list is a line to unfold; what changes or goes stays in sight."""
    new = [Change("create", "aws:sqs:Queue", f"queue-{number}", (), ()) for number in range(11)]
    text = render_preview(
        [Report("p", [Change("delete", "aws:sns:Topic", "alarms", (), ()), *new])], commit="c"
    )
    open_part, _, folded = text.partition("<details><summary>New resources</summary>")

    assert ("alarms" in open_part, "queue-" in open_part, folded.count("queue-")) == (True, False, 11)
    assert "<details>" not in render_preview([Report("p", new[:10])], commit="c")
