"""The variables that point `story-tts` at a deployed service."""

import shlex
from collections.abc import Iterator

from ops.errors import OpsError
from ops.pulumi import Outputs

VARIABLES = {
    "region": "AWS_REGION",
    "queue_url": "QUEUE_URL",
    "table_name": "DYNAMODB_TABLE",
    "bucket_name": "OUTPUT_BUCKET",
    "dead_letter_queue_url": "DEAD_LETTER_QUEUE_URL",
}
"""Output of the stack -> variable of `story-tts`; every one of them must exist."""
OPTIONAL_VARIABLES = {"topic_arn": "SNS_TOPIC_ARN"}


def export_lines(outputs: Outputs, *, stack: str) -> Iterator[str]:
    """
    Yield one `export NAME=value` line per variable, quoted for a shell.

    A variable without an output is exported empty, which `story-tts` treats as unset: a value that the shell
    had before would belong to another service. Raises OpsError that names all missing outputs.
    """
    if missing := [output for output in VARIABLES if not outputs.get(output)]:
        raise OpsError(f"stack {stack} has no output {', '.join(missing)}: run `make up STACK={stack}`")
    for output, variable in {**VARIABLES, **OPTIONAL_VARIABLES}.items():
        yield f"export {variable}={shlex.quote(str(outputs.get(output) or ''))}"
