"""What ECR's scan came to: waited for, started where there was none, and never taken for clean."""

from collections.abc import Iterator
from typing import Any

import pytest

from ops.errors import DeliveryError
from ops.scan import Scan, scan_of
from tests.ops.loopback import answering
from tests.stack.policies import actions

IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/story-tts@sha256:{'0' * 64}"
COUNTS = {"HIGH": 2, "LOW": 5}


class Ecr:
    """A registry on loopback that gives one answer after another, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.asked: list[str] = []

    def says(self, status: str, **more: Any) -> "Ecr":
        """Add an answer about a scan."""
        self.answers.append((200, {"imageScanStatus": {"status": status}, **more}))
        return self

    def refuses(self, code: str) -> "Ecr":
        """Add a refusal."""
        self.answers.append((400, {"__type": code}))
        return self

    def answer(self, operation: str) -> tuple[int, dict[str, Any]]:
        """Return the next answer; a scan that is started is one that waits."""
        self.asked.append(operation)
        if operation == "StartImageScan":
            return 200, {"imageScanStatus": {"status": "PENDING"}}
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecr]:
    """Serve a registry for one test."""
    registry = Ecr()
    with answering(
        lambda question: registry.answer(question.headers["X-Amz-Target"].rpartition(".")[2])
    ) as address:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }.items():
            monkeypatch.setenv(name, value)
        yield registry


def scanned(timeout_secs: float = 30) -> Scan:
    """Ask for the scan of an image, without pauses between questions."""
    return scan_of(IMAGE, region="us-east-1", timeout_secs=timeout_secs, poll_secs=0)


def test_a_scan_that_runs_is_waited_for(ecr: Ecr) -> None:
    """The counts are those of the finished scan, worst first."""
    ecr.says("IN_PROGRESS").says("COMPLETE", imageScanFindings={"findingSeverityCounts": COUNTS})
    found = scanned()

    assert (str(found), found.at_least("HIGH"), found.at_least("CRITICAL")) == ("2 high, 5 low", 2, 0)
    assert len(ecr.asked) == 2


def test_an_image_that_was_never_scanned_is_scanned_now(ecr: Ecr) -> None:
    """The scan is started once, and then waited for."""
    ecr.refuses("ScanNotFoundException").says("COMPLETE", imageScanFindings={})

    assert str(scanned()) == "no findings"
    assert ecr.asked == ["DescribeImageScanFindings", "StartImageScan", "DescribeImageScanFindings"]
    assert {f"ecr:{operation}" for operation in ecr.asked} <= actions("deploy")


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED"])
def test_no_result_is_never_told_as_no_findings(ecr: Ecr, status: str) -> None:
    """What was not scanned says so."""
    ecr.says(status)

    assert str(scanned()) == f"no result: {status.lower()}"


def test_a_scan_that_does_not_end_is_told_as_such(ecr: Ecr) -> None:
    """After the time that was given, the summary says that there is no result yet."""
    ecr.says("IN_PROGRESS")

    assert str(scanned(timeout_secs=0)) == "no result: still in_progress after 0 s"


def test_what_the_registry_refuses_fails_the_step(ecr: Ecr) -> None:
    """A repository that is not there is a fault of the deployment, told in one line."""
    ecr.refuses("RepositoryNotFoundException")

    with pytest.raises(DeliveryError, match="answered RepositoryNotFoundException"):
        scanned()


def test_an_image_by_tag_is_refused() -> None:
    """A tag can move between the deployment and the question."""
    with pytest.raises(DeliveryError, match="no image by digest"):
        scan_of("host/story-tts:latest", region="us-east-1", timeout_secs=1)
