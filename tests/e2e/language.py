"""
A stand-in for Pulumi's Python language host, which is no Python package.

The SDK's own server of inline programs does the work; the released CLI brings the real host along.
"""

from typing import Any

from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, plugin_pb2


class LanguageHost(LanguageServer):
    """What the engine asks of a language host beyond running the program."""

    def Handshake(self, _request: Any, _context: Any) -> language_pb2.LanguageHandshakeResponse:  # noqa: N802
        """Accept the engine."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: Any, _context: Any) -> plugin_pb2.PluginInfo:  # noqa: N802
        """Return a version."""
        return plugin_pb2.PluginInfo(version="0.0.0-standin")

    def InstallDependencies(self, _request: Any, _context: Any) -> Any:  # noqa: N802
        """Install nothing: the tests' environment has it all."""
        return iter(())

    def Cancel(self, _request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: N802
        """Do nothing."""
        return empty_pb2.Empty()
