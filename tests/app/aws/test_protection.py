"""Task protection: requested from the ECS agent, renewed, released; a refusal stops no work."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from app.aws.protection import ProtectionStatus, TaskProtection

ARN = "arn:aws:ecs:us-east-1:123456789012:task/story-tts/0123456789abcdef"
PATH = "/api/container-id/task-protection/v1/state"
ENABLE = {"ProtectionEnabled": True, "ExpiresInMinutes": 60}
DISABLE = {"ProtectionEnabled": False}


def granted(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer as the agent does when ECS has done as asked."""
    state = {"ProtectionEnabled": request["ProtectionEnabled"], "TaskArn": ARN}
    if request["ProtectionEnabled"]:
        state["ExpirationDate"] = "2026-01-01T12:00:00Z"
    return 200, {"protection": state}


def failure(reason: str) -> tuple[int, dict[str, Any]]:
    """Return the agent's answer to a request that ECS refused: its HTTP status is 200."""
    return 200, {"failure": {"Arn": ARN, "Detail": None, "Reason": reason}}


def error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    """Return the agent's answer to a request that failed."""
    return status, {"requestID": "1", "error": {"Arn": ARN, "Code": code, "Message": "not possible"}}


class Agent:
    """The task protection endpoint of the ECS agent."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.answer: tuple[int, Any] | None = None
        """Instead of granting."""
        self.uri = ""


@pytest.fixture
def agent() -> Iterator[Agent]:
    """An agent on loopback."""
    agent = Agent()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            assert self.path == PATH
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            agent.requests.append(request)
            status, fields = agent.answer or granted(request)
            content = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        agent.uri = f"http://127.0.0.1:{server.server_port}/api/container-id"
        yield agent
        server.shutdown()
        thread.join()


def test_protection_is_requested_and_released(agent: Agent) -> None:
    """The agent receives both requests in its own terms; nothing is released that was not granted."""
    protection = TaskProtection(agent_uri=agent.uri)
    protection.release()
    assert protection.protect() is ProtectionStatus.PROTECTED
    protection.release()
    protection.release()

    assert agent.requests == [ENABLE, DISABLE]


@pytest.mark.parametrize(
    "answer",
    [
        failure("TASK_NOT_VALID"),
        error(400, "AccessDeniedException"),
        error(500, "ServerException"),
        error(504, "RequestCanceled"),
        (200, {}),
        (200, []),
        (200, b"no json"),
        (429, b""),
    ],
    ids=str,
)
def test_a_refusal_leaves_the_task_unprotected(agent: Agent, answer: tuple[int, Any]) -> None:
    """Whatever the agent answers but a protection is none; the worker goes on without it."""
    agent.answer = answer
    protection = TaskProtection(agent_uri=agent.uri)
    assert protection.protect() is ProtectionStatus.UNPROTECTED
    protection.release()

    assert agent.requests == [ENABLE]


def test_a_blocked_deployment_is_told_apart(agent: Agent) -> None:
    """If protected tasks block a deployment, the worker learns that it must receive no more."""
    agent.answer = failure("DEPLOYMENT_BLOCKED")

    assert TaskProtection(agent_uri=agent.uri).protect() is ProtectionStatus.DEPLOYMENT_WAITS


def test_an_agent_that_does_not_answer_stops_no_work() -> None:
    """Without an agent the task works unprotected."""
    assert TaskProtection(agent_uri="http://127.0.0.1:1/api/x").protect() is ProtectionStatus.UNPROTECTED


def test_protection_that_could_not_be_released_is_released_again(agent: Agent) -> None:
    """A release that failed is repeated by the next one."""
    protection = TaskProtection(agent_uri=agent.uri)
    protection.protect()
    agent.answer = error(500, "ServerException")
    protection.release()
    agent.answer = None
    protection.release()
    protection.release()

    assert agent.requests == [ENABLE, DISABLE, DISABLE]


def test_protection_is_renewed_before_it_expires(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of any length stays protected: four requests an hour, and one a minute after a refusal."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    protection = TaskProtection(agent_uri=agent.uri)

    def requests_of_an_hour() -> int:
        nonlocal now
        before = len(agent.requests)
        for _ in range(3 * 60):
            now += 20
            protection.renew()
        return len(agent.requests) - before

    protection.protect()
    assert requests_of_an_hour() == 4
    agent.answer = failure("DEPLOYMENT_BLOCKED")
    assert requests_of_an_hour() == pytest.approx(46, abs=1)
