"""Runs the Pulumi CLI on one stack, without prompts: outputs, preview, deployment, drift check."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.errors import OpsError

RUNNING = "running"
"""In place of an image: the one that the stack runs now."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NO_CLI = "the Pulumi CLI is not on PATH: https://www.pulumi.com/docs/iac/download-install/"
_UNKNOWN_STACK = "no stack named"
_FAILED = "error: preview failed"
"""The only error of a preview in which resources break rules."""
_NOT_LOGGED_IN = "PULUMI_ACCESS_TOKEN must be set"

POLICY_PACK = ("--policy-pack", "policies")
"""Rules for every deployment: the engine refuses a resource that breaks one."""

Outputs = Mapping[str, Any]
_Completed = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class Violation:
    """A resource that breaks a rule of the policy pack."""

    rule: str
    resource: str
    """Type and name."""
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The result of `pulumi preview --json`; `error` is empty if the program ran to its end."""

    stack: str
    document: Mapping[str, Any]
    error: str = ""
    violations: Sequence[Violation] = ()

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps that would create, change or delete a resource."""
        unchanged = {"same", "read", "refresh"}
        return [step for step in self.document.get("steps", []) if step["op"] not in unchanged]


class Stack:
    """One stack of the project in `folder`, the current folder by default."""

    def __init__(self, name: str, *, folder: Path = Path()) -> None:
        self.name = name
        self._folder = folder

    def outputs(self) -> Outputs:
        """
        Return the stack's outputs; none if the stack does not exist yet.

        Secret outputs are included in plain text: values that story-infra marks as sensitive are secrets
        here, and a queue or a bucket cannot be used without its name. Raises OpsError.
        """
        done = self._run("stack", "output", "--json", "--show-secrets")
        if done.returncode != 0:
            if _UNKNOWN_STACK in done.stderr:
                return {}
            raise OpsError(f"cannot read the outputs of stack {self.name}: {_reason(done)}")
        outputs: Outputs = json.loads(done.stdout or "{}")
        return outputs

    def service_outputs(self) -> Outputs:
        """Return the outputs of a stack that runs the service. Raises OpsError for every other stack."""
        outputs = self.outputs()
        if "service_name" not in outputs:
            raise OpsError(f"stack {self.name} does not run the service: run `make up STACK={self.name}`")
        return outputs

    def preview(self, image: str) -> Preview:
        """
        Preview a deployment of `image`: a tag, a digest, RUNNING, or an empty string to build it.

        If the program fails, the preview carries the error. Resources that break a rule fail it too; they are
        its violations.
        """
        with self._settings(image) as file:
            events = file.with_name("events")
            options = ("--event-log", str(events), "--config-file", str(file))
            done = self._run("preview", "--json", *POLICY_PACK, *options)
            violations = _violations(events)
        try:
            document = json.loads(done.stdout)
        except json.JSONDecodeError:
            document = {}
        error = "" if done.returncode == 0 else _reason(done, document)
        if violations and error == _FAILED:
            error = ""
        return Preview(self.name, document, error, violations)

    def up(self, image: str) -> None:
        """Deploy `image` and stream Pulumi's log. Raises OpsError if the deployment fails."""
        with self._settings(image) as file:
            command = ("up", "--yes", "--suppress-outputs", *POLICY_PACK)
            if self._stream(*command, "--config-file", str(file)) != 0:
                raise OpsError(f"the deployment of stack {self.name} failed: see Pulumi's log above")

    def check_drift(self, image: str) -> None:
        """
        Compare the cloud with the program. Raises OpsError if they differ or cannot be compared.

        Pulumi's log names resources and properties that differ, without their values.
        """
        with self._settings(image) as file:
            command = ("preview", "--refresh", "--expect-no-changes", "--suppress-outputs")
            if self._stream(*command, "--config-file", str(file)) != 0:
                raise OpsError(
                    f"stack {self.name} and the cloud differ, or the check failed: see the log above"
                )

    @contextmanager
    def _settings(self, image: str) -> Iterator[Path]:
        """Yield a temporary copy of the stack's settings with `image`; the committed file stays as it is."""
        committed = self._folder / f"Pulumi.{self.name}.yaml"
        if not committed.exists():
            raise OpsError(f"there is no {committed}: STACK must name a stack with committed settings")
        settings = yaml.safe_load(committed.read_text())
        if image_settings := self._image_settings(image):
            group = settings["config"].get("story-tts:image", {})
            kept = {key: value for key, value in group.items() if not key.startswith("existing_")}
            settings["config"]["story-tts:image"] = kept | image_settings
            # The program refuses a tag for a new build beside an existing image.
            settings["config"].pop("story-tts:app_image_tag", None)
        with tempfile.TemporaryDirectory(prefix="story-tts-ops-") as folder:
            file = Path(folder) / f"Pulumi.{self.name}.yaml"
            file.write_text(yaml.safe_dump(settings))
            yield file

    def _image_settings(self, image: str) -> dict[str, str]:
        if image == RUNNING:
            # A stack without a service runs no image yet: its preview builds one.
            image = str(self.outputs().get("image_digest", ""))
        if not image:
            return {}
        if DIGEST.fullmatch(image):
            return {"existing_digest": image}
        if TAG.fullmatch(image):
            return {"existing_tag": image}
        raise OpsError("IMAGE is neither a tag nor a digest, like v1.4.0 or sha256:0123...")

    def _run(self, *arguments: str) -> _Completed:
        return subprocess.run(
            self._command(*arguments),
            # For the log of events, which has the violations; the JSON of a preview has none.
            env={**os.environ, "PULUMI_DEBUG_COMMANDS": "true"},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def _stream(self, *arguments: str) -> int:
        sys.stdout.flush()
        command = self._command(*arguments)
        return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode

    def _command(self, *arguments: str) -> list[str]:
        built = self._folder.resolve() / ".tools/bin/pulumi"
        pulumi = shutil.which("pulumi") or (str(built) if built.exists() else None)
        if pulumi is None:
            raise OpsError(_NO_CLI)
        options = ["--stack", self.name, "--non-interactive", "--color", "never"]
        return [pulumi, "--cwd", str(self._folder), *arguments, *options]


def _violations(events: Path) -> list[Violation]:
    """Return what the policy pack found, from the engine's log of events, sorted by rule."""
    found = set()
    for line in events.read_text().splitlines() if events.exists() else []:
        if event := json.loads(line).get("policyEvent"):
            _, _, types, name = event["resourceUrn"].split("::", 3)
            resource = f"{types.rpartition('$')[2]} {name}"
            # The first line describes the rule.
            message = event["message"].strip().splitlines()[-1]
            found.add(Violation(event["policyName"], resource, message))
    return sorted(found, key=lambda violation: (violation.rule, violation.resource, violation.message))


def _reason(done: _Completed, document: Mapping[str, Any] | None = None) -> str:
    """Return the errors that an operation reported, without its warnings."""
    diagnostics = (document or {}).get("diagnostics", [])
    errors = [
        str(entry.get("message", "")).strip() for entry in diagnostics if entry.get("severity") == "error"
    ]
    lines = errors or [line for line in done.stderr.splitlines() if line.startswith("error:")]
    if any(_NOT_LOGGED_IN in line for line in lines):
        return "Pulumi is not logged in: set PULUMI_BACKEND_URL, or run `pulumi login s3://your-state-bucket`"
    return "\n".join(lines) or f"pulumi ended with exit code {done.returncode} and no error message"
