"""
A stand-in for Pulumi's Python language host, which is no Python package.

The SDK's own server of inline programs does the work; the released CLI brings the real host along.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
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

    def RunPlugin(self, request: Any, context: Any) -> Iterator[language_pb2.RunPluginResponse]:  # noqa: N802
        """Run a policy pack as the host does: with the Python of the pack's own environment."""
        folder = Path(request.info.program_directory)
        python = folder / request.info.options["virtualenv"] / "bin" / "python"
        process = subprocess.Popen(
            [python, "-u", "-m", "pulumi.policy", *request.args, str(folder)],
            cwd=folder,
            env=dict(variable.split("=", 1) for variable in request.env),
            stdout=subprocess.PIPE,
        )
        context.add_callback(process.kill)
        assert process.stdout
        for line in process.stdout:
            yield language_pb2.RunPluginResponse(stdout=line)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())

    def Cancel(self, _request: Any, _context: Any) -> empty_pb2.Empty:  # noqa: N802
        """Do nothing."""
        return empty_pb2.Empty()
