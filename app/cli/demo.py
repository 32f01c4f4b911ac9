"""`story-tts demo`: the main job in one go, on a story that comes along."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.client.submission import JobStatus

CUES_SHOWN = 6
TIMEOUT_SECS = 3600.0


def demo(
    engine: Annotated[
        str, typer.Option(help="Speech engine: espeak, or kokoro with the speech extra.")
    ] = "espeak",
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the media are left.")] = Path(
        "out/demo"
    ),
    voice: Annotated[str | None, typer.Option(help="A voice of `story-tts voices`.")] = None,
) -> None:
    """
    Narrate the story that comes along, through a queue, a worker and a bucket, all on this machine.

    No account, no network, and nothing left behind but the media. Exit codes: 0 narrated; 1 it failed.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from app.aws.objects import Objects
    from app.aws.session import AwsClients
    from app.bootstrap import build_submitter, message_parser
    from app.cli.job_statuses import print_job_statuses, watch
    from app.client.download import download
    from app.local.service import local_service
    from app.local.stories import shipped_story
    from app.settings import Settings

    console = Console()
    name, text = shipped_story()
    with ExitStack() as ending:
        with console.status("starting an embedded AWS and a worker"):
            running = ending.enter_context(local_service(engine=engine, quiet=True))
        running.adopt()
        settings = Settings.read()
        message_parser(settings).check(text=text, voice=voice, speed=None)
        clients = AwsClients(region=settings.region)
        submitter = build_submitter(settings, clients)
        console.print(
            f"submitting {name}, {len(text.split()):,} words, through topic and queue", highlight=False
        )
        submissions = [submitter.submit(text, name=name, voice=voice)]
        job_statuses = watch(submitter, submissions, timeout_secs=TIMEOUT_SECS, quiet=False)
        download(Objects(s3=clients.client("s3")), job_statuses, output)
        print_job_statuses(job_statuses, as_json=False)
    if job_statuses[0].state != "completed":
        raise typer.Exit(1)
    _show(job_statuses[0], output)


def _show(job_status: "JobStatus", output: Path) -> None:
    """Show what came out: the rows, the first cues, the files."""
    import pysubs2
    from rich.console import Console
    from rich.table import Table

    console = Console()
    rows = Table(title="task rows", title_justify="left")
    for column in ("task_id", "type", "status", "duration_seconds", "engine", "voice", "alignment"):
        rows.add_column(column)
    for row in (job_status.audio, job_status.subtitles):
        rows.add_row(*(str(row.get(str(column.header), "")) for column in rows.columns))
    console.print(rows)
    files = sorted(
        path for path in output.iterdir() if path.stem.startswith(Path(job_status.submission.name).stem)
    )
    cues = pysubs2.load(str(next(path for path in files if path.suffix == ".srt")))
    shown = Table(title=f"first of {len(cues)} cues", title_justify="left")
    for column in ("start", "end", "text"):
        shown.add_column(column)
    for cue in cues[:CUES_SHOWN]:
        shown.add_row(f"{cue.start / 1000:.3f}", f"{cue.end / 1000:.3f}", cue.plaintext)
    console.print(shown)
    console.print("files:")
    for path in files:
        console.print(f"  {path}  {path.stat().st_size:,} bytes", highlight=False, soft_wrap=True)
