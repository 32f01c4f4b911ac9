"""
Plugins of the Pulumi engine that are modules of these tests.

One process serves all plugins for as long as the tests of an engine run. Each operation starts its plugins
anew, and each start would import the SDKs of Pulumi and AWS again.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

from tests.tree import ROOT


class Plugins:
    """The plugins' process, and the scripts through which an engine finds them."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.plugin"],
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        for name, port in json.loads(self._process.stdout.readline()).items():
            # The engine reads the port, and ends the script; without an engine the script ends by itself.
            script = folder / name
            script.write_text(f'#!/bin/sh\necho {port}\nexec tail --pid="$PPID" -f /dev/null\n')
            script.chmod(0o755)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _listen(register: Callable[[Any], None], servers: list[Any]) -> int:
    import grpc  # type: ignore[import-untyped]

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    register(server)
    port: int = server.add_insecure_port("127.0.0.1:0")
    server.start()
    servers.append(server)
    return port


def serve() -> None:
    """Serve each plugin at a port of its own, print the ports, and end with the standard input."""
    # Here, since tests import this module, and need none of it in their own process.
    import pulumi
    from pulumi.runtime.proto import language_pb2_grpc, provider_pb2_grpc

    from tests.e2e.language import LanguageHost
    from tests.e2e.standin.provider import StandIn

    servers: list[Any] = []  # a server stops when nothing refers to it
    ports = {
        f"pulumi-resource-{package}": _listen(
            partial(provider_pb2_grpc.add_ResourceProviderServicer_to_server, StandIn(package)), servers
        )
        for package in ("aws", "docker-build")
    }

    def run_program() -> None:
        from stack.__main__ import program

        pulumi.run(program)

    host = LanguageHost(run_program)
    ports["pulumi-language-python"] = _listen(
        partial(language_pb2_grpc.add_LanguageRuntimeServicer_to_server, host), servers
    )
    sys.stdout.write(f"{json.dumps(ports)}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve()
