"""The end of a worker: which jobs are finished, which are given back."""

import pytest

from app.shutdown import Shutdown


def test_without_a_wish_to_stop_no_job_is_interrupted() -> None:
    """However long a job takes, only a signal can end it."""
    shutdown = Shutdown(stop_timeout_secs=120)

    assert not shutdown.requested.is_set()
    assert not shutdown.should_abort(remaining_secs=None)
    assert not shutdown.should_abort(remaining_secs=1e9)


@pytest.mark.parametrize(
    ("remaining_secs", "interrupted"), [(0.0, False), (114.0, False), (116.0, True), (None, True)]
)
def test_a_job_is_finished_if_it_ends_within_the_grace(
    remaining_secs: float | None, interrupted: bool
) -> None:
    """The grace is the stop timeout less five seconds; a job that cannot say is not waited for."""
    shutdown = Shutdown(stop_timeout_secs=120)
    shutdown.request()

    assert shutdown.requested.is_set()
    assert shutdown.should_abort(remaining_secs=remaining_secs) is interrupted


def test_the_second_wish_waits_for_nothing() -> None:
    """Asked twice, even a job on its last sentence is given back."""
    shutdown = Shutdown(stop_timeout_secs=120)
    shutdown.request()
    shutdown.request()

    assert shutdown.urgent.is_set()
    assert shutdown.should_abort(remaining_secs=0.1)
