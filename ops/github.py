"""
GitHub's REST interface, as much of it as comments and issues need, on the standard library alone.

A job that may write to the repository installs nothing from a registry first.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from ops.errors import DeliveryError

PAGE = 100
TIMEOUT_SECS = 30


@dataclass(frozen=True, slots=True)
class GitHub:
    """One repository, as the job's token sees it."""

    api_url: str
    repository: str
    token: str

    @classmethod
    def of_job(cls) -> Self:
        """Return the repository of the running job. Raises DeliveryError where a variable is missing."""
        names = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise DeliveryError(f"{', '.join(missing)} not set: a job of GitHub Actions has them")
        return cls(*(os.environ[name] for name in names))

    def comment_once(self, number: int, body: str, *, marker: str) -> str:
        """Write the comment of pull request or issue `number` that `marker` marks, and return its address."""
        comments = self._pages(f"/issues/{number}/comments")
        mine = next((comment for comment in comments if _is_ours(comment, marker)), None)
        text = {"body": _marked(body, marker)}
        if mine is None:
            return str(self._call("POST", f"/issues/{number}/comments", text)["html_url"])
        return str(self._call("PATCH", f"/issues/comments/{mine['id']}", text)["html_url"])

    def find_issue(self, marker: str) -> dict[str, Any] | None:
        """Return the open issue that `marker` marks."""
        issues = self._pages("/issues?state=open")
        return next(
            (issue for issue in issues if "pull_request" not in issue and _is_ours(issue, marker)), None
        )

    def open_issue(self, title: str, body: str, *, marker: str) -> str:
        """Open an issue, and return its address."""
        return str(self._call("POST", "/issues", {"title": title, "body": _marked(body, marker)})["html_url"])

    def update_issue(self, number: int, body: str, *, marker: str) -> str:
        """Replace an issue's text, and return its address."""
        return str(self._call("PATCH", f"/issues/{number}", {"body": _marked(body, marker)})["html_url"])

    def close_issue(self, number: int, farewell: str) -> None:
        """Say why, and close it."""
        self._call("POST", f"/issues/{number}/comments", {"body": farewell})
        self._call("PATCH", f"/issues/{number}", {"state": "closed", "state_reason": "completed"})

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        separator = "&" if "?" in path else "?"
        number = 1
        while True:
            page = self._call("GET", f"{path}{separator}per_page={PAGE}&page={number}")
            yield from page
            if len(page) < PAGE:
                return
            number += 1

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the address is the job's own
            f"{self.api_url}/repos/{self.repository}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "Content-Type": "application/json",
                "User-Agent": "story-tts-ops",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECS) as answer:  # noqa: S310  # as above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise DeliveryError(
                f"GitHub: {method} {path.partition('?')[0]} answered {error.code} {error.reason}"
            ) from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise DeliveryError(
                f"GitHub: {method} {path.partition('?')[0]} got no answer: {error}"
            ) from error


def _marked(body: str, marker: str) -> str:
    return f"<!-- {marker} -->\n{body}"


def _is_ours(entry: dict[str, Any], marker: str) -> bool:
    """Whether a bot wrote it: a marker that a person copied must not have us write into their text."""
    return entry["user"]["type"] == "Bot" and str(entry["body"] or "").startswith(f"<!-- {marker} -->")


def is_marked_as(entry: dict[str, Any], body: str, *, marker: str) -> bool:
    """Whether an issue says exactly this already."""
    return str(entry["body"]).replace("\r\n", "\n") == _marked(body, marker)
