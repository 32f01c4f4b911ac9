"""
Assembles the command line and turns errors into messages and exit codes.

Commands import what they need when they run, so that help and completion stay fast.
"""

import sys
import traceback
from enum import IntEnum
from typing import Annotated

import typer
from typer.exceptions import TyperException

from app.cli import (
    dead_letters,
    demo,
    doctor,
    health,
    local,
    models,
    pronounce,
    smoke,
    speak,
    status,
    stories,
    submit,
    voices,
    worker,
)
from app.cli.help import PlainCommand, PlainGroup
from app.errors import ConfigurationError, MissingExtraError, StoryTtsError, UnknownVoiceError


class CliExit(IntEnum):
    """Exit codes other than 0. Typer itself exits with 130 on Ctrl-C."""

    JOB_FAILED = 1
    USAGE = 2


app = typer.Typer(
    name="story-tts",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success; 1 a job failed; 2 wrong usage or settings; 130 interrupted. "
    "Some commands add codes of their own: see their help.",
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"story-tts {version('story-tts')}")
        raise typer.Exit


@app.callback()
def story_tts(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turn stories into narrated audio with word-accurate subtitles."""


for command in (
    speak.speak,
    voices.voices,
    pronounce.pronounce,
    submit.submit,
    status.status,
    stories.listen,
    stories.download,
    stories.cancel,
    demo.demo,
    local.local,
    worker.worker,
    health.health,
    doctor.doctor,
    smoke.smoke,
):
    app.command(cls=PlainCommand)(command)
app.command(name="list", cls=PlainCommand)(stories.list_stories)
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(models.app, name="models")


def _explain_usage(error: TyperException) -> int:
    """Print what is wrong with the arguments, in one line, and where to read more; return the exit code."""
    from app.cli.console import literal

    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context is not None:
        context.get_help()  # prints it
        return error.exit_code
    message = " ".join(error.format_message().split())
    print(literal(f"error: {message}"), file=sys.stderr)
    if context is not None and sys.stderr.isatty():
        print(f"hint: `{context.command_path} --help` shows the options", file=sys.stderr)
    return error.exit_code


def main() -> None:
    """Run the command line and exit the process with the command's exit code."""
    try:
        # Typer itself would draw a box around errors of usage.
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as error:
        sys.exit(_explain_usage(error))
    except StoryTtsError as error:
        from app.cli.console import literal

        for line in error.message.splitlines():
            print(literal(f"error: {line}"), file=sys.stderr)
        # The hint is for people at a terminal; in a container log it is noise.
        if isinstance(error, ConfigurationError) and error.hint and sys.stderr.isatty():
            print(f"hint: {error.hint}", file=sys.stderr)
        is_usage = isinstance(error, ConfigurationError | MissingExtraError | UnknownVoiceError)
        sys.exit(CliExit.USAGE if is_usage else CliExit.JOB_FAILED)
    except Exception as error:  # noqa: BLE001  # users never see a stack trace
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        print(f"error: unexpected {type(error).__name__} at {where}; please report it", file=sys.stderr)
        sys.exit(CliExit.JOB_FAILED)
