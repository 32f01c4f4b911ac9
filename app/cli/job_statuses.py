"""How submitted stories are followed to their end and shown, by `submit` and `demo`."""

import json
import time
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.client.submission import JobState, JobStatus, Submission, Submitter

POLL_SECS = 1.0


def watch(
    submitter: Submitter, submissions: Sequence[Submission], *, timeout_secs: float, quiet: bool
) -> list[JobStatus]:
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
            job_statuses = list(submitter.job_statuses(submissions))
            for job_status in job_statuses:
                progress.update(
                    bars[job_status.submission], completed=job_status.progress, state=job_status.state.value
                )
            if all(job_status.is_over for job_status in job_statuses) or time.monotonic() > deadline:
                return job_statuses
            time.sleep(POLL_SECS)


def print_job_statuses(job_statuses: Sequence[JobStatus], *, as_json: bool) -> None:
    """Tell how each story ended, for people or as one JSON object a line."""
    console = Console()
    for job_status in job_statuses:
        if as_json:
            figures = {
                "name": job_status.submission.name,
                "parent_id": job_status.submission.audio.id,
                "state": job_status.state.value,
                "audio": job_status.audio.get("media_url"),
                "subtitles": job_status.subtitles.get("media_url"),
                "error": job_status.reason if job_status.state == JobState.FAILED else None,
            }
            typer.echo(json.dumps(figures))
        elif job_status.state == JobState.COMPLETED:
            secs = float(job_status.audio["duration_seconds"])
            console.print(
                f"[green]✓[/] {job_status.submission.name}: {secs:.1f} s of audio"
                f"\n  {job_status.audio['media_url']}\n  {job_status.subtitles['media_url']}",
                highlight=False,
                soft_wrap=True,
            )
        elif job_status.state == JobState.FAILED:
            console.print(f"[red]✗[/] {job_status.submission.name}: {job_status.reason}", highlight=False)
        else:
            console.print(
                f"[yellow]…[/] {job_status.submission.name}: still {job_status.state.value}; look later with"
                f" story-tts status {job_status.submission.audio.id}",
                highlight=False,
                soft_wrap=True,
            )
