"""The service on one machine: what it holds ready for its worker."""

import socket

import pytest

from app.local.service import reserved_port


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  # as the worker may be told
def test_a_reserved_port_is_the_workers_and_nobody_elses(host: str) -> None:
    """A server may listen on it while it is reserved; who has not been told of it cannot take it."""
    with reserved_port() as reserved:
        port = reserved.getsockname()[1]
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
        with (
            socket.create_server((host, port)) as server,
            socket.create_connection(("127.0.0.1", port)) as client,
        ):
            server.accept()[0].close()
            assert client.recv(1) == b""
