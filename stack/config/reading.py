"""Reads the settings from Pulumi's configuration; errors show the YAML to write."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import pulumi
import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stack.config.groups import Group
from stack.config.settings import Settings

NAMESPACE = "story-tts"


class SettingsError(pulumi.RunError):
    """The settings are invalid; Pulumi shows the message without a stack trace."""


def read_settings(raw: Mapping[str, str], *, stack: str) -> Settings:
    """Read the settings from Pulumi's raw configuration (`namespace:key` -> text, groups as JSON).

    Keys of other namespaces are ignored. Raises SettingsError that lists every fault.
    """
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, text in sorted(raw.items()):
        namespace, _, key = name.partition(":")
        if namespace != NAMESPACE:
            continue
        try:
            values[key] = json.loads(text) if _is_group(key) else text
        except json.JSONDecodeError:
            faults.append(_explain([key], f"this is a group of settings, not {text!r}", _group_example(key)))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as invalid:
        faults += [_translate(error) for error in invalid.errors()]
    if faults:
        raise SettingsError(f"Pulumi.{stack}.yaml has invalid settings.\n\n" + "\n\n".join(faults))
    return settings


def setting_error(key: str, text: str, *, example: object) -> SettingsError:
    """An error for a setting (`group.name`) whose value proves wrong only while the program runs."""
    return SettingsError(_explain(key.split("."), text, example))


def _is_group(key: str) -> bool:
    field = Settings.model_fields.get(key)
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Group)


def _translate(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    path = [str(part) for part in error["loc"]]
    path += context["key"].split(".") if "key" in context else []
    model, known = _model_at(path[:-1])
    inner = path[2 if _is_group(path[0]) else 1 :]
    if inner and "key" not in context:
        # An item of a list or a map: the whole of it is shown.
        path = path[: -len(inner)]
        return _explain(path, f"{'.'.join(inner)}: {_sentence(error)}", _example(model, path))
    if error["type"] == "extra_forbidden":
        return _refuse_unknown(path, known, model)
    example = context["example"] if "example" in context else _example(model, path)
    return _explain(path, _sentence(error), example)


def _refuse_unknown(path: list[str], known: list[str], model: type[Group]) -> str:
    """Name the known settings, and show the YAML of the closest one."""
    text = f"{NAMESPACE}:{'.'.join(path)}: unknown setting"
    if path == ["region"]:
        return f"{text}; the region is a setting of the provider.\n{_write('aws:region', 'us-east-1')}"
    text += f"; known settings: {', '.join(known)}."
    meant = get_close_matches(path[-1], known, n=1)
    if not meant:
        return f"{text}\nRemove it or correct its name."
    named = [*path[:-1], meant[0]]
    return f"{text}\n{_write_setting(named, _example(model, named))}"


def _sentence(error: ErrorDetails) -> str:
    if error["type"] == "stack" or "key" in error.get("ctx", {}):
        return error["msg"]
    return f"{error['msg']}, not {error['input']!r}"


def _model_at(path: list[str]) -> tuple[type[Group], list[str]]:
    """The group that a path leads to, and the names of its settings."""
    model: type[Group] = Settings
    if path and _is_group(path[0]):
        annotation = Settings.model_fields[path[0]].annotation
        assert isinstance(annotation, type)  # noqa: S101 - checked by _is_group
        model = annotation
    return model, sorted(model.model_fields)


def _example(model: type[Group], path: list[str]) -> object:
    """A valid value: the field's example, or its default."""
    named = [part for part in path if part in model.model_fields]
    if not named:
        return "..."
    field = model.model_fields[named[-1]]
    if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
        return _group_example(named[-1])
    return field.examples[0] if field.examples else field.default


def _group_example(key: str) -> dict[str, object]:
    model, known = _model_at([key])
    return {known[0]: _example(model, [known[0]])}


def _explain(path: list[str], text: str, example: object) -> str:
    return f"{NAMESPACE}:{'.'.join(path)}: {text}.\n{_write_setting(path, example)}"


def _write_setting(keys: list[str], value: object) -> str:
    for key in reversed(keys[1:]):
        value = {key: value}
    return _write(f"{NAMESPACE}:{keys[0]}", value)


def _write(key: str, value: object) -> str:
    """The YAML that sets a key."""
    shown = yaml.safe_dump({"config": {key: value}}, sort_keys=False).rstrip()
    return "Write, for example:\n\n" + "\n".join(f"    {line}" for line in shown.splitlines())
