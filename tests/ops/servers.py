"""Web services on loopback: JSON over HTTP, and GitHub's comments."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.forwarding import http_server

TOKEN = "ghs_loopback"
REPOSITORY = "acme/story-tts"
MAX_COMMENT_CHARS = 65_536
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PERSON = {"login": "somebody", "type": "User"}


class Request(NamedTuple):
    """A request; its body is parsed JSON, an empty object without one."""

    method: str
    path: str
    headers: Message
    body: Any


@contextmanager
def serve_json(answer: Callable[[Request], tuple[int, Any]]) -> Iterator[str]:
    """Answer every request with a status and a document; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            status, document = answer(Request(self.command, self.path, self.headers, body))
            payload = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815  # names of http.server

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with http_server(Handler) as address:
        yield f"http://{address}"


@dataclass
class GitHubServer:
    """The comments of a repository, with GitHub's limits."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Return the variables of a job of this repository."""
        return {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": REPOSITORY}

    def add_comment(self, number: int, body: str, user: Mapping[str, str]) -> dict[str, Any]:
        """Write a comment on issue or pull request `number`."""
        id_ = len(self.comments) + 1
        url = f"{self.url}/{REPOSITORY}/issues/{number}#issuecomment-{id_}"
        self.comments.append({"id": id_, "issue": number, "body": body, "user": user, "html_url": url})
        return self.comments[-1]

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return status and document."""
        url = urlsplit(request.path)
        match = re.fullmatch(rf"/repos/{REPOSITORY}/issues/(?:comments/)?(\d+)(?:/comments)?", url.path)
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        if match is None or len(request.body.get("body", "")) > MAX_COMMENT_CHARS:
            return 422, {"message": "Validation Failed"}
        number = int(match[1])
        if request.method == "POST":
            return 201, self.add_comment(number, request.body["body"], BOT)
        if request.method == "PATCH":
            comment = self.comments[number - 1]
            assert comment["user"] == BOT, "the comment of a person would be overwritten"
            comment.update(request.body)
            return 200, comment
        query = parse_qs(url.query)
        size, page = int(query["per_page"][0]), int(query["page"][0])
        assert size <= 100, "GitHub returns 100 entries per page at most"
        found = [comment for comment in self.comments if comment["issue"] == number]
        return 200, found[(page - 1) * size : page * size]
