"""Downloads the media of completed stories."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from app.aws.objects import Objects
from app.client.submission import JobStatus
from app.job import S3Address
from app.media import AUDIO, AUDIO_FORMATS, PRIMARY_ATTRIBUTE, SUBTITLE_MEDIA, WORDS, MediaKind, TaskRow
from app.publishing.page import PlayedAudio, story_page
from app.speech.registry import language_of
from app.text.readers.base import StoryText


def download(objects: Objects, job_statuses: Sequence[JobStatus], folder: Path) -> None:
    """
    Download the media of completed stories into `folder`, with file names taken from the stories' names.

    Raises InfrastructureError if S3 does not answer, OSError if a file cannot be written.
    """
    for job_status in job_statuses:
        download_story(objects, job_status, folder, stem=Path(job_status.submission.name).stem)


def download_story(
    objects: Objects, job_status: JobStatus, folder: Path, *, stem: str
) -> dict[MediaKind, Path]:
    """
    Download the media of one story into `folder` as STEM with their suffixes, and return their paths.

    A story that is not completed has none. Raises as `download`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    media: dict[MediaKind, Path] = {}
    for kind, address in _media(job_status):
        media[kind] = folder / f"{stem}{kind.suffix}"
        objects.download(address, media[kind])
    return media


def downloaded_page(
    media: Mapping[MediaKind, Path],
    folder: Path,
    *,
    job_status: JobStatus,
    stem: str,
    text: str | None = None,
) -> Path:
    """Write the page to listen and read along for media that were downloaded; return its path."""
    audio = [
        PlayedAudio(path.name, kind.content_type) for kind, path in media.items() if kind.row is TaskRow.AUDIO
    ]
    row = job_status.audio
    return story_page(
        media[WORDS],
        audio,
        folder,
        stem=stem,
        language=language_of(str(row["engine"]), str(row["voice"])),
        source=StoryText(text=text) if text is not None else None,
    )


def _media(job_status: JobStatus) -> Iterator[tuple[MediaKind, S3Address]]:
    """Yield the kind and the address of each object that the rows name."""
    for attribute in (PRIMARY_ATTRIBUTE, *(f"{name}_url" for name in AUDIO_FORMATS)):
        if url := job_status.audio.get(attribute):
            address = S3Address.parse(str(url))
            # The audio of a direct job may have any suffix, or none.
            yield AUDIO_FORMATS.get(Path(address.key).suffix.lstrip("."), AUDIO), address
    for kind in SUBTITLE_MEDIA:
        if url := job_status.subtitles.get(kind.attribute):
            yield kind, S3Address.parse(str(url))
