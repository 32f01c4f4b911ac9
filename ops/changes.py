"""The changes of a preview, one per resource: names of properties, and values that may be shown."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.pulumi import Preview

# Pulumi's placeholder for a value that is known only after the deployment.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = "[secret]"  # noqa: S105  # how the CLI masks a secret
MAX_VALUE_CHARS = 120
_REPLACE = "replace"
_MARKS = {"create": "+", "update": "~", "delete": "-", _REPLACE: "±"}
_MOST_DESTRUCTIVE_FIRST = ("delete", _REPLACE, "create", "update")
# A replacement has up to four steps; the one named `replace` has the reasons and stands for all.
_REPLACE_DETAILS = {"create-replacement", "delete-replaced", "discard-replaced"}


@dataclass(frozen=True, slots=True)
class Value:
    """One property that changes; None if it did not exist before, or will not exist after."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one resource."""

    operation: str
    """create, update, replace or delete."""
    kind: str
    """Like aws:ecs:Service."""
    name: str
    properties: tuple[str, ...]
    """Names of the properties that change, of an update or a replacement."""
    values: tuple[Value, ...]

    @property
    def mark(self) -> str:
        """One character for the operation."""
        return _MARKS[self.operation]


def changes_of(preview: Preview) -> list[Change]:
    """
    Return the changes, the most destructive first.

    Only inputs are compared: outputs are set by AWS and may hold secrets that nobody marked.
    """
    changes = [
        _change(step)
        for step in preview.steps
        if step["op"] not in _REPLACE_DETAILS and _is_cloud_resource(step)
    ]
    return sorted(
        changes,
        key=lambda change: (_MOST_DESTRUCTIVE_FIRST.index(change.operation), change.kind, change.name),
    )


def _is_cloud_resource(step: Mapping[str, Any]) -> bool:
    """Return False for components, the stack and its providers."""
    state = step.get("newState") or step.get("oldState") or {}
    return bool(state.get("custom")) and not str(state.get("type", "")).startswith("pulumi:")


def _change(step: Mapping[str, Any]) -> Change:
    _, _, types, name = step["urn"].split("::", 3)
    operation = step["op"] if step["op"] in _MARKS else _REPLACE
    old = _inputs(step, "oldState") if operation != "create" else {}
    new = _inputs(step, "newState") if operation != "delete" else {}
    values = tuple(_changed_values(old, new)) if operation in {"update", _REPLACE} else ()
    properties = step.get("diffReasons") or sorted(
        {value.path.split(".")[0].split("[")[0] for value in values}
    )
    return Change(operation, _short(types.split("$")[-1]), name, tuple(properties), values)


def _short(type_: str) -> str:
    """Shorten aws:ecs/service:Service to aws:ecs:Service."""
    return ":".join(part.split("/")[0] for part in type_.split(":"))


def _inputs(step: Mapping[str, Any], state: str) -> dict[str, str]:
    """Return the inputs of a state as path -> text."""
    return dict(_flatten("", (step.get(state) or {}).get("inputs") or {}))


def _flatten(path: str, value: Any) -> Iterator[tuple[str, str]]:
    value = _parse_document(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not key.startswith("__"):
                yield from _flatten(f"{path}.{key}" if path else key, item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flatten(f"{path}[{number}]", item)
    elif path:
        yield path, _format(value)


def _parse_document(value: Any) -> Any:
    """Parse a JSON document, such as a policy, so that one changed line of it is one line of the diff."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except json.JSONDecodeError:
            return value
    return value


def _format(value: Any) -> str:
    if value == UNKNOWN:
        return "known after the deployment"
    text = SECRET if value == SECRET else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:MAX_VALUE_CHARS]}…"


def _changed_values(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Value]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before != after:
            yield Value(path, before, after)
