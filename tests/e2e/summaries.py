"""The Pulumi engine's summary lines, from the process that ran it to the end of the log."""

from collections.abc import Iterator

import pytest

PROPERTY = "pulumi"
"""Under this name a test's report carries what the engine said: reports travel between processes."""


def said(reporter: pytest.TerminalReporter) -> Iterator[str]:
    """Every summary line, in the order of the tests' ends."""
    for reports in reporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                yield from (str(line) for name, line in report.user_properties if name == PROPERTY)


def show(reporter: pytest.TerminalReporter) -> None:
    """Write them under a heading, where the engine ran at all."""
    lines = list(said(reporter))
    if lines:
        reporter.section("what the Pulumi engine did")
    for line in lines:
        reporter.write_line(line)
