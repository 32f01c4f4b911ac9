"""The settings as a flat list of paths, types, defaults and descriptions."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from stack.config import Group, Settings

Row = tuple[str, str, str]


def leaves(model: type[Group] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by its path, such as `scaling.max_tasks`."""
    for name, field in model.model_fields.items():
        group = group_of(field)
        if group:
            yield from leaves(group, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def group_of(field: FieldInfo) -> type[Group] | None:
    """The group that a field contains, or None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Group) else None


def rows() -> dict[str, Row]:
    """Setting -> type, default and description, as in the reference."""
    return {
        path: (kind_of(field), shown(field.get_default(call_default_factory=True)), str(field.description))
        for path, field in leaves()
    }


def group_rows() -> dict[str, Row]:
    """Top-level setting or group -> type, default and description."""
    return {
        name: ("group", "", str(group.__doc__).rstrip("."))
        if (group := group_of(field))
        else (kind_of(field), shown(field.default), str(field.description))
        for name, field in Settings.model_fields.items()
    }


def shown(value: object) -> str:
    """A default in YAML; `none` if unset."""
    if value is None:
        return "none"
    return f"`{yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10)).strip()}`"


def kind_of(field: FieldInfo) -> str:
    """A field's type in words, with its bounds."""
    words = _words(field.annotation)
    low = [item.ge for item in field.metadata if isinstance(item, Ge)]
    high = [item.le for item in field.metadata if isinstance(item, Le)]
    if low and high:
        return f"{words}, {low[0]} to {high[0]}"
    return f"{words}, at least {low[0]}" if low else words


def _words(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0])
    if origin in (Union, UnionType):
        (wanted,) = (part for part in parts if part is not NoneType)
        return _words(wanted)
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is list:
        words = _words(parts[0])
        return f"list of {words}" if "`" in words else f"list of {words}s"
    if origin is dict:
        return f"map of {_words(parts[1])}s"
    return {bool: "boolean", int: "integer", str: "string"}[annotation]
