"""The result of ECR's scan of an image. The gate refuses findings, and an image without a result."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.aws import aws_client, error_code
from ops.errors import OpsError

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")
"""Worst first, as ECR names them."""
# A registry with enhanced scanning answers ACTIVE: its findings are updated continuously.
_COMPLETE = {"COMPLETE", "ACTIVE"}
_FAILED = {"FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE"}
POLL_SECS = 5.0


@dataclass(frozen=True, slots=True)
class Scan:
    """The number of findings per severity; `failure` says why there is no result."""

    counts: Mapping[str, int]
    failure: str = ""

    def require(self, *, below: str) -> None:
        """Raise OpsError if there is no result, or a finding of severity `below` or worse."""
        if self.failure:
            raise OpsError(f"the image was not scanned ({self.failure}), so it is not accepted")
        refused = SEVERITIES[: SEVERITIES.index(below) + 1]
        if number := sum(self.counts.get(severity, 0) for severity in refused):
            raise OpsError(f"{number} findings of severity {below.lower()} or worse: see the image in ECR")

    def __str__(self) -> str:
        if self.failure:
            return f"no result: {self.failure}"
        parts = [f"{self.counts[name]} {name.lower()}" for name in SEVERITIES if self.counts.get(name)]
        return ", ".join(parts) or "no findings"


def scan_image(image: str, *, region: str, timeout_secs: float, poll_secs: float = POLL_SECS) -> Scan:
    """
    Return the scan of `image`, `host/repository@digest`, and wait for one that is still running.

    Starts a scan if there is none, as for images from before scan on push. Raises OpsError on AWS errors.
    """
    repository, _, digest = image.partition("/")[2].partition("@")
    if not digest:
        raise OpsError(f"{image} does not name an image by its digest")
    target = {"repositoryName": repository, "imageId": {"imageDigest": digest}}
    deadline = time.monotonic() + timeout_secs
    with aws_client("ecr", region=region) as ecr:
        while True:
            answer = _describe(ecr, target)
            scan_status = answer.get("imageScanStatus", {})
            status = str(scan_status.get("status", "PENDING"))
            if status in _COMPLETE:
                return Scan(answer.get("imageScanFindings", {}).get("findingSeverityCounts", {}))
            if status in _FAILED:
                return Scan({}, failure=str(scan_status.get("description") or status.lower()))
            if time.monotonic() > deadline:
                return Scan({}, failure=f"still {status.lower()} after {timeout_secs:g} s")
            time.sleep(poll_secs)


def _describe(ecr: Any, target: Mapping[str, Any]) -> dict[str, Any]:
    """Return ECR's answer; an empty one if it has just been asked to scan the image."""
    try:
        answer: dict[str, Any] = ecr.describe_image_scan_findings(**target, maxResults=1)
    except ClientError as error:
        if error_code(error) != "ScanNotFoundException":
            raise
        _start(ecr, target)
        return {}
    return answer


def _start(ecr: Any, target: Mapping[str, Any]) -> None:
    try:
        ecr.start_image_scan(**target)
    except ClientError as error:
        # ECR scans an image once a day at most; the scan on push of a new image counts.
        if error_code(error) != "LimitExceededException":
            raise
