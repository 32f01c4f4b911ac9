"""Recordings of the default stack and of the stack with an own platform."""

import pytest

from tests.stack.recording import Recording, record


@pytest.fixture(scope="session")
def plain() -> Recording:
    """The program with story-infra from another Pulumi stack, and defaults otherwise."""
    return record()


@pytest.fixture(scope="session")
def own() -> Recording:
    """The program with an own platform, and defaults otherwise."""
    return record({"story_infra": {"source": "own"}})
