"""Follow submitted stories and print their results, for `submit` and `demo`."""

import json
import time
from collections.abc import Sequence

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.console import BAD, GOOD, OPEN, LiteralConsole, literal
from app.client.submission import JobState, JobStatus, Submission, Submitter

POLL_SECS = 1.0


def watch(
    submitter: Submitter, submissions: Sequence[Submission], *, timeout_secs: float, quiet: bool
) -> list[JobStatus]:
    """Show a progress bar per submission until all are over or the time is up; return where each is."""
    deadline = time.monotonic() + timeout_secs
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[percent]:>4}"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    ]
    console = LiteralConsole(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as progress:
        bars = {
            submission: progress.add_task(literal(submission.name), total=None, state="waiting", percent="")
            for submission in submissions
        }
        while True:
            job_statuses = list(submitter.job_statuses(submissions))
            for job_status in job_statuses:
                done = job_status.progress
                progress.update(
                    bars[job_status.submission],
                    # A worker tells its progress with each renewal of its lease; until then it is unknown.
                    total=1.0 if done else None,
                    completed=done,
                    percent=f"{done:.0%}" if done else "",
                    state=job_status.state.value,
                )
            if all(job_status.is_over for job_status in job_statuses) or time.monotonic() > deadline:
                return job_statuses
            time.sleep(POLL_SECS)


def print_job_statuses(job_statuses: Sequence[JobStatus], *, as_json: bool) -> None:
    """Print how each story ended, for people or as one JSON object per line."""
    console = LiteralConsole()
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
            console.print_line(GOOD, f"{job_status.submission.name}: {secs:.1f} s of audio")
            console.print_line(f"  {job_status.submission.audio.id}")
            console.print_line(f"  {job_status.audio['media_url']}")
            console.print_line(f"  {job_status.subtitles['media_url']}")
        elif job_status.state == JobState.FAILED:
            console.print_line(BAD, f"{job_status.submission.name}: {job_status.reason}")
            console.print_line(f"  {job_status.submission.audio.id}")
        else:
            console.print_line(
                OPEN,
                f"{job_status.submission.name}: still {job_status.state.value}; look later with"
                f" story-tts status {job_status.submission.audio.id}",
            )
