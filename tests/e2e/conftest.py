"""The real engine over the stand-in providers and an embedded AWS of each module's own."""

from collections.abc import Callable, Iterator

import pytest

from app.local.emulator import EVERY_SERVICE, emulator
from tests.e2e.engine import Engine, pulumi_cli
from tests.e2e.platform import PlatformInAws, lay_platform
from tests.ministack import MINISTACK, ministack
from tests.stack.loops import closed_loops


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an emulator that no other module writes to: moto, or ministack where it is asked for."""
    is_second = getattr(request, "param", "") == MINISTACK
    with ministack() if is_second else emulator(services=EVERY_SERVICE) as address:
        yield address


@pytest.fixture(scope="module")
def engine(cloud: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The Pulumi CLI with a home, a backend and plugins of its own."""
    engine = Engine(cli=pulumi_cli(), cloud=cloud, home=tmp_path_factory.mktemp("pulumi"))
    yield engine
    engine.plugins.close()


@pytest.fixture(autouse=True)
def summaries(engine: Engine, record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Report what the engine did during a test; tests/conftest.py shows it at the end of the log."""
    yield
    # What a refused operation left behind hangs on the error that the test has just let go.
    with closed_loops():
        pass
    while engine.summaries:
        record_property("pulumi", engine.summaries.pop(0))


@pytest.fixture(scope="module")
def story_infra(cloud: str) -> PlatformInAws:
    """The platform as story-infra would have made it, with its state in S3."""
    return lay_platform(cloud)
