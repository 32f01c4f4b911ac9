"""Task protection: asked of the ECS agent before a job, given up when idle; a refusal stops no work."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from app.aws.protection import TaskProtection


class Agent:
    """The part of the ECS agent that tasks ask for protection."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.url = ""


@contextmanager
def agent() -> Iterator[Agent]:
    """Run an agent on loopback."""
    made = Agent()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.asked.append((self.path, body))
            self.send_response(made.status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        made.url = f"http://127.0.0.1:{server.server_port}/api/task-id"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def test_protection_is_taken_and_given_up() -> None:
    """The agent hears of both, in ECS's own terms; giving up what is not held asks nothing."""
    with agent() as ecs:
        protection = TaskProtection(agent_uri=ecs.url)
        protection.release()
        protection.protect()
        protection.release()
        protection.release()

    path = "/api/task-id/task-protection/v1/state"
    assert ecs.asked == [
        (path, {"ProtectionEnabled": True, "ExpiresInMinutes": 60}),
        (path, {"ProtectionEnabled": False}),
    ]


def test_a_refusal_is_survived() -> None:
    """Where ECS refuses, or nobody answers, work goes on unprotected."""
    with agent() as ecs:
        ecs.status = 400
        protection = TaskProtection(agent_uri=ecs.url)
        protection.protect()
        protection.release()

    assert len(ecs.asked) == 1
    TaskProtection(agent_uri=ecs.url).protect()
