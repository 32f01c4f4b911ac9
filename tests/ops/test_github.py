"""The client of GitHub's interface, over HTTP: finds its own among many, and says what went wrong."""

import pytest

from ops.errors import DeliveryError
from ops.github import GitHub
from tests.ops.github_server import BOT, PERSON, REPOSITORY, TOKEN, GitHubServer

MARKER = "story-tts: preview"


def client(server: GitHubServer, token: str = TOKEN) -> GitHub:
    """Return a client as a job has it."""
    return GitHub(server.url, REPOSITORY, token)


def test_a_comment_is_found_on_any_page(github: GitHubServer) -> None:
    """Behind 250 others, the one of ours is rewritten, and no second one is written."""
    for number in range(250):
        github.add_comment(7, f"comment {number}", PERSON)
    first = client(github).comment_once(7, "one", marker=MARKER)
    second = client(github).comment_once(7, "two", marker=MARKER)

    assert first == second
    assert [comment["body"] for comment in github.comments if comment["user"] == BOT] == [
        f"<!-- {MARKER} -->\ntwo"
    ]


def test_comments_elsewhere_and_by_others_are_left_alone(github: GitHubServer) -> None:
    """Another pull request's comment, and a person's copy of ours, stay as they are."""
    github.add_comment(8, f"<!-- {MARKER} -->\nelsewhere", BOT)
    github.add_comment(7, f"<!-- {MARKER} -->\ncopied", PERSON)
    client(github).comment_once(7, "ours", marker=MARKER)

    assert [comment["body"].split("\n")[1] for comment in github.comments] == ["elsewhere", "copied", "ours"]


def test_a_pull_request_is_no_issue(github: GitHubServer) -> None:
    """GitHub lists both as issues; only one of them can be the drift issue."""
    github.add_issue("t", f"<!-- {MARKER} -->\n", BOT, pull_request={})

    assert client(github).find_issue(MARKER) is None


def test_a_refusal_is_one_line_without_the_token(github: GitHubServer) -> None:
    """What GitHub answered is told; the token is not."""
    with pytest.raises(DeliveryError, match="GET /issues answered 401") as caught:
        client(github, "ghs_wrong").find_issue(MARKER)
    assert "ghs_wrong" not in str(caught.value)
    github.failing = 502
    with pytest.raises(DeliveryError, match="GET /issues answered 502"):
        client(github).find_issue(MARKER)


def test_a_server_that_is_not_there_is_one_line() -> None:
    """No answer at all is told as such."""
    with pytest.raises(DeliveryError, match="GET /issues got no answer"):
        GitHub("http://127.0.0.1:9", REPOSITORY, TOKEN).find_issue(MARKER)


def test_outside_a_job_the_missing_variables_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs a step by hand is told what a job would have."""
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    monkeypatch.delenv("GITHUB_API_URL", raising=False)
    monkeypatch.setenv("GITHUB_REPOSITORY", REPOSITORY)

    with pytest.raises(DeliveryError, match="GITHUB_API_URL, GITHUB_TOKEN not set"):
        GitHub.of_job()
