"""IAM in front of the embedded AWS: lets through what a role's policies allow, and refuses the rest.

moto checks actions and, for most services, no resources, so that a policy for one queue would be refused
altogether. This gateway reads a role's inline policies from the embedded IAM and decides each request by
action and resource, for the three services that the worker talks to. It knows Allow, Resource patterns, and
nothing of conditions or denials, of which the stack's policies have none.
"""

import fnmatch
import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.platform import client

# What the gateway writes itself.
REWRITTEN = {"transfer-encoding", "connection", "content-length", "server", "date"}

REGION, ACCOUNT = "us-east-1", "123456789012"
TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


@dataclass
class Verdicts:
    """What was asked for, and what of it was refused."""

    allowed: set[tuple[str, str]] = field(default_factory=set)
    refused: list[tuple[str, str]] = field(default_factory=list)


def role_statements(cloud: str, role: str) -> list[tuple[list[str], list[str]]]:
    """Actions and resources of every inline policy of a role, as deployed."""
    iam = client(cloud, "iam")
    found: list[tuple[list[str], list[str]]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for statement in document["Statement"]:
            assert statement["Effect"] == "Allow"
            found.append((statement["Action"], statement["Resource"]))
    return found


def asked_for(method: str, path: str, headers: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    """The actions and resources that one request needs, by AWS's service authorization reference."""
    target = headers.get("X-Amz-Target", "")
    if target.startswith("AmazonSQS."):
        queue = json.loads(body)["QueueUrl"].rsplit("/", 1)[-1]
        return [(_sqs_action(target), f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}")]
    if target.startswith("DynamoDB_"):
        return _dynamodb(target.split(".")[1], json.loads(body))
    bucket, _, key = urlsplit(path).path.lstrip("/").partition("/")
    if not key:
        return [("s3:ListBucket", f"arn:aws:s3:::{bucket}")]
    actions = {
        "GET": "s3:GetObject",
        "HEAD": "s3:GetObject",
        "PUT": "s3:PutObject",
        "DELETE": "s3:DeleteObject",
    }
    return [(actions[method], f"arn:aws:s3:::{bucket}/{key}")]


def _sqs_action(target: str) -> str:
    # Batches are authorised by the single action.
    return "sqs:" + target.split(".")[1].removesuffix("Batch")


def _dynamodb(operation: str, request: dict[str, Any]) -> list[tuple[str, str]]:
    def table(name: str) -> str:
        return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"

    if operation == "TransactWriteItems":
        return [
            (f"dynamodb:{TRANSACTION[kind]}", table(item["TableName"]))
            for part in request["TransactItems"]
            for kind, item in part.items()
        ]
    if operation == "TransactGetItems":
        return [("dynamodb:GetItem", table(part["Get"]["TableName"])) for part in request["TransactItems"]]
    return [(f"dynamodb:{operation}", table(request["TableName"]))]


@contextmanager
def gateway(cloud: str, role: str) -> Iterator[tuple[str, Verdicts]]:
    """Serve the embedded AWS under a role's policies; yields the address and what was asked for."""
    server = Gate(cloud=cloud, statements=role_statements(cloud, role))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.verdicts
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Gate(ThreadingHTTPServer):
    """The server, with what its requests are decided by."""

    daemon_threads = True

    def __init__(self, *, cloud: str, statements: list[tuple[list[str], list[str]]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cloud = cloud
        self.verdicts = Verdicts()
        self._statements = statements

    def may(self, action: str, resource: str) -> bool:
        """Whether the role's policies allow an action on a resource."""
        return any(
            action in actions and any(fnmatch.fnmatchcase(resource, pattern) for pattern in patterns)
            for actions, patterns in self._statements
        )

    def may_learn_of_absence(self, needed: tuple[str, str]) -> bool:
        """Whether AWS would answer 404: it does so only to those who may list the bucket."""
        action, resource = needed
        return action != "s3:GetObject" or self.may("s3:ListBucket", resource.partition("/")[0])


class Handler(BaseHTTPRequestHandler):
    """Decides one request, and passes it on or refuses it."""

    protocol_version = "HTTP/1.1"
    server: Gate

    def _serve(self) -> None:
        body = _body(self)
        needed = asked_for(self.command, self.path, dict(self.headers.items()), body)
        refused = [pair for pair in needed if not self.server.may(*pair)]
        self.server.verdicts.allowed.update(set(needed) - set(refused))
        if refused:
            self._refuse(refused)
        else:
            self._pass_on(body, needed)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the library's names

    def _pass_on(self, body: bytes, needed: list[tuple[str, str]]) -> None:
        upstream = urlsplit(self.server.cloud)
        connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port or 80, timeout=60)
        sent = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
        connection.request(self.command, self.path, body, {**sent, "Content-Length": str(len(body))})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status == HTTPStatus.NOT_FOUND and not self.server.may_learn_of_absence(needed[0]):
            self._refuse(needed)
            return
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in REWRITTEN}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length") or "0"
        self._answer(answer.status, headers, content)

    def _refuse(self, refused: list[tuple[str, str]]) -> None:
        self.server.verdicts.refused += refused
        message = {"__type": "AccessDeniedException", "message": f"not authorized: {refused}"}
        self._answer(HTTPStatus.FORBIDDEN, {}, json.dumps(message).encode())

    def _answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """A test reads the verdicts, and no access log."""


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if "chunked" not in request.headers.get("Transfer-Encoding", ""):
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    content = b""
    while size := int(re.split(rb"[;\r]", request.rfile.readline())[0], 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass
    return content
