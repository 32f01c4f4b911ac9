"""What a resource of the double is: made, changed and removed through the embedded AWS."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import boto3

Properties = dict[str, Any]


def _note(model: Any, **_: Any) -> None:
    """Write down which operation is called, for the test of the deploying role's policy."""
    with Path(os.environ["STANDIN_CALLS"]).open("a") as calls:
        calls.write(f"{model.service_model.service_name}:{model.name}\n")


class Aws:
    """Clients to the embedded AWS, as the provider's configuration has them."""

    def __init__(self, *, region: str, endpoints: dict[str, str]) -> None:
        self.region = region
        self._endpoints = endpoints

    def client(self, service: str, region: str | None = None) -> Any:
        """A client for one service; refuses a service that the configuration sends to the real AWS."""
        endpoint = self._endpoints.get(service.replace("-", ""))
        if endpoint is None:
            message = f"aws:endpoints names no {service.replace('-', '')}: the call would leave this machine"
            raise LookupError(message)
        made = boto3.client(  # type: ignore[call-overload]  # the name is known at run time only
            service,
            region_name=region or self.region,
            endpoint_url=endpoint,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        made.meta.events.register("before-call", _note)
        return made

    @property
    def account(self) -> str:
        """The embedded AWS's account."""
        return str(self.client("sts").get_caller_identity()["Account"])


class Resource:
    """One type: subclasses say how it is created, and what of it AWS can change in place."""

    token: ClassVar[str]
    # Properties that AWS can only set at creation: a change replaces the resource.
    replaces: ClassVar[frozenset[str]] = frozenset()
    # Whether the old one goes before the new one comes, as both would have the same name.
    delete_first: ClassVar[bool] = True

    def __init__(self, aws: Aws) -> None:
        self.aws = aws

    def create(self, inputs: Properties) -> tuple[str, Properties]:
        """Make it; returns its id and what AWS computed."""
        raise NotImplementedError

    def update(self, id_: str, state: Properties, inputs: Properties) -> Properties:
        """Change it in place; returns what AWS computed."""
        message = f"{self.token} cannot be updated in place"
        raise NotImplementedError(message)

    def delete(self, id_: str, state: Properties) -> None:
        """Remove it."""
        raise NotImplementedError


REGISTRY: dict[str, type[Resource]] = {}


def resource(cls: type[Resource]) -> type[Resource]:
    """Enter a type under its token."""
    REGISTRY[cls.token] = cls
    return cls


Invoke = Callable[[Aws, Properties], Properties]
INVOKES: dict[str, Invoke] = {}


def pairs(tags: Properties | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags in the list form that most of AWS takes."""
    return [{key: name, value: text} for name, text in sorted((tags or {}).items())]


def document(text: str) -> Any:
    """A JSON document of an input, parsed; a broken one fails the test here."""
    return json.loads(text)


def pascal(value: Any) -> Any:
    """Keys in the spelling of AWS's older interfaces: maxCount -> MaxCount."""
    if isinstance(value, dict):
        return {key[0].upper() + key[1:]: pascal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [pascal(item) for item in value]
    return value
