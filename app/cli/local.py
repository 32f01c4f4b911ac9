"""`story-tts local`: run the whole service on this machine until Ctrl-C."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.cli.voices import DEFAULT_ENGINE, EngineOption


def local(
    engine: EngineOption = DEFAULT_ENGINE,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the embedded AWS; 0 picks a free one.")
    ] = 4566,
    env_file: Annotated[
        Path | None,
        typer.Option(help="Write the variables to this file too, one NAME=value per line, while it runs."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only the worker's errors.")] = False,
) -> None:
    """
    Run the whole service on this machine: an embedded AWS and a worker.

    Prints the variables to export in another terminal, so that commands there find the service. Leaves no
    process behind.

    Exit codes: 0 stopped by Ctrl-C; 1 the embedded AWS or the worker did not start, or ended; 130
    interrupted before it was ready.
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
        if env_file:
            stack.enter_context(_written(env_file, running.environment))
        for name, value in sorted(running.environment.items()):
            typer.echo(f"export {name}={shlex.quote(value)}")
        console.print("\n  story-tts submit STORY.txt --wait --download out\n\nPress Ctrl-C to stop.\n")
        with suppress(KeyboardInterrupt):
            running.watch()


@contextmanager
def _written(path: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Have the variables in a file for the block, as `docker run --env-file` and `set -a; . FILE` read it."""
    from app.errors import ConfigurationError

    lines = "".join(f"{name}={value}\n" for name, value in sorted(environment.items()))
    try:
        path.write_text(lines, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--env-file {path}: {str(error.strerror).lower()}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
