"""`story-tts status`: show the task rows of one story."""

from typing import Annotated

import typer

SHOWN = (
    *("task_id", "type", "status", "progress", "duration_seconds", "alignment", "media_url"),
    *("error_code", "error_message"),
)


def status(
    parent_id: Annotated[str, typer.Argument(help="Id of the story (for a direct job, its audio_out).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the complete rows as JSON.")] = False,
) -> None:
    """
    Show the status and progress of a story.

    Exit codes: 0 completed or in progress; 1 failed or cancelled; 4 no such story.
    """
    import json

    from app.aws.session import AwsClients
    from app.bootstrap import task_table
    from app.cli.console import LiteralConsole, literal
    from app.settings import Settings

    settings = Settings.read()
    rows = task_table(settings, AwsClients(region=settings.region)).rows_of(parent_id)
    if as_json:
        typer.echo(json.dumps(rows, default=float, indent=2))
    elif not rows:
        typer.echo(literal(f"no task rows under {parent_id} in table {settings.table}"), err=True)
    else:
        console = LiteralConsole()
        console.print_line(parent_id)
        for row in rows:
            console.print_record({name: row[name] for name in SHOWN if name in row})
            console.line()
    if not rows:
        raise typer.Exit(4)
    raise typer.Exit(1 if any(row.get("status") in {"FAILED", "CANCELLED"} for row in rows) else 0)
