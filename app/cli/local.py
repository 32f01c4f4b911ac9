"""`story-tts local`: the whole service on this machine until Ctrl-C."""

from typing import Annotated

import typer

from app.cli.voices import DEFAULT_ENGINE, EngineOption


def local(
    engine: EngineOption = DEFAULT_ENGINE,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the embedded AWS; 0: any free one.")
    ] = 4566,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only the worker's errors.")] = False,
) -> None:
    """
    Run an embedded AWS (queue, dead letters, topic, table, bucket) and a worker, on this machine alone.

    Prints the environment to export, so that `story-tts submit` elsewhere finds it. Nothing outlives it.
    Exit codes: 0 ended by Ctrl-C; 1 the embedded AWS or the worker did not start, or ended; 130 interrupted
    before it was ready.
    """
    import shlex
    from contextlib import ExitStack, suppress

    from rich.text import Text

    from app.cli.console import LiteralConsole
    from app.cli.signals import interruptible
    from app.local.service import local_service

    console = LiteralConsole(stderr=True)
    with interruptible(), ExitStack() as stack:
        with console.status("starting the embedded AWS and a worker"):
            running = stack.enter_context(local_service(engine=engine, port=port, quiet=quiet))
        console.print(Text.assemble(("ready", "green"), "; in another terminal:\n"))
        for name, value in sorted(running.environment.items()):
            typer.echo(f"export {name}={shlex.quote(value)}")
        console.print("\n  story-tts submit STORY.txt --wait --download out\n\nCtrl-C ends it.\n")
        with suppress(KeyboardInterrupt):
            running.watch()
