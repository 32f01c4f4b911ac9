"""What tests of both packages share: an embedded AWS over real HTTP, with resources of each test's own."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from app.local.emulator import emulator
from app.local.platform import Platform, create_platform


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of an embedded AWS that lives as long as the test session."""
    with emulator() as address:
        yield address


@pytest.fixture
def platform(aws: str, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Queue, dead letters, topic, table and bucket for one test, and the environment that names them."""
    made = create_platform(aws, suffix=f"-{uuid4().hex[:12]}")
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made
