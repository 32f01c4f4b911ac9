"""Downloads the media of completed stories."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.aws.objects import Objects
from app.client.submission import JobStatus
from app.job import S3Address
from app.media import AUDIO_FORMATS, PRIMARY_ATTRIBUTE, SUBTITLE_MEDIA


def download(objects: Objects, job_statuses: Sequence[JobStatus], folder: Path) -> None:
    """
    Download the media of completed stories into `folder`, with file names taken from the stories' names.

    Raises InfrastructureError if S3 does not answer, OSError if a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for job_status in job_statuses:
        stem = Path(job_status.submission.name).stem
        for address, suffix in _media(job_status):
            objects.download(address, folder / f"{stem}{suffix}")


def _media(job_status: JobStatus) -> Iterator[tuple[S3Address, str]]:
    """Yield the address and the suffix of each object that the rows name."""
    for kind in SUBTITLE_MEDIA:
        if url := job_status.subtitles.get(kind.attribute):
            yield S3Address.parse(str(url)), kind.suffix
    for attribute in (PRIMARY_ATTRIBUTE, *(f"{name}_url" for name in AUDIO_FORMATS)):
        if url := job_status.audio.get(attribute):
            address = S3Address.parse(str(url))
            yield address, Path(address.key).suffix
