"""A resource as a rule sees it, and helpers for the JSON documents among its inputs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that is about to be created or updated."""

    type: str
    """Pulumi's type, like aws:sqs/queue:Queue."""
    inputs: Mapping[str, Any]
    is_protected: bool = False
    """Whether the engine refuses to delete or replace it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for resources of some types; `check` yields a message for each violation."""

    name: str
    description: str
    types: frozenset[str]
    check: Callable[[Resource], Iterator[str]]


def statements(document: Any) -> list[Mapping[str, Any]]:
    """Return the statements of a policy document, given as JSON or as an object."""
    parsed = parse(document) or {}
    return as_list(parsed.get("Statement"))


def parse(document: Any) -> Any:
    """Return a document that may be JSON."""
    return json.loads(document) if isinstance(document, str) else document


def as_list(value: Any) -> list[Any]:
    """Return a list, also of what AWS allows to be a single value."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
