"""Operations that moto does not have, or whose settings it forgets, in AWS's JSON protocols."""

from collections.abc import Callable
from typing import Any, Protocol

Json = dict[str, Any]
Answer = tuple[str, Json]
"""Status line and content."""
Ask = Callable[[], Answer]
"""Has moto answer the request."""
OK = "200 OK"


class Correction(Protocol):
    """Answers some operations of one service in moto's stead."""

    operations: frozenset[str]

    def answer(self, operation: str, request: Json, ask: Ask) -> Answer:
        """Answer one request."""


class ScalableTargetTags:
    """Tags of scalable targets."""

    operations = frozenset({"ListTagsForResource", "RegisterScalableTarget", "TagResource", "UntagResource"})

    def __init__(self) -> None:
        self._tags: dict[str, dict[str, str]] = {}

    def answer(self, operation: str, request: Json, ask: Ask) -> Answer:
        """Remember tags when a target is registered."""
        if operation == "RegisterScalableTarget":
            status, content = ask()
            self._tags.setdefault(content.get("ScalableTargetARN", ""), {}).update(request.get("Tags", {}))
            return status, content
        tags = self._tags.setdefault(request["ResourceARN"], {})
        tags.update(request.get("Tags", {}))
        for key in request.get("TagKeys", []):
            tags.pop(key, None)
        return OK, {"Tags": tags} if operation == "ListTagsForResource" else {}


def _merged(known: Json, request: Json, name: str) -> Any:
    """Return a setting after an update, which names only what changes in a structure."""
    value = request[name]
    return {**known.get(name, {}), **value} if isinstance(value, dict) else value


class EcsServices:
    """Services with all that they were created and updated with; each deployment succeeds at once."""

    operations = frozenset(
        {
            "CreateService",
            "DescribeServiceDeployments",
            "DescribeServices",
            "ListServiceDeployments",
            "UpdateService",
        }
    )
    _remembered = (
        "availabilityZoneRebalancing",
        "capacityProviderStrategy",
        "deploymentConfiguration",
        "enableECSManagedTags",
        "enableExecuteCommand",
    )

    def __init__(self) -> None:
        self._settings: dict[str, Json] = {}
        self._deployments: dict[str, Json] = {}

    def answer(self, operation: str, request: Json, ask: Ask) -> Answer:
        """Complete moto's answer; deployments are not known to moto at all."""
        if operation.endswith("ServiceDeployments"):
            return OK, {"serviceDeployments": list(self._deployments.values())}
        status, content = ask()
        if status == OK:
            if "service" in content:
                known = self._settings.setdefault(content["service"]["serviceArn"], {})
                known |= {name: _merged(known, request, name) for name in self._remembered if name in request}
            for service in content.get("services", [content.get("service")]):
                self._describe(service)
        return status, content

    def _describe(self, service: Json) -> None:
        settings = self._settings.get(service["serviceArn"], {})
        service |= settings
        if settings.get("capacityProviderStrategy"):
            service.pop("launchType", None)
        service |= {"runningCount": service["desiredCount"], "pendingCount": 0}
        service["deployments"] = [one for one in service["deployments"] if one["status"] == "PRIMARY"]
        for deployment in service["deployments"]:
            deployment |= {"rolloutState": "COMPLETED", "runningCount": service["desiredCount"]}
            revision = deployment["id"].partition("/")[2]
            arn = f"{service['serviceArn'].replace(':service/', ':service-deployment/')}/{revision}"
            self._deployments = {
                arn: {
                    "serviceDeploymentArn": arn,
                    "serviceArn": service["serviceArn"],
                    "targetServiceRevisionArn": f"{service['serviceArn']}/{revision}",
                    "status": "SUCCESSFUL",
                }
            }
