"""Flattens the schema of the stack's settings into one row per setting."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from stack.config import Group, Schedule, Settings

Row = tuple[str, str, str]


def leaves(model: type[Group] = Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting with its path, such as `scaling.max_tasks`."""
    for name, field in model.model_fields.items():
        group = group_of(field)
        if group:
            yield from leaves(group, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def group_of(field: FieldInfo) -> type[Group] | None:
    """Return the group that a field holds, or None if it holds a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Group) else None


def rows() -> dict[str, Row]:
    """Return setting -> (type, default, meaning), as the reference shows them."""
    return {
        path: (kind_of(field), shown(field.get_default(call_default_factory=True)), str(field.description))
        for path, field in leaves()
    }


def shown(value: object) -> str:
    """Return a default as YAML; `none` if it is unset."""
    if value is None:
        return "none"
    return f"`{yaml.safe_dump(value, default_flow_style=True).removesuffix('...' + chr(10)).strip()}`"


def kind_of(field: FieldInfo) -> str:
    """Return the type of a field in words, with its bounds."""
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
    return {bool: "boolean", int: "integer", float: "number", str: "string", Schedule: "schedule"}[annotation]
