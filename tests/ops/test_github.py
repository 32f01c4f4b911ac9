"""The client of GitHub's REST API, over HTTP: one comment per pull request, and errors of one line."""

import pytest

from ops.errors import OpsError
from ops.github import GitHub
from tests.ops.servers import BOT, PERSON, REPOSITORY, TOKEN, GitHubServer, serve_json

MARKER = "story-tts: preview"


def put(server: GitHubServer, body: str, *, token: str = TOKEN) -> str:
    """Write the comment on pull request 7."""
    return GitHub(server.url, REPOSITORY, token).put_comment(7, body, marker=MARKER)


def test_a_comment_is_found_on_any_page(github: GitHubServer) -> None:
    """Behind 250 other comments the own one is rewritten, and no second one is written."""
    for number in range(250):
        github.add_comment(7, f"comment {number}", PERSON)

    assert put(github, "one") == put(github, "two")
    assert [comment["body"] for comment in github.comments if comment["user"] == BOT] == [
        f"<!-- {MARKER} -->\ntwo"
    ]


def test_other_comments_are_left_alone(github: GitHubServer) -> None:
    """The comment of another pull request and a person's copy of the marker are not rewritten."""
    github.add_comment(8, f"<!-- {MARKER} -->\nelsewhere", BOT)
    github.add_comment(7, f"<!-- {MARKER} -->\ncopied", PERSON)
    put(github, "ours")

    assert [comment["body"].split("\n")[1] for comment in github.comments] == ["elsewhere", "copied", "ours"]


def test_a_refusal_is_one_line_without_the_token(github: GitHubServer) -> None:
    """The message has GitHub's answer, and never the token."""
    with pytest.raises(OpsError, match="GET /issues/7/comments answered 401") as caught:
        put(github, "text", token="ghs_wrong")
    assert "ghs_wrong" not in str(caught.value)

    with serve_json(lambda _: (502, {})) as url, pytest.raises(OpsError, match="answered 502"):
        put(GitHubServer(url), "text")
    with pytest.raises(OpsError, match="GET /issues/7/comments got no answer"):
        put(GitHubServer("http://127.0.0.1:9"), "text")
