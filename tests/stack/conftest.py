"""The stack as it is without any settings: recorded once, asserted on by many tests."""

import pytest

from tests.stack.recording import Recording, record


@pytest.fixture(scope="session")
def plain() -> Recording:
    """The program with story-infra from another Pulumi stack, and defaults otherwise."""
    return record()


@pytest.fixture(scope="session")
def own() -> Recording:
    """The program with a foundation of its own, and defaults otherwise."""
    return record({"story_infra": {"source": "own"}})
