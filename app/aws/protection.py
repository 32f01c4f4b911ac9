"""Scale-in protection of the task, asked from the ECS agent beside it."""

import json
from typing import Protocol
from urllib.error import URLError
from urllib.request import Request, urlopen

import structlog

EXPIRES_MINUTES = 60
"""Longer than a lease by far, and an end to the protection of a task that hangs."""
TIMEOUT_SECS = 5


class Protection(Protocol):
    """Keeps the orchestrator from ending this task while it works."""

    def protect(self) -> None:
        """Ask that scale-in spares this task."""

    def release(self) -> None:
        """Let scale-in have it."""


class NoProtection:
    """Outside ECS nobody scales us in."""

    def protect(self) -> None:
        """There is nothing to ask."""

    def release(self) -> None:
        """There is nothing to give up."""


class TaskProtection:
    """Protection by ECS; a refusal is logged and does not stop the work, which survives scale-in."""

    def __init__(self, *, agent_uri: str) -> None:
        """`agent_uri` is the container's ECS_AGENT_URI, a link-local address that ECS sets."""
        self._url = f"{agent_uri.rstrip('/')}/task-protection/v1/state"
        self._protected = False

    def protect(self) -> None:
        """Ask for protection, also where it was asked before: it expires."""
        self._protected = self._ask({"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES})

    def release(self) -> None:
        """Give protection up, where it was granted."""
        if self._protected:
            self._protected = not self._ask({"ProtectionEnabled": False})

    def _ask(self, state: dict[str, object]) -> bool:
        request = Request(  # noqa: S310  # the address comes from ECS, not from a message
            self._url, json.dumps(state).encode(), {"Content-Type": "application/json"}, method="PUT"
        )
        try:
            with urlopen(request, timeout=TIMEOUT_SECS) as answer:  # noqa: S310  # as above
                answer.read()
        except (URLError, OSError) as error:
            structlog.get_logger().warning("task protection refused", reason=str(error))
            return False
        return True
