"""Faults of the in-memory implementations: errors that their calls raise."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast


class Faults:
    """
    Errors to raise, by the name of a method: the first call takes the first.

    "after commit" stands for a commit that took effect and whose reply is lost.
    """

    def __init__(self) -> None:
        self._errors: dict[str, list[Exception]] = {}
        self.calls: list[str] = []
        self.effects: list[str] = []
        """The calls that took effect."""
        self.on_call: Callable[[str], None] = lambda _: None
        """Called before each call takes effect, with the name of its method."""

    def add(self, method: str, *errors: Exception) -> None:
        """Let the next calls of `method` raise `errors`."""
        self._errors.setdefault(method, []).extend(errors)

    def meet(self, method: str) -> None:
        """Record a call, and raise the error that awaits it."""
        (self.effects if method.startswith("after ") else self.calls).append(method.removeprefix("after "))
        self.on_call(method)
        if errors := self._errors.get(method):
            raise errors.pop(0)


Method = TypeVar("Method", bound=Callable[..., Any])


def faulty(method: Method) -> Method:
    """Let a method meet its faults, before and after it takes effect."""

    @wraps(method)
    def meet(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._faults.meet(method.__name__)
        result = method(self, *args, **kwargs)
        self._faults.meet(f"after {method.__name__}")
        return result

    return cast("Method", meet)
