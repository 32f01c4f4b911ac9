"""What the embedded AWS answers: the services that are used, to programs on this machine alone."""

from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from app.local.emulator import EVERY_SERVICE, emulator
from app.local.platform import emulators_session

pytestmark = pytest.mark.slow

FORBIDDEN = 403
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """An embedded AWS with the services that it offers by default."""
    with emulator() as running:
        yield running


@pytest.fixture(scope="module")
def full_address() -> Iterator[str]:
    """An embedded AWS with every service."""
    with emulator(services=EVERY_SERVICE) as running:
        yield running


def signed_for(service: str) -> dict[str, str]:
    """Return the header that names the service of a request; nobody checks its signature."""
    scope = f"local/20260101/us-east-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}


def ask(
    address: str, method: str = "GET", path: str = "/", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str]]:
    """Send one request, and return the status and the headers of its answer."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:4566"},
        {"Host": "["},
        {"Host": ""},
        # An image or a form of another site's page has no Origin, but every current browser sends this.
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_web_pages_are_refused(address: str, method: str, headers: dict[str, str]) -> None:
    """A page in the developer's browser neither reads nor changes anything, whatever name it uses."""
    status, answered = ask(address, method, headers=signed_for("s3") | headers)

    assert status == FORBIDDEN
    assert [name for name in answered if name.startswith("access-control-")] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4566", "localhost:1", "[::1]:4566"])
def test_names_of_this_machine_are_answered(address: str, host: str) -> None:
    """Programs reach it by any name of loopback, through a proxy on another port too."""
    assert ask(address, headers=signed_for("s3") | {"Host": host})[0] == 200


def test_its_own_pages_may_ask(address: str) -> None:
    """An object that is opened in a browser comes from the emulator's own origin."""
    own = {"Origin": address, "Sec-Fetch-Site": "same-origin"}
    status, answered = ask(address, headers=signed_for("s3") | own)
    assert status == 200
    assert [name for name in answered if name.startswith("access-control-")] == []


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path", ["/moto-api/reset", "/moto-api/data.json", "/moto-api/", "/latest/meta-data/"]
)
@pytest.mark.parametrize("which", ["address", "full_address"])
def test_there_is_no_api_to_reset_it(
    request: pytest.FixtureRequest, which: str, method: str, path: str
) -> None:
    """Neither moto's own API nor the instance metadata is offered, not even with every service of AWS."""
    assert ask(request.getfixturevalue(which), method, path)[0] == FORBIDDEN


def test_a_test_may_ask_for_the_api() -> None:
    """Named, moto's own API is offered."""
    with emulator(services={"s3", "moto_api"}) as running:
        assert ask(running, "POST", "/moto-api/reset")[0] == 200


@pytest.mark.parametrize("service", ["ec2", "lambda", "iam", "ecs", "secretsmanager", "logs"])
def test_other_services_are_not_offered(address: str, full_address: str, service: str) -> None:
    """A service that the worker does not use is refused with a reason, unless it is asked for."""
    calls = {
        "ec2": "describe_regions",
        "lambda": "list_functions",
        "iam": "list_users",
        "ecs": "list_clusters",
        "secretsmanager": "list_secrets",
        "logs": "describe_log_groups",
    }

    def call(endpoint: str) -> None:
        client = emulators_session().client(service, endpoint_url=endpoint)  # type: ignore[call-overload]
        getattr(client, calls[service])()

    call(full_address)
    with pytest.raises(ClientError, match="this embedded AWS does not offer"):
        call(address)
