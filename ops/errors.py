"""The one error of this package."""


class OpsError(Exception):
    """A command cannot continue; the message says what is wrong and what to do, one line per problem."""
