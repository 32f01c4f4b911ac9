"""Where a deployed service is found: the outputs of its Pulumi stack, as the variables of a worker."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError

VARIABLES = {
    "region": "AWS_REGION",
    "queue_url": "QUEUE_URL",
    "table_name": "DYNAMODB_TABLE",
    "bucket_name": "OUTPUT_BUCKET",
    "dead_letter_queue_url": "DEAD_LETTER_QUEUE_URL",
}
"""Output of the stack -> variable; all of them must be there."""
OPTIONAL_VARIABLES = {"topic_arn": "SNS_TOPIC_ARN"}
BUILT_CLI = Path(".tools/bin/pulumi")
"""Where `make tools` leaves the CLI, from the repository's root."""


def addresses_of(stack: str) -> dict[str, str]:
    """
    Return the variables that name the resources of Pulumi stack `stack`, for Settings.read.

    The stack alone is asked, never this process's environment: half of each would be a service that nobody
    runs. Raises ConfigurationError where the CLI, the stack or one of its outputs is missing.
    """
    return variables_from(_outputs(stack), stack=stack)


def variables_from(outputs: Mapping[str, Any], *, stack: str) -> dict[str, str]:
    """Translate a stack's outputs; ConfigurationError names every one that is missing."""
    missing = [output for output in VARIABLES if not outputs.get(output)]
    if missing:
        raise ConfigurationError(
            f"stack {stack} has no output {', '.join(missing)}: is it up, and does it run the service?"
        )
    known = VARIABLES | OPTIONAL_VARIABLES
    return {variable: str(outputs[output]) for output, variable in known.items() if outputs.get(output)}


def _outputs(stack: str) -> Mapping[str, Any]:
    # What Terraform holds sensitive is a secret here too, and would come as "[secret]".
    asked = ["--json", "--show-secrets", "--non-interactive", "--stack", stack]
    command = [_pulumi(), "stack", "output", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("error:")] or ["it said nothing"]
        if "PULUMI_ACCESS_TOKEN" in said[0]:
            raise ConfigurationError(
                "Pulumi is not logged in: set PULUMI_BACKEND_URL, or pulumi login s3://your-state-bucket"
            )
        raise ConfigurationError(f"pulumi stack output --stack {stack}: {said[0].removeprefix('error: ')}")
    outputs: Mapping[str, Any] = json.loads(done.stdout)
    return outputs


def _pulumi() -> str:
    found = shutil.which("pulumi") or (str(BUILT_CLI.resolve()) if BUILT_CLI.exists() else None)
    if found is None:
        raise ConfigurationError(
            "--stack asks the Pulumi CLI, which is not on PATH: run `make tools`, or see"
            " pulumi.com/docs/iac/download-install"
        )
    return found
