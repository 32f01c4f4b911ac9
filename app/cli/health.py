"""`story-tts health`: the container's health check. It runs every 30 seconds, so it imports very little."""

from typing import Annotated

import typer


def health(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the answer.")] = 4.0,
) -> None:
    """
    Query the health endpoint of the worker on this machine (`PORT`).

    Prints the reason if the worker is unhealthy.

    Exit codes: 0 healthy; 1 unhealthy or no answer.
    """
    import http.client
    import json

    from app.settings import HEALTH_PATH, read_port

    connection = http.client.HTTPConnection("127.0.0.1", read_port(), timeout=timeout)
    try:
        connection.request("GET", HEALTH_PATH)
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        typer.echo(f"no answer on port {connection.port}: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        connection.close()
    healthy = answer.status == http.client.OK
    typer.echo(
        said["status"] if healthy else f"unhealthy: {said.get('reason', answer.status)}", err=not healthy
    )
    raise typer.Exit(0 if healthy else 1)
