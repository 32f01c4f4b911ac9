"""Translates a recording into Terraform's JSON, by the schema that the provider itself reports."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pulumi

from tests.provider.references import dependencies
from tests.stack.recording import Declared, Recording

Json = dict[str, Any]
# Types and properties whose names in Terraform differ from Pulumi's by more than their spelling.
TYPES = {
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": "aws_s3_bucket_replication_configuration",
    "aws:sqs/redrivePolicy:RedrivePolicy": "aws_sqs_queue_redrive_policy",
}
PROPERTIES = {
    ("aws_cloudwatch_metric_alarm", "name"): "alarm_name",
    ("aws_sns_topic_subscription", "topic"): "topic_arn",
}
# Properties that are newer than the built provider, which tools/provider/go.mod pins.
NEWER = {("aws_sns_topic", "maximum_message_size")}
REFERENCE = re.compile(r"(?P<arn>arn:aws:[a-z0-9-]*:[a-z0-9-]*:\d*:)?@@(?P<number>\d+)\|(?P<attribute>\w+)@@")


class TranslationError(Exception):
    """A type or property of the program that the provider does not have."""


def snake(name: str) -> str:
    """Return camelCase as snake_case."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def spellings(name: str) -> Iterator[str]:
    """Yield the names that Terraform may use: Pulumi has the plural of repeated blocks."""
    yield name
    if name.endswith("ies"):
        yield f"{name[:-3]}y"
    if name.endswith("es"):
        yield name[:-2]
    if name.endswith("s"):
        yield name[:-1]
    yield f"{name}s"


def type_of(token: str, schema: Mapping[str, Any]) -> str:
    """Return Terraform's type of Pulumi's. Raises TranslationError."""
    _, module, kind = token.split(":")
    service = module.split("/")[0].replace("servicediscovery", "service_discovery")
    for name in (TYPES.get(token, ""), f"aws_{service}_{snake(kind)}", f"aws_{snake(kind)}"):
        if name in schema:
            return name
    raise TranslationError(f"the provider has no type for {token}")


class Translator:
    """Translates one recording; `schema` is the provider's in `terraform providers schema -json`."""

    def __init__(self, schema: Mapping[str, Any], recording: Recording) -> None:
        self._schema = schema["resource_schemas"]
        self._data_schema = schema["data_source_schemas"]
        self._recording = recording

    def data_sources(self, calls: Iterable[tuple[str, Mapping[str, Any]]]) -> Json:
        """Return data sources, given by token and arguments: type -> label -> arguments."""
        found: dict[str, Json] = {}
        for number, (token, arguments) in enumerate(calls):
            type_ = type_of(token.replace("/get", "/").replace(":get", ":"), self._data_schema)
            block = self._data_schema[type_]["block"]
            found.setdefault(type_, {})[f"call_{number}"] = self._block(arguments, block, type_)
        return found

    def resources(self) -> Json:
        """Return all resources of AWS: type -> label -> arguments."""
        found: dict[str, Json] = {}
        for item in self._recording.resources:
            if item.type.startswith("aws:"):
                found.setdefault(type_of(item.type, self._schema), {})[label(item.name)] = self._resource(
                    item
                )
        return found

    def _resource(self, item: Declared) -> Json:
        type_ = type_of(item.type, self._schema)
        block = self._schema[type_]["block"]
        options = self._recording.options[f"{item.type} {item.name}"]
        arguments = self._resolve(self._block(item.inputs, block, type_))
        return {**arguments, **self._meta(options, block)}

    def _meta(self, options: pulumi.ResourceOptions, block: Json) -> Json:
        """Translate the options of a resource."""
        meta: Json = {"lifecycle": {"create_before_destroy": not options.delete_before_replace}}
        if options.ignore_changes:
            meta["lifecycle"]["ignore_changes"] = [snake(name) for name in options.ignore_changes]
        if waits := dependencies(options):
            meta["depends_on"] = [f"{type_of(token, self._schema)}.{label(name)}" for token, name in waits]
        if options.custom_timeouts:
            wanted = vars(options.custom_timeouts)
            offered = block["block_types"]["timeouts"]["block"]["attributes"]
            meta["timeouts"] = {name: wanted[name] for name in offered if wanted.get(name)}
        return meta

    def _block(self, values: Mapping[str, Any], block: Json, place: str) -> Json:
        arguments: Json = {}
        for key, value in values.items():
            if value is None or (place, snake(key)) in NEWER:
                continue
            name = PROPERTIES.get((place, key), snake(key))
            found, kind = self._find(name, block, place)
            if kind == "block_types":
                inner = block[kind][found]["block"]
                items = value if isinstance(value, list) else [value]
                arguments[found] = [self._block(one, inner, f"{place}.{found}") for one in items]
            else:
                arguments[found] = self._attribute(value, block[kind][found], f"{place}.{found}")
        return arguments

    @staticmethod
    def _find(name: str, block: Json, place: str) -> tuple[str, str]:
        for spelling in spellings(name):
            for kind in ("attributes", "block_types"):
                if spelling in block.get(kind, {}):
                    return spelling, kind
        raise TranslationError(f"{place}: the provider has no property {name}")

    def _attribute(self, value: Any, attribute: Json, place: str) -> Any:
        if "nested_type" in attribute:
            inner = {"attributes": attribute["nested_type"]["attributes"]}
            if isinstance(value, list):
                return [self._block(item, inner, place) for item in value]
            return self._block(value, inner, place)
        if attribute.get("type") == "string" and isinstance(value, list | dict):
            return json.dumps(value)
        return value

    def _resolve(self, value: Any) -> Any:
        """Turn references into Terraform's, and escape what Terraform would take for one."""
        if isinstance(value, dict):
            return {key: self._resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._resolve(item) for item in value]
        if isinstance(value, str):
            return REFERENCE.sub(self._reference, value.replace("${", "$${"))
        return value

    def _reference(self, match: re.Match[str]) -> str:
        item = self._recording.resources[int(match["number"])]
        type_ = type_of(item.type, self._schema)
        attribute = PROPERTIES.get((type_, match["attribute"]), snake(match["attribute"]))
        if attribute == "arn" and not match["arn"]:
            attribute = "name"  # the last part of an ARN that the program took apart
        # An ARN of the recorder's gives way to AWS's; one that the program composed from a name stays.
        prefix = match["arn"] if match["arn"] and attribute != "arn" else ""
        return f"{prefix}${{{type_}.{label(item.name)}.{attribute}}}"


def label(name: str) -> str:
    """Return Terraform's label of a resource."""
    return re.sub(r"[^\w-]", "_", name)
