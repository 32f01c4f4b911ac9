"""Plugins of the Pulumi engine that are modules of these tests: a script on its PATH, a gRPC server."""

import signal
import sys
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]

from tests.tree import ROOT


def install(folder: Path, name: str, module: str) -> None:
    """Write a script that the engine finds and starts under `name`."""
    script = folder / name
    script.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m {module} {name} "$@"\n')
    script.chmod(0o755)


def serve(register: Callable[[Any], None]) -> None:
    """Print the port on loopback, and serve until the engine ends this process."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(grace=1)
