"""Whatever arrives on the queue is a job or a typed refusal, and never anything else."""

from hypothesis import given, settings

from tests.fuzz.bodies import bodies, check


@settings(max_examples=1000, deadline=None)
@given(bodies)
def test_every_body_is_a_job_or_a_refusal(body: str) -> None:
    """No body crashes the edge, leads out of the allowed buckets, or has its text quoted."""
    check(body)
