"""Refuses properties that the provider's schema does not know, and those that it misses, at every depth."""

import importlib
import inspect
import sys
import typing
from collections.abc import Iterator
from typing import Any

from pulumi._types import input_type_py_to_pulumi_names, input_type_types, is_input_type

PACKAGES = {"aws": "pulumi_aws", "docker-build": "pulumi_docker_build"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def arguments_class(token: str) -> type:
    """aws:ecs/service:Service -> the arguments of pulumi_aws.ecs.Service."""
    package, module, name = token.split(":")
    folder = module.split("/")[0]
    path = PACKAGES[package] if folder == "index" else f"{PACKAGES[package]}.{folder}"
    resource = getattr(importlib.import_module(path), name)
    # Beside the resource, as a nested type may have the name that one would expect.
    home = sys.modules[resource.__module__]
    found = next(item for item in (f"{name}InitArgs", f"{name}Args") if hasattr(home, item))
    return typing.cast("type", getattr(home, found))


def faults(token: str, inputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Pairs of a property's path and what is wrong with it."""
    return _faults(arguments_class(token), inputs, "")


def _faults(schema: type, values: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    names = input_type_py_to_pulumi_names(schema)
    for key in values:
        if key not in names.values() and key != "__defaults":
            yield f"{path}{key}", f"{schema.__name__} has no property {key}"
    for parameter in inspect.signature(schema).parameters.values():
        required = parameter.default is inspect.Parameter.empty and parameter.name in names
        if required and values.get(names[parameter.name]) is None:
            yield f"{path}{names[parameter.name]}", f"{schema.__name__} needs {names[parameter.name]}"
    for key, value in values.items():
        nested = _nested(schema, names, key)
        if nested is None or value == UNKNOWN:
            continue
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, dict):
                yield from _faults(nested, item, f"{path}{key}[{index}].")


def _nested(schema: type, names: dict[str, str], key: str) -> type | None:
    """Return the schema of the objects under a property, or None for plain values and maps."""
    types = {names.get(name, name): annotation for name, annotation in input_type_types(schema).items()}
    found = (item for item in _flattened(types.get(key)) if isinstance(item, type) and is_input_type(item))
    return next(found, None)


def _flattened(annotation: Any) -> Iterator[Any]:
    arguments = () if typing.get_origin(annotation) is dict else typing.get_args(annotation)
    for argument in arguments:
        yield from _flattened(argument)
    if not arguments:
        yield annotation
