"""`story-tts submit`: send stories to the queue as the producer does, and follow them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.pronounce import LexiconOption
from app.cli.speak import SPEED_HELP, STORIES_HELP, BoilerplateOption, parse_speed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.client.submission import PreparedJob, Submission, Submitter
    from app.message import MessageParser
    from app.text.readers.base import StoryText
    from app.text.readers.files import StoryFile


def submit(  # noqa: PLR0917  # options, which typer passes by name
    stories: Annotated[list[str], typer.Argument(help=STORIES_HELP)],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the stories are narrated.")] = False,
    download: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Wait, then download the media into DIR.")
    ] = None,
    voice: Annotated[str | None, typer.Option(help="Voice, as listed by `story-tts voices`.")] = None,
    speed: Annotated[
        float | None, typer.Option(parser=parse_speed, metavar="NUMBER", help=SPEED_HELP)
    ] = None,
    alignment: Annotated[
        bool | None,
        typer.Option("--alignment/--no-alignment", help="Time words by forced alignment, or by the engine."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="FORMAT", help="Audio format: wav, opus, mp3 or flac. Repeat it for several."
        ),
    ] = None,
    lexicon: LexiconOption = None,
    group: Annotated[
        str | None,
        typer.Option(help="Group of the jobs, such as a customer: SQS delivers the groups in fair turns."),
    ] = None,
    keep_boilerplate: BoilerplateOption = False,
    timeout: Annotated[float, typer.Option(help="Maximum number of seconds to wait.")] = 3600.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per story.")] = False,
) -> None:
    """
    Send stories to a running service: create their task rows and publish their jobs.

    Exit codes: 0 all stories sent (with `--wait`, narrated); 1 a story cannot be read or sent, failed or
    timed out; 2 wrong usage or settings.
    """
    from app.aws.objects import Objects
    from app.aws.session import AwsClients
    from app.bootstrap import build_submitter, message_parser
    from app.cli.job_statuses import print_job_statuses, watch
    from app.client.download import download as fetch
    from app.settings import Settings
    from app.text.lexicon_files import read_lexicon
    from app.text.readers.base import NARRATED_SUFFIX
    from app.text.readers.files import story_files

    options = {
        "voice": voice,
        "speed": speed,
        "use_alignment": alignment,
        "formats": formats,
        "group": group,
        "pronunciations": dict(read_lexicon(lexicon).entries) if lexicon else None,
    }
    settings = Settings.read()
    parser = message_parser(settings)
    clients = AwsClients(region=settings.region)
    submitter = build_submitter(settings, clients)
    # All stories are checked before one of them is sent.
    sources = {story.name: _read(story, keep_boilerplate) for story in story_files(stories)}
    jobs = [_prepared(name, source.text, parser, submitter, options) for name, source in sources.items()]
    is_watched = wait or download is not None
    submissions = _send(jobs, submitter, is_watched=is_watched, as_json=as_json)
    if not is_watched:
        return
    try:
        job_statuses = watch(submitter, submissions, timeout_secs=timeout, quiet=as_json)
    except KeyboardInterrupt:
        if as_json:
            _print_submissions(submissions, as_json=True)
        raise
    if download is not None:
        fetch(Objects(s3=clients.client("s3")), job_statuses, download)
        for name, source in sources.items():
            if source.is_extracted:
                (download / f"{Path(name).stem}{NARRATED_SUFFIX}").write_bytes(source.text.encode())
    print_job_statuses(job_statuses, as_json=as_json)
    if download is not None and not as_json:
        typer.echo(f"downloaded to {download}")
    raise typer.Exit(0 if all(job_status.state == "completed" for job_status in job_statuses) else 1)


def _read(story: "StoryFile", keep_boilerplate: bool) -> "StoryText":
    """Return the text of a story, and print what was left out. Raises RefusedTextError."""
    from app.cli.console import LiteralConsole
    from app.errors import RefusedTextError

    try:
        source = story.read(keep_boilerplate=keep_boilerplate)
    except RefusedTextError as error:
        raise RefusedTextError(f"{story.name}: {error.message}") from error
    for note in source.notes:
        LiteralConsole(stderr=True).print_line(f"note: {story.name}: {note}")
    return source


def _prepared(
    name: str, text: str, parser: "MessageParser", submitter: "Submitter", options: "Mapping[str, Any]"
) -> "PreparedJob":
    """
    Return the job of a story, checked as the queue and the worker would.

    Raises ConfigurationError for a wrong option, RefusedTextError for a text that is refused.
    """
    from app.errors import ConfigurationError, InvalidMessageError, RefusedTextError, UnknownVoiceError

    try:
        parser.check(
            text=text,
            voice=options["voice"],
            speed=options["speed"],
            formats=options["formats"] or ["wav"],
            pronunciations=options["pronunciations"],
        )
        return submitter.prepare(text, name=name, **options)
    except UnknownVoiceError as error:
        raise ConfigurationError(f"{name}: {error.message}") from error
    except InvalidMessageError as error:
        kind = ConfigurationError if error.field in options else RefusedTextError
        raise kind(f"{name}: {error.message}") from error


def _send(
    jobs: "Sequence[PreparedJob]", submitter: "Submitter", *, is_watched: bool, as_json: bool
) -> "list[Submission]":
    """Send the jobs. If that ends early, print the ids of those that were sent."""
    submissions: list[Submission] = []
    try:
        for job in jobs:
            submissions.append(submitter.send(job))  # noqa: PERF401  # kept where a later one fails
    finally:
        # With --json, a story that is waited for has its id in the object that is printed at the end.
        if not (is_watched and as_json) or len(submissions) < len(jobs):
            _print_submissions(submissions, as_json=as_json)
    return submissions


def _print_submissions(submissions: "Sequence[Submission]", *, as_json: bool) -> None:
    import json

    from app.cli.console import LiteralConsole

    console = LiteralConsole()
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
            console.print_line(f"{submission.name}: sent as {submission.audio.id}")
    if submissions and not as_json:
        console.print_line(f"follow with `story-tts status {submissions[-1].audio.id}`")
