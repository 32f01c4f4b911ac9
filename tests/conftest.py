"""What tests of both packages share: an embedded AWS over real HTTP, with resources of each test's own."""

from collections.abc import Iterator
from uuid import uuid4

import boto3
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from app.local.emulator import EVERY_SERVICE, emulator
from app.local.platform import Platform, create_platform, emulators_session
from tests import logs
from tests.ministack import MINISTACK, ministack
from tests.models import IMPORT_MODELS

STACK = "tests/stack/"
LONGEST = (
    "tests/chaos/",
    "tests/ops/test_jobs.py",
    *IMPORT_MODELS,
    STACK,
    "tests/e2e/",
    "tests/app/worker/test_worker.py",
)
"""The files that take minutes, longest first."""


class _FileScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file's tests run in one process; so do all that import PyTorch, and all that record the stack."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "speech" if file in IMPORT_MODELS else STACK if file.startswith(STACK) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Schedule `--dist loadfile` by the class above."""
    return _FileScheduling(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest files, so that no process is left alone with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def rank(item: pytest.Item) -> tuple[int, bool]:
        longest = [number for number, start in enumerate(LONGEST) if item.nodeid.startswith(start)]
        return (longest or [len(LONGEST)])[0], item.path not in slow

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def no_log_tells_a_story() -> Iterator[None]:
    """Whatever a test is about: the logs of its workers hold no story's text and no secret."""
    logs.found.clear()
    yield
    assert logs.found == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the Pulumi engine did, in the order of the tests' ends; reports travel between processes."""
    ended = [report for reports in terminalreporter.stats.values() for report in reports]
    ended = [report for report in ended if getattr(report, "when", "") == "teardown"]
    if lines := [line for report in ended for name, line in report.user_properties if name == "pulumi"]:
        terminalreporter.section("what the Pulumi engine did")
        terminalreporter.write_line("\n".join(lines))


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """The address of an embedded AWS that lives as long as the test session."""
    with emulator(services=EVERY_SERVICE) as address:
        yield address


@pytest.fixture(scope="session")
def session() -> boto3.session.Session:
    """One session for all tests: what each would read anew is a quarter of a second of JSON."""
    return emulators_session()


@pytest.fixture(scope="session")
def second_aws() -> Iterator[str]:
    """The address of a ministack that lives as long as the test session."""
    with ministack() as address:
        yield address


@pytest.fixture
def endpoint_url(request: pytest.FixtureRequest) -> str:
    """The address of ministack for a test with the parameter MINISTACK, otherwise of moto."""
    callspec = getattr(request.node, "callspec", None)
    is_second = callspec is not None and MINISTACK in callspec.params.values()
    return str(request.getfixturevalue("second_aws" if is_second else "aws"))


@pytest.fixture
def platform(endpoint_url: str, session: boto3.session.Session, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Queue, dead letters, topic, table and bucket for one test, and the environment that names them."""
    made = create_platform(endpoint_url, suffix=f"-{uuid4().hex[:12]}", session=session)
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    return made
