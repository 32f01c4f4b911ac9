"""What a job cost, by the price of the worker's hour."""

import pytest

from tests.app.worker.bench import AUDIO_ROW, Bench


def test_the_row_has_the_cost_of_the_attempt(bench: Bench) -> None:
    """It is the processing time at the price of an hour; the event repeats it."""
    bench.hour_price, bench.has_events = 3600.0, True
    bench.send()

    bench.drain()

    row = bench.tasks.rows[AUDIO_ROW]
    assert row["estimated_cost"] > 0
    assert float(row["estimated_cost"]) == pytest.approx(float(row["processing_seconds"]), abs=0.1)
    assert bench.events.events[0].estimated_cost == float(row["estimated_cost"])


def test_without_a_price_there_is_no_cost(bench: Bench) -> None:
    """The attribute is absent."""
    bench.send()

    bench.drain()

    assert "estimated_cost" not in bench.tasks.rows[AUDIO_ROW]
