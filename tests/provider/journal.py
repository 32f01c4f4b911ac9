"""The journal: which operations of AWS the provider calls for each type of resource."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FILE = Path(__file__).parent / "journal.json"
STEPS = ("create", "read", "update", "delete")

Journal = dict[str, dict[str, set[str]]]
"""Terraform's type -> step -> operations, as the provider's SDK names them: SQS/CreateQueue."""

_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\dT)", re.MULTILINE)
_FIELD = re.compile(r'\b(rpc\.method|tf_resource_type|tf_data_source_type|tf_rpc)=(?:"([^"]+)"|(\S+))')


def requests(log: str) -> Iterator[tuple[str, str, str]]:
    """Yield type, call of Terraform's and operation of AWS for each request in a provider's log."""
    for record in _RECORD.split(log):
        if "HTTP Request Sent" in record:
            fields = {name: quoted or plain for name, quoted, plain in _FIELD.findall(record)}
            type_ = fields.get("tf_resource_type") or f"data {fields.get('tf_data_source_type', '')}".strip()
            if type_ != "data":
                yield type_, fields["tf_rpc"], fields["rpc.method"]


def journal(log: str, *, step: str) -> Journal:
    """Return what a log holds; changes of resources belong to `step`."""
    found: Journal = {}
    for type_, call, operation in requests(log):
        kind = step if call == "ApplyResourceChange" else "read"
        found.setdefault(type_, {}).setdefault(kind, set()).add(operation)
    return found


def merge(*journals: Journal) -> Journal:
    """Return the union of journals."""
    merged: Journal = {}
    for one in journals:
        for type_, steps in one.items():
            for step, operations in steps.items():
                merged.setdefault(type_, {}).setdefault(step, set()).update(operations)
    return merged


def operations(found: Journal, *steps: str) -> set[str]:
    """Return the operations of these steps, or of all."""
    return {
        name
        for kinds in found.values()
        for step, names in kinds.items()
        if step in (steps or STEPS)
        for name in names
    }


def read_journal() -> Journal:
    """Return the journal that is checked in."""
    return parse(FILE.read_text())


def parse(text: str) -> Journal:
    """Return a journal that `dump` wrote."""
    written = json.loads(text)
    return {type_: {step: set(names) for step, names in steps.items()} for type_, steps in written.items()}


def dump(found: Mapping[str, Mapping[str, set[str]]]) -> str:
    """Return a journal as JSON: one line per type and step."""
    types = []
    for type_ in sorted(found):
        steps = [
            f'    "{step}": {json.dumps(sorted(found[type_][step]))}'
            for step in STEPS
            if step in found[type_]
        ]
        types.append(f'  "{type_}": {{\n' + ",\n".join(steps) + "\n  }")
    return "{\n" + ",\n".join(types) + "\n}\n"
