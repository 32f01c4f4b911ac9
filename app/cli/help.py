"""How help names the values of arguments and options: `STORIES...` and `NUMBER`, not types of the code."""

from typing import Any

from typer.core import TyperCommand, TyperGroup


class PlainCommand(TyperCommand):
    """A command whose help names values in words."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the arguments and options, each with a name for its value."""
        return _named(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line, required arguments without braces."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


class PlainGroup(TyperGroup):
    """A group of commands whose help names values in words."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, each with a name for its value."""
        return _named(super().get_params(ctx))


def _named(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        is_argument = parameter.param_type_name == "argument"
        if is_argument:
            # Its name says what it is; typer would add the type in the code.
            parameter.display_type_rich = lambda ctx: None  # noqa: ARG005 - typer names it
        if parameter.metavar is None:
            parameter.metavar = parameter.name.upper() if is_argument else _value_of(parameter)
    return parameters


def _value_of(option: Any) -> str:
    if option.is_flag:
        return ""
    return "NUMBER" if isinstance(option.default, int | float) else "TEXT"
