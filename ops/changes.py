"""What a preview would change, a resource each: names of properties, and values where they may be shown."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.pulumi import Previewed

# What the engine writes for a value that is known only once it has been made.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = "[secret]"  # noqa: S105  # as the CLI masks one
LONGEST_VALUE = 120
_MARKS = {"create": "+", "update": "~", "delete": "-"}
_REPLACING = "replace"
# One replacement is up to three steps; the one that names the reasons stands for all.
_PARTS_OF_REPLACING = {"create-replacement", "delete-replaced", "discard-replaced"}


@dataclass(frozen=True, slots=True)
class Value:
    """One property that changes; None where there was, or will be, nothing."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """What would be done to one resource."""

    operation: str
    """create, update, replace or delete."""
    kind: str
    """Like aws:ecs:Service."""
    name: str
    properties: tuple[str, ...]
    """The properties that changed, as the provider names them; of an update or a replacement."""
    values: tuple[Value, ...]

    @property
    def mark(self) -> str:
        """One sign for the operation."""
        return _MARKS.get(self.operation, "±")


def changes_of(previewed: Previewed) -> list[Change]:
    """
    Return what would be done, what destroys first.

    Only inputs are looked at: outputs hold what AWS made up, and may hold what nobody marked as a secret.
    """
    order = ("delete", _REPLACING, "create", "update")
    found = [
        _change(step)
        for step in previewed.steps
        if step["op"] not in _PARTS_OF_REPLACING and _is_in_the_cloud(step)
    ]
    return sorted(found, key=lambda change: (order.index(change.operation), change.kind, change.name))


def _is_in_the_cloud(step: Mapping[str, Any]) -> bool:
    """Whether it is a resource: components, the stack and its providers are the program's own affair."""
    state = step.get("newState") or step.get("oldState") or {}
    return bool(state.get("custom")) and not str(state.get("type", "")).startswith("pulumi:")


def _change(step: Mapping[str, Any]) -> Change:
    _, _, types, name = step["urn"].split("::", 3)
    operation = step["op"] if step["op"] in _MARKS else _REPLACING
    old = _inputs(step, "oldState") if operation != "create" else {}
    new = _inputs(step, "newState") if operation != "delete" else {}
    values = tuple(_values(old, new)) if operation in {"update", _REPLACING} else ()
    reasons = step.get("diffReasons") or sorted({value.path.split(".")[0].split("[")[0] for value in values})
    return Change(operation, _kind(types.split("$")[-1]), name, tuple(reasons), values)


def _kind(type_: str) -> str:
    """Shorten aws:ecs/service:Service to aws:ecs:Service."""
    return ":".join(part.split("/")[0] for part in type_.split(":"))


def _inputs(step: Mapping[str, Any], state: str) -> dict[str, str]:
    """Return the inputs of a state, a line each: path -> value as text; an empty list has no line."""
    return dict(_flat("", (step.get(state) or {}).get("inputs") or {}))


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    value = _opened(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not key.startswith("__"):
                yield from _flat(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flat(f"{path}[{number}]", item)
    elif path:
        yield path, _shown(value)


def _opened(value: Any) -> Any:
    """Open documents that AWS takes as text, so that one line of a policy that changes is one line here."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _shown(value: Any) -> str:
    if value == UNKNOWN:
        return "known after the deployment"
    text = value if isinstance(value, str) and value == SECRET else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def _values(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Value]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before != after:
            yield Value(path, before, after)
