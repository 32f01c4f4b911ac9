"""Downloads the media of completed stories."""

from collections.abc import Sequence
from pathlib import Path

from app.aws.objects import Objects
from app.client.submission import JobStatus
from app.job import S3Address
from app.media import MEDIA


def download(objects: Objects, job_statuses: Sequence[JobStatus], folder: Path) -> None:
    """
    Download the media of completed stories into `folder`, with file names taken from the stories' names.

    Raises InfrastructureError if S3 does not answer, OSError if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for job_status in job_statuses:
        stem = Path(job_status.submission.name).stem
        for kind in MEDIA:
            row = job_status.row(kind.row)
            if kind.attribute in row:
                address = S3Address.parse(str(row[kind.attribute]))
                objects.download(address, folder / f"{stem}{kind.suffix}")
