"""Scale-in protection of the ECS task, requested from the ECS agent."""

import json
import threading
import time
from enum import StrEnum
from http.client import HTTPException
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import structlog

EXPIRES_MINUTES = 60
"""Bounds the protection of a task that hangs; a running job renews it in time."""
RENEWAL_SECS = EXPIRES_MINUTES * 60 / 4
RETRY_SECS = 60.0
"""The pause before protection is requested again after it was not granted."""
TIMEOUT_SECS = 5
DEPLOYMENT_BLOCKED = "DEPLOYMENT_BLOCKED"
"""The reason of a failure if protected tasks keep a deployment from finishing."""

log = structlog.get_logger()


class ProtectionStatus(StrEnum):
    """The answer to a request for protection."""

    PROTECTED = "protected"
    UNPROTECTED = "unprotected"
    """Not granted; jobs survive scale-in all the same."""
    DEPLOYMENT_WAITS = "deployment waits"
    """A deployment waits for tasks to become idle: receive no further job."""


class Protection(Protocol):
    """Keeps the orchestrator from stopping this task while it works. Thread-safe."""

    def protect(self) -> ProtectionStatus:
        """Request protection."""

    def renew(self) -> None:
        """Request protection again if it would expire soon; called with each renewal of the lease."""

    def release(self) -> None:
        """Give up protection, so that the task can be stopped."""


class NoProtection:
    """Outside ECS there is no protection to request."""

    def protect(self) -> ProtectionStatus:
        """Do nothing."""
        return ProtectionStatus.UNPROTECTED

    def renew(self) -> None:
        """Do nothing."""

    def release(self) -> None:
        """Do nothing."""


class TaskProtection:
    """
    Protection of an ECS task; if it is not granted, the worker works unprotected.

    The agent answers with one of `protection`, `failure` (with HTTP 200) and `error`:
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
    """

    def __init__(self, *, agent_uri: str) -> None:
        """`agent_uri` is the container's ECS_AGENT_URI, a link-local address that ECS sets."""
        self._url = f"{agent_uri.rstrip('/')}/task-protection/v1/state"
        self._lock = threading.Lock()
        self._is_protected = False
        self._renew_at = 0.0

    def protect(self) -> ProtectionStatus:
        """Request protection for EXPIRES_MINUTES from now."""
        with self._lock:
            status = self._request({"ProtectionEnabled": True, "ExpiresInMinutes": EXPIRES_MINUTES})
            self._is_protected = status is ProtectionStatus.PROTECTED
            self._renew_at = time.monotonic() + (RENEWAL_SECS if self._is_protected else RETRY_SECS)
        return status

    def renew(self) -> None:
        """Request protection again once a quarter of its time is over, or a while after a refusal."""
        if time.monotonic() >= self._renew_at:
            self.protect()

    def release(self) -> None:
        """Give up protection if it was granted."""
        with self._lock:
            if self._is_protected:
                status = self._request({"ProtectionEnabled": False})
                self._is_protected = status is ProtectionStatus.PROTECTED

    def _request(self, state: dict[str, object]) -> ProtectionStatus:
        """Send `state` and return what holds afterwards; a request that fails changes nothing."""
        before = ProtectionStatus.PROTECTED if self._is_protected else ProtectionStatus.UNPROTECTED
        try:
            answer = self._put(json.dumps(state).encode())
        except (OSError, HTTPException, ValueError) as error:
            log.warning("task protection not available", reason=f"{type(error).__name__}: {error}")
            return before
        if isinstance(protection := answer.get("protection"), dict):
            is_enabled = protection.get("ProtectionEnabled") is True
            return ProtectionStatus.PROTECTED if is_enabled else ProtectionStatus.UNPROTECTED
        refusal = answer.get("failure") or answer.get("error")
        fields: dict[str, Any] = refusal if isinstance(refusal, dict) else {}
        reason = str(fields.get("Reason") or fields.get("Code") or "the agent's answer has no reason")
        log.warning(
            "task protection refused", reason=reason, detail=fields.get("Detail") or fields.get("Message")
        )
        return ProtectionStatus.DEPLOYMENT_WAITS if reason == DEPLOYMENT_BLOCKED else before

    def _put(self, body: bytes) -> dict[str, Any]:
        """Return the agent's answer, whatever its status. Raises OSError, HTTPException, ValueError."""
        request = Request(  # noqa: S310  # ECS sets the address, no message can
            self._url, body, {"Content-Type": "application/json"}, method="PUT"
        )
        try:
            with urlopen(request, timeout=TIMEOUT_SECS) as response:  # noqa: S310  # as above
                content = response.read()
        except HTTPError as error:
            with error:
                content = error.read()
        answer = json.loads(content)
        return answer if isinstance(answer, dict) else {}
