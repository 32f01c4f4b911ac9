"""`story-tts health`: the container's health check. Without options, app/__main__.py runs it directly."""

from typing import Annotated

import typer

from app.healthcheck import DEFAULT_TIMEOUT_SECS, check


def health(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = DEFAULT_TIMEOUT_SECS,
) -> None:
    """
    Query the health endpoint of the worker on this machine (`PORT`).

    Prints the reason if the worker is unhealthy.

    Exit codes: 0 healthy; 1 unhealthy or no answer.
    """
    verdict = check(timeout)
    typer.echo(verdict.message, err=not verdict.is_healthy)
    raise typer.Exit(0 if verdict.is_healthy else 1)
