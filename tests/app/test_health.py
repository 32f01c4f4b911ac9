"""The health endpoint over real HTTP, and the container's health check."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from app.health import STALE_SECS, Health, health_server
from app.healthcheck import Verdict, check


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time that was set."""
        return self.now


def asked(port: int, path: str = "/healthz") -> tuple[int, dict[str, str]]:
    """Return status and body of the endpoint."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_health_follows_the_poll_loop_the_child_and_its_faults() -> None:
    """200 while the loop turns and the child lives; otherwise 503 with the reason, and back again."""
    clock, state = Clock(), ["starting"]
    health = Health(speech_state=lambda: state[0], lease_secs=60, clock=clock)
    with health_server(health, host="127.0.0.1", port=0) as port:
        assert asked(port) == (200, {"status": "ok"})
        clock.now += STALE_SECS + 1
        assert asked(port) == (
            503,
            {"status": "unhealthy", "reason": "no heartbeat of the poll loop for 91 s"},
        )
        health.heartbeat()
        assert asked(port) == (200, {"status": "ok"})
        state[0] = "dead"
        assert asked(port) == (503, {"status": "unhealthy", "reason": "the speech process is dead"})
        state[0] = "ready"
        health.mark_unhealthy("sqs: ReceiveMessage was refused (ExpiredToken)")
        assert asked(port)[1]["reason"] == "sqs: ReceiveMessage was refused (ExpiredToken)"
        health.heartbeat()
        assert asked(port) == (200, {"status": "ok"})
        assert asked(port, "/docs")[0] == 404


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(None, (0, "ok\n", "")), ("no credentials", (1, "", "unhealthy: no credentials\n"))],
)
def test_the_command_reports_the_health_of_the_worker(
    reason: str | None, expected: tuple[int, str, str]
) -> None:
    """The container's health check exits with 0 or 1, and prints the reason."""
    health = Health(speech_state=lambda: "ready", lease_secs=60)
    if reason:
        health.mark_unhealthy(reason)
    with health_server(health, host="127.0.0.1", port=0) as port:
        done = run_command("-m", "app", "health", PORT=str(port))
        assert (done.returncode, done.stdout, done.stderr) == expected
        assert check_of(port).is_healthy == (reason is None)


@pytest.mark.parametrize("port", ["9", "65536", "no number"])
def test_the_command_needs_an_answer(port: str) -> None:
    """Without an answer the check fails with one line."""
    done = run_command("-m", "app", "health", PORT=port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"no answer on port {port}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("answer", [b"", b"nonsense", b"SSH-2.0-x\r\n", b"HTTP/1.0 503 x\r\n\r\n[1]"])
def test_other_servers_are_not_healthy(answer: bytes) -> None:
    """An answer from something else than the worker is not healthy."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer_once, args=(server, answer))
        thread.start()
        verdict = check_of(server.getsockname()[1])
        thread.join()
    assert not verdict.is_healthy


def test_the_command_imports_the_standard_library_only() -> None:
    """The check is quick on a starved CPU: it imports none of the application's dependencies."""
    code = (
        "import sys; sys.argv = ['story-tts', 'health']; before = set(sys.modules)\n"
        "from app.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "slow = {'asyncio', 'email', 'http', 'ssl'}\n"
        "print(sorted(loaded - sys.stdlib_module_names), sorted(loaded & slow))\n"
    )
    done = run_command("-c", code, PORT="9")
    assert done.stdout == "['app'] []\n"


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def check_of(port: int) -> Verdict:
    """Return the verdict on a port."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PORT", str(port))
        return check(10.0)


def answer_once(server: socket.socket, answer: bytes) -> None:
    """Accept one connection, read the request and send `answer`."""
    connection, _ = server.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(answer)


@pytest.mark.parametrize(("lease_secs", "stale_secs"), [(2.0, 90.0), (60.0, 90.0), (600.0, 900.0)])
def test_a_long_lease_may_go_long_without_a_heartbeat(lease_secs: float, stale_secs: float) -> None:
    """A job is healthy for one and a half leases without a renewal, and for 90 s at least."""
    clock = Clock()
    health = Health(speech_state=lambda: "busy", lease_secs=lease_secs, clock=clock)

    clock.now += stale_secs
    assert health.problem() is None
    clock.now += 1
    assert health.problem() == f"no heartbeat of the poll loop for {stale_secs + 1:.0f} s"
