"""The process that the engine starts: prints its port and serves ResourceProvider on loopback."""

import json
import signal
import sys
from concurrent import futures
from importlib.metadata import version
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from typing_extensions import override

from tests.e2e.standin import compute, docker_build, invokes, network, storage
from tests.e2e.standin.base import INVOKES, REGISTRY, Aws, Properties, Resource
from tests.e2e.standin.strictness import faults

# Their import fills the registry.
FAMILIES = (compute, docker_build, invokes, network, storage)
# What a rule of the double keeps beside the provider's own outputs, to be able to delete by it.
SECRET_CONFIGURATION = ("secretKey", "token")


def _plain(struct: struct_pb2.Struct) -> Properties:
    """A message's values as Python's; whole numbers as int."""
    return {key: _whole(value) for key, value in json_format.MessageToDict(struct).items()}


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return value


def _struct(values: Properties) -> struct_pb2.Struct:
    message = struct_pb2.Struct()
    json_format.ParseDict(values, message)
    return message


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", maxsplit=1)[-1]


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """The double's answers to the engine."""

    def __init__(self) -> None:
        self._aws: Aws | None = None

    def _resource(self, urn: str) -> Resource:
        assert self._aws is not None, "the engine configures before it asks"
        return REGISTRY[_token(urn)](self._aws)

    @override
    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        package = sys.argv[1].removeprefix("pulumi-resource-")
        return plugin_pb2.PluginInfo(version=f"{version(f'pulumi-{package}')}+standin")

    @override
    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    @override
    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse()

    @override
    def Configure(self, request: Any, context: Any) -> provider_pb2.ConfigureResponse:
        configuration = _plain(request.args)
        endpoints = configuration.get("endpoints", "[]")
        parsed = json.loads(endpoints) if isinstance(endpoints, str) else endpoints
        if not parsed:
            # docker-build has no AWS configuration of its own: its registry is the embedded one.
            import os

            parsed = [{"ecr": os.environ["AWS_ENDPOINT_URL"]}]
        self._aws = Aws(region=str(configuration.get("region", "us-east-1")), endpoints=parsed[0])
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, supportsPreview=False, acceptResources=False
        )

    @override
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        token = _token(request.urn)
        if token not in REGISTRY:
            failure = provider_pb2.CheckFailure(property="type", reason=f"the stand-in has no {token} yet")
            return provider_pb2.CheckResponse(inputs=request.news, failures=[failure])
        found = [
            provider_pb2.CheckFailure(property=path, reason=reason)
            for path, reason in faults(token, _plain(request.news))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=found)

    @override
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        old, new = _plain(request.old_inputs), _plain(request.news)
        changed = sorted(
            key
            for key in old.keys() | new.keys()
            if old.get(key) != new.get(key)
            and key not in request.ignoreChanges
            and not _is_login(key, old, new)
        )
        kind = self._resource(request.urn)
        replaced = [key for key in changed if key in kind.replaces]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaced,
            deleteBeforeReplace=bool(replaced) and kind.delete_first,
        )

    @override
    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:
        inputs = _plain(request.properties)
        id_, computed = self._resource(request.urn).create(inputs)
        return provider_pb2.CreateResponse(id=id_, properties=_struct({**inputs, **computed, "id": id_}))

    @override
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    @override
    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        inputs = _plain(request.news)
        computed = self._resource(request.urn).update(request.id, _plain(request.olds), inputs)
        return provider_pb2.UpdateResponse(properties=_struct({**inputs, **computed, "id": request.id}))

    @override
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._resource(request.urn).delete(request.id, _plain(request.properties))
        return empty_pb2.Empty()

    @override
    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:
        assert self._aws is not None, "the engine configures before it asks"
        return provider_pb2.InvokeResponse(
            **{"return": _struct(INVOKES[request.tok](self._aws, _plain(request.args)))}
        )

    @override
    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        return empty_pb2.Empty()


def _is_login(key: str, old: Properties, new: Properties) -> bool:
    """The registry's login is a new one at each run, and no reason to build again."""
    return key in ("registries", "registry") and key in old and key in new


def serve() -> None:
    """Serve until the engine ends this process."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(StandIn(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(grace=1)


if __name__ == "__main__":
    serve()
