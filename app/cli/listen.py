"""`story-tts listen`: download a narrated story, with a page to listen and read along."""

from pathlib import Path
from typing import Annotated

import typer

NO_SUCH_STORY = 4


def listen(
    parent_id: Annotated[str, typer.Argument(help="Id of the story.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the media.")] = Path(),
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """
    Download a narrated story and write PARENT_ID.html, a page to listen and read along.

    Exit codes: 0 success; 1 the story is not completed; 2 wrong usage or settings; 4 no such story.
    """
    import webbrowser

    from app.aws.objects import Objects
    from app.aws.session import AwsClients
    from app.bootstrap import task_table
    from app.cli.console import LiteralConsole, literal
    from app.client.download import download_story, downloaded_page
    from app.client.stories import find_story
    from app.client.submission import JobState
    from app.settings import Settings

    settings = Settings.read()
    clients = AwsClients(region=settings.region)
    story = find_story(task_table(settings, clients), parent_id)
    if story is None:
        typer.echo(literal(f"no task rows under {parent_id} in table {settings.table}"), err=True)
        raise typer.Exit(NO_SUCH_STORY)
    if story.state is not JobState.COMPLETED or not story.subtitles:
        state = story.state.value if story.subtitles else "without subtitles"
        typer.echo(literal(f"{parent_id} is {state}; look at it with `story-tts status`"), err=True)
        raise typer.Exit(1)
    media = download_story(Objects(s3=clients.client("s3")), story, output, stem=parent_id)
    page = downloaded_page(media, output, job_status=story, stem=parent_id)
    console = LiteralConsole()
    for path in (*media.values(), page):
        console.print_line(str(path))
    if open_page and not webbrowser.open(page.resolve().as_uri()):
        typer.echo("no browser was found: open the page yourself", err=True)
