"""How submitted stories are followed to their end and shown, by `submit` and `demo`."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.aws.objects import Objects
from app.client.submission import Standing, State, Submission, Submitter
from app.job import S3Address

POLL_SECS = 1.0


def watch(
    submitter: Submitter, submissions: Sequence[Submission], *, timeout_secs: float, quiet: bool
) -> list[Standing]:
    """Follow the submissions with a bar each until all are over or the time is up."""
    deadline = time.monotonic() + timeout_secs
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        bars = {
            submission: progress.add_task(submission.name, total=1.0, state="waiting")
            for submission in submissions
        }
        while True:
            standings = list(submitter.standings(submissions))
            for standing in standings:
                progress.update(
                    bars[standing.submission], completed=standing.progress, state=standing.state.value
                )
            if all(standing.is_over for standing in standings) or time.monotonic() > deadline:
                return standings
            time.sleep(POLL_SECS)


def download(objects: Objects, standings: Sequence[Standing], folder: Path) -> None:
    """Fetch the media of completed stories into `folder`, named after the stories."""
    folder.mkdir(parents=True, exist_ok=True)
    for standing in standings:
        stem = Path(standing.submission.name).stem
        for row, column, suffix in (
            (standing.audio, "media_url", ".wav"),
            (standing.subtitles, "media_url", ".srt"),
            (standing.subtitles, "vtt_url", ".vtt"),
            (standing.subtitles, "words_url", ".words.json"),
        ):
            if column in row:
                address = urlsplit(str(row[column]))
                objects.download(S3Address(address.netloc, address.path[1:]), folder / f"{stem}{suffix}")


def print_standings(standings: Sequence[Standing], *, as_json: bool) -> None:
    """Tell how each story ended, for people or as one JSON object a line."""
    console = Console()
    for standing in standings:
        if as_json:
            figures = {
                "name": standing.submission.name,
                "parent_id": standing.submission.audio.id,
                "state": standing.state.value,
                "audio": standing.audio.get("media_url"),
                "subtitles": standing.subtitles.get("media_url"),
                "error": standing.reason if standing.state == State.FAILED else None,
            }
            typer.echo(json.dumps(figures))
        elif standing.state == State.COMPLETED:
            secs = float(standing.audio["duration_seconds"])
            console.print(
                f"[green]✓[/] {standing.submission.name}: {secs:.1f} s of audio"
                f"\n  {standing.audio['media_url']}\n  {standing.subtitles['media_url']}",
                highlight=False,
                soft_wrap=True,
            )
        elif standing.state == State.FAILED:
            console.print(f"[red]✗[/] {standing.submission.name}: {standing.reason}", highlight=False)
        else:
            console.print(
                f"[yellow]…[/] {standing.submission.name}: still {standing.state.value}; look later with"
                f" story-tts status {standing.submission.audio.id}",
                highlight=False,
                soft_wrap=True,
            )
