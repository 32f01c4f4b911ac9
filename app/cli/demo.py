"""`story-tts demo`: narrate the shipped story through the whole service on this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.voices import DEFAULT_ENGINE, EngineOption, VoiceOption
from app.media import SRT, MediaKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.client.submission import JobStatus

CUES_SHOWN = 6
ROW_SHOWN = ("task_id", "type", "status", "duration_seconds", "engine", "voice", "alignment")
TIMEOUT_SECS = 3600.0


def demo(
    engine: EngineOption = DEFAULT_ENGINE,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the media.")] = Path("out/demo"),
    voice: VoiceOption = None,
) -> None:
    """
    Narrate the bundled story through a queue, a worker and a bucket on this machine.

    Needs no account and no network, and leaves only the media behind.

    Exit codes: 0 success; 1 the narration failed.
    """
    from contextlib import ExitStack

    from app.aws.objects import Objects
    from app.aws.session import AwsClients
    from app.bootstrap import build_submitter, message_parser
    from app.cli.console import LiteralConsole
    from app.cli.job_statuses import print_job_statuses, watch
    from app.cli.signals import interruptible
    from app.client.download import download_story, downloaded_page
    from app.local.service import local_service
    from app.local.stories import shipped_story
    from app.settings import Settings

    console = LiteralConsole()
    name, text = shipped_story()
    with interruptible(), ExitStack() as stack:
        with console.status("starting an embedded AWS and a worker"):
            running = stack.enter_context(local_service(engine=engine, quiet=True))
        running.adopt()
        settings = Settings.read()
        message_parser(settings).check(text=text, voice=voice, speed=None)
        clients = AwsClients(region=settings.region)
        submitter = build_submitter(settings, clients)
        console.print_line(f"submitting {name}, {len(text.split()):,} words, through topic and queue")
        submissions = [submitter.send(submitter.prepare(text, name=name, voice=voice))]
        job_statuses = watch(submitter, submissions, timeout_secs=TIMEOUT_SECS, quiet=False)
        (job_status,) = job_statuses
        stem = Path(name).stem
        media = download_story(Objects(s3=clients.client("s3")), job_status, output, stem=stem)
        print_job_statuses(job_statuses, as_json=False)
    if job_status.state != "completed":
        raise typer.Exit(1)
    page = downloaded_page(media, output, job_status=job_status, stem=stem, text=text)
    _show(job_status, media, page)


def _show(job_status: "JobStatus", media: "Mapping[MediaKind, Path]", page: Path) -> None:
    """Print the rows, the first cues and the files."""
    import pysubs2
    from rich.table import Table

    from app.cli.console import LiteralConsole

    console = LiteralConsole()
    console.print_line("\ntask rows:")
    for row in (job_status.audio, job_status.subtitles):
        console.print_record({name: row[name] for name in ROW_SHOWN if name in row})
        console.line()
    cues = pysubs2.load(str(media[SRT]))
    shown = Table("start", "end", "text", title=f"first of {len(cues)} cues", title_justify="left")
    for cue in cues[:CUES_SHOWN]:
        shown.add_row(f"{cue.start / 1000:.3f}", f"{cue.end / 1000:.3f}", cue.plaintext)
    console.print(shown)
    console.print_line("files:")
    for path in (*media.values(), page):
        console.print_line(f"  {path}  {path.stat().st_size:,} bytes")
    console.print_line(f"\nopen {page} in a browser to listen and read along")
