"""
The container's health check: asks the worker on this machine for its health.

It runs every 30 seconds next to a busy worker, within a time limit, so it imports neither the command line
nor the settings, only modules that load in a few milliseconds.
"""

import os
import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple

HEALTH_PATH = "/healthz"
PORT_VARIABLE = "PORT"
DEFAULT_PORT = 8000
DEFAULT_TIMEOUT_SECS = 4.0
_MAX_ANSWER_BYTES = 1 << 16


class Verdict(NamedTuple):
    """The result of a health check."""

    is_healthy: bool
    message: str
    """One line."""


def check(timeout_secs: float = DEFAULT_TIMEOUT_SECS) -> Verdict:
    """Ask the worker on this machine. A missing answer is a negative verdict; nothing is raised."""
    value = os.environ.get(PORT_VARIABLE, "").strip() or str(DEFAULT_PORT)
    try:
        answer = _get(int(value), timeout_secs)
        head, _, body = answer.partition(b"\r\n\r\n")
        code = int(head.split(maxsplit=2)[1])
    # OverflowError: the port is above 65535. IndexError and ValueError: the answer is not HTTP.
    except (OSError, ValueError, OverflowError, IndexError) as error:
        return Verdict(is_healthy=False, message=f"no answer on port {value}: {error}")
    fields = _fields(body)
    if code == 200:  # noqa: PLR2004 - http.HTTPStatus takes milliseconds to import
        return Verdict(is_healthy=True, message=fields.get("status", "ok"))
    return Verdict(is_healthy=False, message=f"unhealthy: {fields.get('reason', code)}")


def _get(port: int, timeout_secs: float) -> bytes:
    """Return the answer of the health endpoint: head, blank line and body."""
    request = f"GET {HEALTH_PATH} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_secs) as connection:
        connection.sendall(request.encode("ascii"))
        while len(answer) < _MAX_ANSWER_BYTES and (block := connection.recv(_MAX_ANSWER_BYTES)):
            answer += block
    return answer


def _fields(body: bytes) -> dict[str, str]:
    """Return the text fields of a JSON object, none if `body` is something else."""
    import json  # noqa: PLC0415 - only if there is an answer

    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return {name: str(value) for name, value in document.items()} if isinstance(document, dict) else {}


def run_if_requested(arguments: Sequence[str]) -> None:
    """Handle the bare command `story-tts health` and exit; return for every other command."""
    if list(arguments) != ["health"]:
        return
    verdict = check()
    print(verdict.message, file=sys.stdout if verdict.is_healthy else sys.stderr)
    sys.exit(not verdict.is_healthy)
