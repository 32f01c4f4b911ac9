"""`story-tts dead-letters`: list the jobs that failed for good, and send them again."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.help import PlainCommand, PlainGroup

if TYPE_CHECKING:
    from app.aws.dead_letters import DeadLetters
    from app.aws.queue import Message, Queue

app = typer.Typer(help="List and redrive jobs that could not succeed.", no_args_is_help=True, cls=PlainGroup)

LOOK_SECS = 120.0
"""How long a letter is hidden from other receivers at most; it is made visible again before."""


@app.command(name="list", cls=PlainCommand)
def list_letters(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per letter.")] = False,
) -> None:
    """
    List the dead letters with the reason of each. Removes nothing.

    Exit codes: 0 success; 2 wrong usage or settings.
    """
    import json

    from app.cli.console import LiteralConsole

    letters = _letters(_queues()[1])
    if as_json:
        for letter in letters:
            typer.echo(json.dumps(_fields(letter)))
        return
    if not letters:
        typer.echo("no dead letters")
        return
    console = LiteralConsole()
    for letter in letters:
        fields = _fields(letter)
        console.print_line(str(fields.pop("id")))
        console.print_record(fields)


@app.command(cls=PlainCommand)
def redrive(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids as shown by `list`; all letters if omitted.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")
    ] = False,
) -> None:
    """
    Send dead letters back to the job queue and remove them from the dead-letter queue.

    Exit codes: 0 success; 1 an id was not found; 2 wrong usage or settings.
    """
    from app.cli.console import literal

    queue, dead_letters = _queues()
    letters = _letters(dead_letters, keep=not dry_run)
    chosen = [letter for letter in letters if not ids or letter.id in ids]
    try:
        unknown = sorted(set(ids or ()) - {letter.id for letter in letters})
        if unknown:
            names = literal(", ".join(unknown))
            typer.echo(f"no dead letter has the id {names}; see `story-tts dead-letters list`", err=True)
            raise typer.Exit(1)
        for letter in chosen:
            fields = _fields(letter)
            typer.echo(literal(f"{letter.id}  {fields['error_code']}: {fields['error_message']}"))
        if dry_run or not chosen:
            typer.echo(f"{len(chosen)} would be sent again" if dry_run else "no dead letters")
            return
        if not yes:
            typer.confirm(f"Send {len(chosen)} to the queue again?", abort=True)
        for letter in list(chosen):
            # Sent first: a crash between the two duplicates a letter and loses none.
            queue.send(dead_letters.body_of(letter), group=letter.group)
            dead_letters.delete(letter)
            letters.remove(letter)
        typer.echo(f"{len(chosen)} sent again")
    finally:
        _make_visible(dead_letters, letters)


def _queues() -> "tuple[Queue, DeadLetters]":
    from app.aws.queue import Queue
    from app.aws.session import AwsClients
    from app.bootstrap import dead_letter_queue
    from app.errors import ConfigurationError
    from app.settings import Settings

    settings = Settings.read()
    clients = AwsClients(region=settings.region)
    dead_letters = dead_letter_queue(settings, clients)
    if dead_letters is None:
        raise ConfigurationError(
            "DEAD_LETTER_QUEUE_URL is not set: set it to the URL of the dead-letter queue"
        )
    return Queue(sqs=clients.client("sqs"), url=settings.queue_url), dead_letters


def _letters(dead_letters: "Queue", *, keep: bool = False) -> "list[Message]":
    """Return every letter; with `keep` they stay hidden from other receivers for LOOK_SECS."""
    letters = list(dead_letters.peek_all(visibility_secs=LOOK_SECS))
    if not keep:
        _make_visible(dead_letters, letters)
    return letters


def _make_visible(dead_letters: "Queue", letters: "Iterable[Message]") -> None:
    for letter in letters:
        dead_letters.give_back(letter)


def _fields(letter: "Message") -> dict[str, str | int]:
    """Return the fields of a letter that are shown; never the story's text."""
    return {
        "id": letter.id,
        "error_code": letter.attributes.get("error_code", "-"),
        "error_message": letter.attributes.get("error_message", "-"),
        "original_message_id": letter.attributes.get("original_message_id", "-"),
        "bytes": len(letter.body.encode()),
    }
