"""Runs the Terraform CLI with the provider that `make provider` built."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.provider.journal import Journal, journal, merge

TIMEOUT_SECS = 900
# The provider takes a whole processor while it starts.
NICENESS = "2"
OPTIONS = ("-json", "-no-color", "-input=false")


class TerraformError(Exception):
    """A command failed; the message has what it said."""


def provider_folder() -> Path:
    """Where `make provider` puts the provider."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("STORY_TTS_PROVIDER") or Path(cache) / "story-tts-provider")


@dataclass(frozen=True)
class Plan:
    """What a plan would do."""

    changes: Mapping[str, str]
    """Address -> create, update, replace or delete."""

    def count(self, action: str) -> int:
        """How many resources it would create, update, replace or delete."""
        return list(self.changes.values()).count(action)


@dataclass
class Terraform:
    """One working folder; the journal grows with each command."""

    folder: Path
    provider: Path
    """The folder of the built provider."""
    called: Journal = field(default_factory=dict)
    requests: int = 0

    def __post_init__(self) -> None:
        """Write the configuration that points to the built provider."""
        self.folder.mkdir(parents=True, exist_ok=True)
        override = f'dev_overrides {{ "hashicorp/aws" = "{self.provider}" }}'
        (self.folder / "terraform.rc").write_text(f"provider_installation {{\n{override}\ndirect {{}}\n}}\n")

    def configure(self, document: Mapping[str, Any]) -> None:
        """Write the configuration to plan and apply."""
        (self.folder / "main.tf.json").write_text(json.dumps(document, indent=1))

    def schema(self) -> dict[str, Any]:
        """Return the provider's schema, which is kept beside the working folders."""
        kept = self.folder.parent / "schema.json"
        if kept.exists():
            return dict(json.loads(kept.read_text()))
        self.configure({"terraform": {"required_providers": {"aws": {"source": "hashicorp/aws"}}}})
        (schema,) = json.loads(self._run("providers", "schema", "-json"))["provider_schemas"].values()
        kept.write_text(json.dumps(schema))
        return dict(schema)

    def validate(self) -> None:
        """Have the provider check every argument. Raises TerraformError."""
        self._run("validate", "-no-color")

    def plan(self) -> Plan:
        """Plan, and keep the plan for `apply`. Raises TerraformError."""
        messages = self._messages("plan", "-out=plan", step="read")
        changes = [one["change"] for one in messages if one["type"] == "planned_change"]
        return Plan({one["resource"]["addr"]: one["action"] for one in changes})

    def apply(self, *, step: str) -> int:
        """Apply the last plan; return how many resources were changed. Raises TerraformError."""
        return _done(self._messages("apply", "plan", step=step))

    def destroy(self) -> int:
        """Delete everything; return how many resources were deleted. Raises TerraformError."""
        return _done(self._messages("destroy", "-auto-approve", step="delete"))

    def _messages(self, command: str, *arguments: str, step: str) -> list[dict[str, Any]]:
        log = self.folder / f"{command}.log"
        log.unlink(missing_ok=True)
        try:
            output = self._run(command, *OPTIONS, *arguments, log=log)
        finally:
            text = log.read_text(errors="replace") if log.exists() else ""
            self.called = merge(self.called, journal(text, step=step))
            self.requests += text.count("HTTP Request Sent")
        return [json.loads(line) for line in output.splitlines() if line.startswith("{")]

    def _run(self, *arguments: str, log: Path | None = None) -> str:
        logging = {"TF_LOG_PROVIDER": "DEBUG", "TF_LOG_PATH": str(log)} if log else {}
        done = subprocess.run(
            ["nice", "-n", NICENESS, "terraform", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                **logging,
                "TF_CLI_CONFIG_FILE": str(self.folder / "terraform.rc"),
                "CHECKPOINT_DISABLE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECS,
        )
        if done.returncode:
            raise TerraformError(f"terraform {arguments[0]}: {_errors(done.stdout)}\n{done.stderr[-2000:]}")
        return done.stdout


def _done(messages: Iterable[Mapping[str, Any]]) -> int:
    """Count the resources that were changed; reads of data sources are reported too."""
    return sum(one["type"] == "apply_complete" and one["hook"]["action"] != "read" for one in messages)


def _errors(output: str) -> str:
    found = []
    for line in output.splitlines():
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("@level") == "error":
            diagnostic = message.get("diagnostic", {})
            found.append(
                f"{message['@message']} {diagnostic.get('address', '')} {diagnostic.get('detail', '')}"
            )
    return "\n".join(found) or output[-2000:]
