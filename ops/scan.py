"""What ECR's scan found in an image, told before the image goes on."""

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ops.errors import DeliveryError

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED")
# ACTIVE is the answer of a registry with enhanced scanning, whose results keep coming.
_DONE = {"COMPLETE", "ACTIVE"}
_FAILED = {"FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE"}
POLL_SECS = 5.0


@dataclass(frozen=True, slots=True)
class Scan:
    """How many findings there are of each severity; `failed` says why there is no result."""

    counts: Mapping[str, int]
    failed: str = ""

    def at_least(self, severity: str) -> int:
        """Return how many findings are of `severity` or worse."""
        worse = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return sum(self.counts.get(name, 0) for name in worse)

    def __str__(self) -> str:
        if self.failed:
            return f"no result: {self.failed}"
        told = [f"{self.counts[name]} {name.lower()}" for name in SEVERITIES if self.counts.get(name)]
        return ", ".join(told) or "no findings"


def scan_of(image: str, *, region: str, timeout_secs: float, poll_secs: float = POLL_SECS) -> Scan:
    """
    Return what the scan of `image`, `host/repository@digest`, found, waiting for one that still runs.

    An image without a scan, as one from before scan on push, is scanned now. Raises DeliveryError where AWS
    refuses.
    """
    repository, _, digest = image.partition("/")[2].partition("@")
    if not digest:
        raise DeliveryError(f"{image} is no image by digest")
    where = {"repositoryName": repository, "imageId": {"imageDigest": digest}}
    with closing(boto3.client("ecr", region_name=region)) as ecr:
        return _waited_for(ecr, where, timeout_secs=timeout_secs, poll_secs=poll_secs)


def _waited_for(ecr: Any, where: Mapping[str, Any], *, timeout_secs: float, poll_secs: float) -> Scan:
    deadline = time.monotonic() + timeout_secs
    while True:
        answer = _asked(ecr, where)
        status = str(answer.get("imageScanStatus", {}).get("status", "PENDING"))
        if status in _DONE:
            return Scan(answer.get("imageScanFindings", {}).get("findingSeverityCounts", {}))
        if status in _FAILED:
            return Scan({}, failed=str(answer["imageScanStatus"].get("description") or status.lower()))
        if time.monotonic() > deadline:
            return Scan({}, failed=f"still {status.lower()} after {timeout_secs:g} s")
        time.sleep(poll_secs)


def _asked(ecr: Any, where: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = ecr.describe_image_scan_findings(**where, maxResults=1)
    except ClientError as error:
        if _code(error) != "ScanNotFoundException":
            raise DeliveryError(f"ecr: DescribeImageScanFindings answered {_code(error)}") from error
        _start(ecr, where)
        return {}
    return answer


def _start(ecr: Any, where: Mapping[str, Any]) -> None:
    try:
        ecr.start_image_scan(**where)
    except ClientError as error:
        # Once a day an image is scanned, and one that was just pushed is about to be.
        if _code(error) != "LimitExceededException":
            raise DeliveryError(f"ecr: StartImageScan answered {_code(error)}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
