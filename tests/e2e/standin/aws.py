"""Calls AWS operations with properties as Pulumi spells them."""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape

Properties = dict[str, Any]

ACCOUNT = "123456789012"
"""moto's account."""
_PAIRS = (["key", "value"], ["name", "value"], ["name", "values"])


class Aws:
    """Clients of the embedded AWS, at the endpoints of the provider's configuration."""

    def __init__(self, *, region: str, endpoints: Mapping[str, str]) -> None:
        self.region = region
        self._endpoints = endpoints
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a client for one service; refuse a service that has no local endpoint."""
        name = service.replace("-", "")
        assert name in self._endpoints, f"aws:endpoints has no {name}: the call would leave this machine"
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                client = boto3.client(  # type: ignore[call-overload]  # the service is known at run time only
                    service,
                    region_name=key[1],
                    endpoint_url=self._endpoints[name],
                    aws_access_key_id="local",
                    aws_secret_access_key="local",
                )
                client.meta.events.register("before-call", _log_call)
                self._clients[key] = client
            return self._clients[key]

    def call(self, service: str, operation: str, values: Properties) -> Properties:
        """Call an operation with those of `values` that its input has, and return its answer."""
        client = self.client(service, values.get("region"))
        shape = client.meta.service_model.operation_model(operation).input_shape
        answer: Properties = getattr(client, xform_name(operation))(**(fit(shape, values) if shape else {}))
        answer.pop("ResponseMetadata", None)
        return answer


def _log_call(model: Any, **_: Any) -> None:
    """Append the operation to a file, for the test of the deploying role's policy."""
    with Path(os.environ["STANDIN_CALLS"]).open("a") as calls:
        calls.write(f"{model.service_model.service_name}:{model.name}\n")


def rename(values: Properties, names: Iterable[tuple[str, str]]) -> Properties:
    """Move properties to the parameters that `names` pairs them with; a dot leads into a nested one."""
    renamed: Properties = {}
    for key, value in values.items():
        for target in [new for old, new in names if old == key] or [key]:
            *path, last = target.split(".")
            place = renamed
            for step in path:
                place = place.setdefault(step, {})
            place[last] = {**place.get(last, {}), **value} if isinstance(value, dict) else value
    return renamed


def fit(shape: Shape, value: Any) -> Any:
    """Convert a value of Pulumi's to an input shape of AWS's; members match by name, whatever their case."""
    if isinstance(shape, StructureShape):
        fields = value[0] if isinstance(value, list) else value
        members = {name.lower(): (name, member) for name, member in shape.members.items()}
        found = [(*members[key.lower()], item) for key, item in fields.items() if key.lower() in members]
        return {name: fit(member, item) for name, member, item in found if item is not None}
    if isinstance(shape, ListShape):
        if isinstance(value, str) and value.startswith("["):
            return json.loads(value)  # a document: botocore checks its names
        return [fit(shape.member, item) for item in _items(shape.member, value)]
    if isinstance(shape, MapShape):
        return {key: fit(shape.value, item) for key, item in value.items()}
    return _scalar(shape, value)


def _items(member: Shape, value: Any) -> list[Any]:
    """Return the items of a list; a map of tags or filters becomes pairs, and a single object one item."""
    if isinstance(value, list):
        return value
    names = list(member.members) if isinstance(member, StructureShape) else []
    if isinstance(value, dict) and [name.lower() for name in names] in _PAIRS:
        return [dict(zip(names, pair, strict=True)) for pair in sorted(value.items())]
    return [value]


def _scalar(shape: Shape, value: Any) -> Any:
    if shape.type_name in {"integer", "long"}:
        return int(value)
    if shape.type_name in {"float", "double"}:
        return float(value)
    if shape.type_name == "string" and isinstance(value, bool):
        words = ("DISABLED", "ENABLED") if getattr(shape, "enum", None) else ("false", "true")
        return words[value]
    return str(value) if shape.type_name == "string" else value
