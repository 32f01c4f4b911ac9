"""Health tells the truth, over real HTTP."""

import http.client
import json

from app.health import STALE_SECS, Health, health_server


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time as told."""
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
    health = Health(speech_state=lambda: state[0], clock=clock)
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
