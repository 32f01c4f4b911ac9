"""IAM in front of the embedded AWS: lets through what a role's policies allow, and refuses the rest.

moto checks actions and, for most services, no resources, so that a policy for one queue would be refused
altogether. This gateway reads a role's inline policies from the embedded IAM and decides each request by
action and resource, for the three services that the worker uses. It knows Allow and Resource patterns, but
no conditions or denials, of which the stack's policies have none.
"""

import fnmatch
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.platform import client
from tests.forwarding import Answer, Forwarder, http_server

ARN = "arn:aws:{service}:us-east-1:123456789012:{resource}"
TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
S3 = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
Needed = tuple[str, str]
"""An action and a resource."""


@dataclass
class Verdicts:
    """What was asked for, and what of it was refused."""

    allowed: set[Needed] = field(default_factory=set)
    refused: list[Needed] = field(default_factory=list)


def role_grants(cloud: str, role: str) -> set[Needed]:
    """Return the actions and resource patterns of every inline policy of a role, as deployed."""
    iam = client(cloud, "iam")
    found: set[Needed] = set()
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        for statement in iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow"
            found |= {
                (action, pattern) for action in statement["Action"] for pattern in statement["Resource"]
            }
    return found


def needed_by(method: str, path: str, headers: Mapping[str, str], body: bytes) -> list[Needed]:
    """Return what one request needs, by AWS's service authorization reference."""
    service, _, operation = headers.get("X-Amz-Target", "").partition(".")
    if service == "AmazonSQS":
        queue = json.loads(body)["QueueUrl"].rsplit("/", 1)[-1]
        # Batches are authorised by the single action.
        return [(f"sqs:{operation.removesuffix('Batch')}", ARN.format(service="sqs", resource=queue))]
    if service.startswith("DynamoDB_"):
        return list(_dynamodb(operation, json.loads(body)))
    bucket, _, key = urlsplit(path).path.lstrip("/").partition("/")
    if not key:
        return [("s3:ListBucket", f"arn:aws:s3:::{bucket}")]
    return [(f"s3:{S3[method]}", f"arn:aws:s3:::{bucket}/{key}")]


def _dynamodb(operation: str, request: dict[str, Any]) -> Iterator[Needed]:
    parts = request.get("TransactItems", [{operation: request}])
    for part in parts:
        for kind, item in part.items():
            action = TRANSACTION.get(kind, kind)
            yield f"dynamodb:{action}", ARN.format(service="dynamodb", resource=f"table/{item['TableName']}")


class _Gateway(Forwarder):
    """Passes a request on, or refuses it."""

    grants: set[Needed]
    verdicts: Verdicts

    def answer(self, body: bytes) -> Answer:
        """Decide on one request."""
        needed = needed_by(self.command, self.path, dict(self.headers.items()), body)
        refused = [pair for pair in needed if not self._may(*pair)]
        self.verdicts.allowed.update(set(needed) - set(refused))
        if refused:
            return self._refuse(refused)
        answer = self.forward(body)
        # AWS answers 404 only to those who may list the bucket.
        action, resource = needed[0]
        is_hidden = action == "s3:GetObject" and not self._may("s3:ListBucket", resource.partition("/")[0])
        return self._refuse(needed) if answer[0] == HTTPStatus.NOT_FOUND and is_hidden else answer

    def _may(self, action: str, resource: str) -> bool:
        return any(action == one and fnmatch.fnmatchcase(resource, pattern) for one, pattern in self.grants)

    def _refuse(self, refused: list[Needed]) -> Answer:
        self.verdicts.refused += refused
        message = {"__type": "AccessDeniedException", "message": f"not authorized: {refused}"}
        content = json.dumps(message).encode()
        return HTTPStatus.FORBIDDEN, {"Content-Length": str(len(content))}, content


@contextmanager
def gateway(cloud: str, role: str) -> Iterator[tuple[str, Verdicts]]:
    """Serve the embedded AWS under a role's policies; yield the address and what was asked for."""
    verdicts = Verdicts()
    upstream, grants = urlsplit(cloud).netloc, role_grants(cloud, role)
    with http_server(_Gateway, upstream=upstream, grants=grants, verdicts=verdicts) as address:
        yield f"http://{address}", verdicts
