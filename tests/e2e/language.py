"""
A stand-in for Pulumi's Python language host, which is no Python package: runs the program in its own process.

The SDK's own server of inline programs does the work; the released CLI brings the real host along.
"""

import signal
import sys
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]
import pulumi
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from stack.__main__ import program


class LanguageHost(LanguageServer):
    """What the engine asks of a language host beyond running the program."""

    def Handshake(self, _request: Any, _context: Any) -> language_pb2.LanguageHandshakeResponse:  # noqa: N802
        """Agree to be spoken to."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> plugin_pb2.PluginInfo:  # noqa: N802
        """Tell a version."""
        return plugin_pb2.PluginInfo(version="0.0.0-standin")

    def InstallDependencies(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Install nothing: the tests' environment has it all."""
        return iter(())

    def Cancel(self, _request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: N802
        """Have nothing to cancel."""
        return empty_pb2.Empty()


def serve() -> None:
    """Print the port and serve until the engine ends this process."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(lambda: pulumi.run(program)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(grace=1)


if __name__ == "__main__":
    serve()
