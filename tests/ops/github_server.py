"""GitHub's REST interface on loopback, as much of it as comments and issues are, and as strict."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.ops.loopback import Question, answering

TOKEN = "ghs_loopback"
REPOSITORY = "acme/story-tts"
LONGEST_BODY = 65_536
BOT = {"login": "github-actions[bot]", "type": "Bot"}
PERSON = {"login": "somebody", "type": "User"}


@dataclass
class GitHubServer:
    """The repository's issues and comments, and every request that was made."""

    url: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failing: int | None = None
    """Answer everything with this status."""

    def environment(self) -> dict[str, str]:
        """What the runner sets for a job of this repository."""
        return {"GITHUB_API_URL": self.url, "GITHUB_REPOSITORY": REPOSITORY, "GITHUB_ACTIONS": "true"}

    def add_comment(self, number: int, body: str, user: dict[str, str]) -> dict[str, Any]:
        """Write a comment."""
        entry = {"id": len(self.comments) + 1, "issue": number, "body": body, "user": user}
        entry["html_url"] = f"{self.url}/{REPOSITORY}/issues/{number}#issuecomment-{entry['id']}"
        self.comments.append(entry)
        return entry

    def add_issue(self, title: str, body: str, user: dict[str, str], **more: Any) -> dict[str, Any]:
        """Open an issue; `pull_request` in `more` makes it one."""
        number = len(self.issues) + 1
        entry = {"number": number, "title": title, "body": body, "user": user, "state": "open"}
        entry |= {"html_url": f"{self.url}/{REPOSITORY}/issues/{number}"} | more
        self.issues.append(entry)
        return entry

    @property
    def writes(self) -> list[tuple[str, str]]:
        """The requests that changed something."""
        return [request for request in self.requests if request[0] != "GET"]

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Return status and document."""
        url = urlsplit(path)
        if len(str(body.get("body", ""))) > LONGEST_BODY:
            return 422, {"message": "body is too long (maximum is 65536 characters)"}
        for verb, pattern, handler in (
            ("GET", r"/issues/(\d+)/comments", lambda number: self._page(url.query, self._of(int(number)))),
            ("POST", r"/issues/(\d+)/comments", lambda n: self.add_comment(int(n), body["body"], BOT)),
            (
                "PATCH",
                r"/issues/comments/(\d+)",
                lambda id_: self._change(self.comments, "id", int(id_), body),
            ),
            ("GET", r"/issues", lambda: self._page(url.query, self._open())),
            ("POST", r"/issues", lambda: self.add_issue(body["title"], body["body"], BOT)),
            ("PATCH", r"/issues/(\d+)", lambda n: self._change(self.issues, "number", int(n), body)),
        ):
            match = re.fullmatch(f"/repos/{REPOSITORY}{pattern}", url.path)
            if match and method == verb:
                return (201 if method == "POST" else 200), handler(*match.groups())
        return 404, {"message": "Not Found"}

    def _of(self, number: int) -> list[dict[str, Any]]:
        return [comment for comment in self.comments if comment["issue"] == number]

    def _open(self) -> list[dict[str, Any]]:
        return [issue for issue in self.issues if issue["state"] == "open"]

    @staticmethod
    def _page(query: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        asked = parse_qs(query)
        size, number = int(asked.get("per_page", ["30"])[0]), int(asked.get("page", ["1"])[0])
        assert size <= 100, "GitHub gives a hundred a page at most"
        return entries[(number - 1) * size : number * size]

    @staticmethod
    def _change(entries: list[dict[str, Any]], key: str, value: int, body: dict[str, Any]) -> dict[str, Any]:
        entry = next(entry for entry in entries if entry[key] == value)
        assert entry["user"] == BOT, "the job's token would write into a person's text"
        entry |= body
        return entry


@contextmanager
def github_server() -> Iterator[GitHubServer]:
    """Serve for the block."""
    state = GitHubServer()

    def answer(question: Question) -> tuple[int, Any]:
        state.requests.append((question.method, urlsplit(question.path).path))
        if state.failing is not None:
            return state.failing, {"message": "broken"}
        if question.headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}
        return state.answer(question.method, question.path, question.body)

    with answering(answer) as state.url:
        yield state
