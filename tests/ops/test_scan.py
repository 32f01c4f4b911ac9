"""The scan gate: it waits for a result, starts a missing scan, and refuses an image without a result."""

from collections.abc import Iterator
from typing import Any

import pytest

from ops.errors import OpsError
from ops.scan import Scan, scan_image
from tests.ops.servers import serve_json
from tests.stack.policies import actions

IMAGE = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/story-tts@sha256:{'0' * 64}"
COUNTS = {"HIGH": 2, "LOW": 5}


class Ecr:
    """A registry on loopback that gives one answer after another, and then repeats the last."""

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
        """Return the next answer; a scan that is started is pending."""
        self.asked.append(operation)
        if operation == "StartImageScan":
            return 200, {"imageScanStatus": {"status": "PENDING"}}
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecr]:
    """Serve a registry for one test."""
    registry = Ecr()
    with serve_json(
        lambda request: registry.answer(request.headers["X-Amz-Target"].rpartition(".")[2])
    ) as address:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }.items():
            monkeypatch.setenv(name, value)
        yield registry


def scanned(timeout_secs: float = 30) -> Scan:
    """Return the scan of an image, without pauses between requests."""
    return scan_image(IMAGE, region="us-east-1", timeout_secs=timeout_secs, poll_secs=0)


def test_a_scan_that_runs_is_waited_for(ecr: Ecr) -> None:
    """The counts are those of the finished scan, worst first; the gate compares severities."""
    ecr.says("IN_PROGRESS").says("COMPLETE", imageScanFindings={"findingSeverityCounts": COUNTS})
    found = scanned()

    assert str(found) == "2 high, 5 low"
    assert len(ecr.asked) == 2
    found.require(below="CRITICAL")
    with pytest.raises(OpsError, match="2 findings of severity high or worse"):
        found.require(below="HIGH")


def test_an_image_that_was_never_scanned_is_scanned_now(ecr: Ecr) -> None:
    """The scan is started once, and its result is waited for."""
    ecr.refuses("ScanNotFoundException").says("COMPLETE", imageScanFindings={})

    assert str(scanned()) == "no findings"
    assert ecr.asked == ["DescribeImageScanFindings", "StartImageScan", "DescribeImageScanFindings"]
    assert {f"ecr:{operation}" for operation in ecr.asked} <= actions("deploy")


@pytest.mark.parametrize("status", ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED"])
def test_an_image_without_a_result_is_refused(ecr: Ecr, status: str) -> None:
    """A scan that failed is never taken for one without findings."""
    ecr.says(status)
    scan = scanned()

    assert str(scan) == f"no result: {status.lower()}"
    with pytest.raises(OpsError, match=f"not scanned \\({status.lower()}\\)"):
        scan.require(below="CRITICAL")


def test_a_scan_that_does_not_end_is_refused(ecr: Ecr) -> None:
    """After the timeout there is no result, and the gate stays closed."""
    ecr.says("IN_PROGRESS")

    with pytest.raises(OpsError, match="still in_progress after 0 s"):
        scanned(timeout_secs=0).require(below="CRITICAL")


def test_an_error_of_the_registry_is_one_line(ecr: Ecr) -> None:
    """A missing repository is named by AWS's error."""
    ecr.refuses("RepositoryNotFoundException")

    with pytest.raises(OpsError, match="answered RepositoryNotFoundException"):
        scanned()


def test_an_image_by_tag_is_refused() -> None:
    """A tag could be moved between the deployment and the scan."""
    with pytest.raises(OpsError, match="does not name an image by its digest"):
        scan_image("host/story-tts:latest", region="us-east-1", timeout_secs=1)
