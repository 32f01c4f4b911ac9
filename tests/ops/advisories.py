"""A database of advisories on loopback, as OSV answers: https://google.github.io/osv.dev/post-v1-query/."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from tests.ops.loopback import Question, answering


def advisories(known: Mapping[str, Any], asked: set[str] | None = None) -> AbstractContextManager[str]:
    """Serve answers by package name, nothing known of the others; the names asked about go into `asked`."""

    def answer(question: Question) -> tuple[int, Any]:
        name = question.body["package"]["name"]
        if asked is not None:
            asked.add(name)
        return 200, known.get(name, {})

    return answering(answer)
