"""What the stand-in answers the engine: the service ResourceProvider."""

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from typing_extensions import override

from tests.e2e.standin import docker_build
from tests.e2e.standin.aws import Aws, Properties
from tests.e2e.standin.data_sources import look_up
from tests.e2e.standin.resources import RESOURCE_TYPES, PassThrough
from tests.e2e.standin.strictness import faults

RESOURCES: Mapping[str, PassThrough] = {
    **RESOURCE_TYPES,
    "docker-build:index:Image": docker_build.Image(),
    "docker-build:index:Index": docker_build.Index(),
}


def _plain(struct: struct_pb2.Struct) -> Properties:
    """Return a message's values as Python's; whole numbers as int."""
    text = json.dumps(json_format.MessageToDict(struct))
    return dict(
        json.loads(text, parse_float=lambda number: int(x) if (x := float(number)).is_integer() else x)
    )


def _struct(values: Properties) -> struct_pb2.Struct:
    return json_format.ParseDict(values, struct_pb2.Struct())


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", maxsplit=1)[-1]


def _resource(urn: str) -> PassThrough:
    return RESOURCES.get(_token(urn), PassThrough())


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """A provider's plugin."""

    _aws: Aws

    def __init__(self, package: str) -> None:
        """`package` is the one whose resources it manages, as in pulumi-aws."""
        self._package = package

    @override
    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=f"{version(f'pulumi-{self._package}')}+standin")

    @override
    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse()

    @override
    def Configure(self, request: Any, context: Any) -> provider_pb2.ConfigureResponse:
        configuration = _plain(request.args)
        # docker-build has no AWS configuration: its registry is the embedded AWS's.
        endpoints = json.loads(configuration.get("endpoints", "[]")) or [
            {"ecr": os.environ["AWS_ENDPOINT_URL"]}
        ]
        self._aws = Aws(region=str(configuration.get("region", "us-east-1")), endpoints=endpoints[0])
        return provider_pb2.ConfigureResponse()

    @override
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        found = [
            provider_pb2.CheckFailure(property=path, reason=reason)
            for path, reason in faults(_token(request.urn), _plain(request.news))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=found)

    @override
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        old, new = _plain(request.old_inputs), _plain(request.news)
        # The login to the registry is a new one at each run.
        ignored = {*request.ignoreChanges, "registries", "registry"}
        changed = sorted({key for key in old | new if old.get(key) != new.get(key)} - ignored)
        resource = _resource(request.urn)
        replaced = [key for key in changed if key in resource.replaced_by.split()]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=changed,
            replaces=replaced,
            deleteBeforeReplace=bool(replaced) and resource.delete_first,
        )

    @override
    def Create(self, request: Any, context: Any) -> provider_pb2.CreateResponse:
        inputs = _plain(request.properties)
        computed = _resource(request.urn).create(self._aws, inputs)
        return provider_pb2.CreateResponse(id=computed["id"], properties=_struct(inputs | computed))

    @override
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    @override
    def Update(self, request: Any, context: Any) -> provider_pb2.UpdateResponse:
        old, new, state = (_plain(item) for item in (request.old_inputs, request.news, request.olds))
        computed = {key: value for key, value in state.items() if key not in old}
        asked = {key: value for key, value in new.items() if key not in request.ignoreChanges}
        answer = _resource(request.urn).update(self._aws, computed | asked)
        return provider_pb2.UpdateResponse(
            properties=_struct({**computed, **new, **answer, "id": request.id})
        )

    @override
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        _resource(request.urn).delete(self._aws, _plain(request.properties))
        return empty_pb2.Empty()

    @override
    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:
        found = look_up(self._aws, request.tok, _plain(request.args))
        return provider_pb2.InvokeResponse(**{"return": _struct(found)})
