"""`story-tts submit`: send stories to the queue as a producer does, and follow them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.client.submission import Submission
    from app.message import MessageParser
    from app.text.readers import StoryFile


def submit(  # noqa: PLR0917  # options, which typer passes by name
    stories: Annotated[list[str], typer.Argument(help="UTF-8 text files; - for standard input.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the stories are narrated.")] = False,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Wait, then download the media into DIR.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="Voice, as listed by `story-tts voices`.")] = None,
    speed: Annotated[float | None, typer.Option(help="Speed of speech, 0.5 to 2.0.")] = None,
    alignment: Annotated[
        bool | None,
        typer.Option("--alignment/--no-alignment", help="Time words by forced alignment, or by the engine."),
    ] = None,
    timeout: Annotated[float, typer.Option(help="Maximum number of seconds to wait.")] = 3600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per story.")] = False,
) -> None:
    """
    Send stories to a running service: create their task rows and publish their jobs.

    Exit codes: 0 all stories sent (with `--wait`, narrated); 1 a story failed or timed out; 2 wrong usage
    or settings.
    """
    from app.aws.objects import Objects
    from app.aws.session import AwsClients
    from app.bootstrap import build_submitter, message_parser
    from app.cli.job_statuses import print_job_statuses, watch
    from app.client.download import download as fetch
    from app.settings import Settings
    from app.text.readers import story_files

    settings = Settings.read()
    contract = message_parser(settings)
    clients = AwsClients(region=settings.region)
    submitter = build_submitter(settings, clients)
    texts = {story.name: _checked(story, contract, voice, speed) for story in story_files(stories)}
    submissions = [
        submitter.submit(text, name=name, voice=voice, speed=speed, use_alignment=alignment)
        for name, text in texts.items()
    ]
    if not wait and download is None:
        _print_submissions(submissions, as_json=as_json)
        return
    job_statuses = watch(submitter, submissions, timeout_secs=timeout, quiet=as_json)
    if download is not None:
        fetch(Objects(s3=clients.client("s3")), job_statuses, download)
    print_job_statuses(job_statuses, as_json=as_json)
    raise typer.Exit(0 if all(job_status.state == "completed" for job_status in job_statuses) else 1)


def _checked(story: "StoryFile", contract: "MessageParser", voice: str | None, speed: float | None) -> str:
    """Return the story's text. Raises ConfigurationError if the worker would refuse it."""
    from app.errors import ConfigurationError, PermanentJobError

    try:
        text = story.text()
        contract.check(text=text, voice=voice, speed=speed)
    except PermanentJobError as error:
        raise ConfigurationError(f"{story.name}: {error.message}") from error
    return text


def _print_submissions(submissions: "Sequence[Submission]", *, as_json: bool) -> None:
    import json

    from app.cli.console import LiteralConsole

    for submission in submissions:
        ids = {
            "name": submission.name,
            "parent_id": submission.audio.id,
            "tts_task_id": submission.audio.task_id,
            "srt_task_id": submission.subtitles.task_id,
        }
        if as_json:
            typer.echo(json.dumps(ids))
        else:
            parent_id = submission.audio.id
            LiteralConsole().print_line(
                f"{submission.name}: sent as {parent_id}   (story-tts status {parent_id})"
            )
