"""`story-tts list`, `cancel` and `download`: the stories in the task table, each by its id."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from app.aws.rows import Row
    from app.aws.session import AwsClients
    from app.aws.tasks import Tasks
    from app.settings import Settings

NO_SUCH_STORY = 4
_SHOWN = ("status", "progress", "duration_seconds", "date_updated", "error_code", "source_prompt")
_PROMPT_CHARACTERS = 60

ParentId = Annotated[str, typer.Argument(help="Id of the story.", show_default=False)]


def list_stories(
    status: Annotated[
        str | None, typer.Option(help="Only stories with this status, such as PENDING or FAILED.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the latest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per story.")] = False,
) -> None:
    """
    List the stories in the task table, the latest first. Reads the whole table.

    Exit codes: 0 success; 2 wrong usage or settings.
    """
    import heapq
    import json

    from app.cli.console import LiteralConsole

    tasks, table = _tasks()
    rows = (row for row in tasks.audio_rows() if status is None or row.get("status") == status.upper())
    latest = heapq.nlargest(limit, rows, key=lambda row: str(row.get("date_updated", "")))
    if as_json:
        for row in latest:
            typer.echo(json.dumps(row, default=float))
        return
    console = LiteralConsole()
    for row in latest:
        console.print_line(str(row["id"]))
        console.print_record(_fields(row))
    if not latest:
        typer.echo(f"no stories in table {table}", err=True)


def cancel(parent_id: ParentId) -> None:
    """
    Cancel a story that is not completed. A worker that is narrating it stops.

    Exit codes: 0 cancelled; 1 completed already; 2 wrong usage or settings; 4 no such story.
    """
    from app.cli.console import literal
    from app.job import RowKey

    tasks, table = _tasks()
    rows = tasks.rows_of(parent_id)
    if not rows:
        _no_such_story(parent_id, table)
    tasks.cancel_rows(*(RowKey(str(row["id"]), str(row["task_id"])) for row in rows))
    states = {str(row.get("status")) for row in tasks.rows_of(parent_id)}
    if states != {"CANCELLED"}:
        typer.echo(literal(f"{parent_id} is {', '.join(sorted(states))} and stays so"), err=True)
        raise typer.Exit(1)
    typer.echo(literal(f"{parent_id} is cancelled"))


def download(
    parent_id: ParentId,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the media.")
    ] = Path(),
) -> None:
    """
    Download the media of a narrated story, as PARENT_ID.wav, .srt and so on.

    Exit codes: 0 success; 1 the story is not completed; 2 wrong usage or settings; 4 no such story.
    """
    _download(parent_id, output, with_page=False)


def listen(
    parent_id: ParentId,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the media.")
    ] = Path(),
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """
    Download a narrated story and write PARENT_ID.html, a page to listen and read along.

    Exit codes: 0 success; 1 the story is not completed; 2 wrong usage or settings; 4 no such story.
    """
    import webbrowser

    page = _download(parent_id, output, with_page=True)
    if open_page and not webbrowser.open(page.resolve().as_uri()):
        typer.echo("no browser was found: open the page yourself", err=True)


def _tasks() -> "tuple[Tasks, str]":
    from app.bootstrap import task_table

    settings, clients = _service()
    return task_table(settings, clients), settings.table


def _service() -> "tuple[Settings, AwsClients]":
    from app.aws.session import AwsClients
    from app.settings import Settings

    settings = Settings.read()
    return settings, AwsClients(region=settings.region)


def _no_such_story(parent_id: str, table: str) -> NoReturn:
    from app.cli.console import literal

    typer.echo(literal(f"no task rows under {parent_id} in table {table}"), err=True)
    raise typer.Exit(NO_SUCH_STORY)


def _fields(row: "Row") -> dict[str, object]:
    fields = {name: row[name] for name in _SHOWN if name in row}
    if prompt := str(fields.pop("source_prompt", "")):
        first = " ".join(prompt.split())
        fields["text"] = first if len(first) <= _PROMPT_CHARACTERS else f"{first[:_PROMPT_CHARACTERS]}…"
    return fields


def _download(parent_id: str, output: Path, *, with_page: bool) -> Path:
    """Download a story and print the paths of its files; return the last one."""
    from app.aws.objects import Objects
    from app.bootstrap import task_table
    from app.cli.console import LiteralConsole, literal
    from app.client.download import download_story, downloaded_page
    from app.client.stories import find_story
    from app.client.submission import JobState

    settings, clients = _service()
    story = find_story(task_table(settings, clients), parent_id)
    if story is None:
        _no_such_story(parent_id, settings.table)
    if story.state is not JobState.COMPLETED or not story.subtitles:
        state = story.state.value if story.subtitles else "without subtitles"
        typer.echo(literal(f"{parent_id} is {state}; look at it with `story-tts status`"), err=True)
        raise typer.Exit(1)
    objects = Objects(s3=clients.client("s3"))
    media = download_story(objects, story, output, stem=parent_id)
    files = list(media.values())
    if with_page:
        files.append(downloaded_page(media, output, job_status=story, stem=parent_id))
    console = LiteralConsole()
    for path in files:
        console.print_line(str(path))
    return files[-1]
