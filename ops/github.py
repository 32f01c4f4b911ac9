"""
Writes one comment on a pull request through GitHub's REST API, on the standard library alone.

A job that may write to the repository installs nothing from a registry first.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from ops.errors import OpsError

PAGE_SIZE = 100
TIMEOUT_SECS = 30


@dataclass(frozen=True, slots=True)
class GitHub:
    """One repository, with the token of the running job."""

    api_url: str
    repository: str
    token: str

    @classmethod
    def from_job(cls) -> Self:
        """Return the repository of the running job. Raises OpsError that names all missing variables."""
        names = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise OpsError(f"{', '.join(missing)} not set: a job of GitHub Actions has them")
        return cls(*(os.environ[name] for name in names))

    def put_comment(self, number: int, body: str, *, marker: str) -> str:
        """
        Create or rewrite the comment with `marker` on pull request `number`; return its address.

        Only comments by bots are rewritten: a person may have copied the marker. Raises OpsError.
        """
        start = f"<!-- {marker} -->"
        text = {"body": f"{start}\n{body}"}
        for comment in self._comments(number):
            if comment["user"]["type"] == "Bot" and str(comment["body"] or "").startswith(start):
                return str(self._call("PATCH", f"/issues/comments/{comment['id']}", text)["html_url"])
        return str(self._call("POST", f"/issues/{number}/comments", text)["html_url"])

    def _comments(self, number: int) -> Iterator[dict[str, Any]]:
        page = 1
        while comments := self._call("GET", f"/issues/{number}/comments?per_page={PAGE_SIZE}&page={page}"):
            yield from comments
            page += 1

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the address comes from the job itself
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
        call = f"{method} {path.partition('?')[0]}"
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECS) as answer:  # noqa: S310  # as above
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise OpsError(f"GitHub: {call} answered {error.code} {error.reason}") from error
        except (urllib.error.URLError, TimeoutError) as error:
            raise OpsError(f"GitHub: {call} got no answer: {error}") from error
