"""The Pulumi CLI, as the workflows use it: never asking, always naming the stack and the image."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.errors import DeliveryError

RUNNING = "running"
"""In place of an image: the one that the stack runs now."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_UNKNOWN_STACK = "no stack named"
_NOT_LOGGED_IN = "PULUMI_ACCESS_TOKEN must be set"


@dataclass(frozen=True, slots=True)
class Previewed:
    """What a preview said: Pulumi's own JSON, or why there is none."""

    stack: str
    document: Mapping[str, Any]
    error: str = ""

    @property
    def steps(self) -> list[dict[str, Any]]:
        """What would be done, a resource each; resources that stay as they are left out."""
        return [
            step for step in self.document.get("steps", []) if step["op"] not in {"same", "read", "refresh"}
        ]


class Stack:
    """One stack of the project in `folder`, the current one by default."""

    def __init__(self, name: str, *, folder: Path = Path()) -> None:
        self.name = name
        self._folder = folder

    def outputs(self) -> Mapping[str, Any]:
        """Return the stack's outputs; none where there is no such stack yet."""
        done = self._run("stack", "output", "--json")
        if done.returncode != 0:
            if _UNKNOWN_STACK in done.stderr:
                return {}
            raise DeliveryError(f"pulumi stack output of {self.name}: {_reason(done)}")
        outputs: Mapping[str, Any] = json.loads(done.stdout or "{}")
        return outputs

    def preview(self, image: str, *, refresh: bool = False) -> Previewed:
        """
        Preview with `image`: a tag, a digest, RUNNING, or nothing to build it.

        With `refresh` the cloud is asked what it has, in place of the state. A program that fails is no error
        here, but what the preview says.
        """
        with self._settings(image) as file:
            options = ["--refresh"] if refresh else []
            done = self._run("preview", "--json", "--config-file", str(file), *options)
        try:
            document = json.loads(done.stdout)
        except json.JSONDecodeError:
            document = {}
        return Previewed(self.name, document, "" if done.returncode == 0 else _reason(done, document))

    def up(self, image: str) -> None:
        """Deploy `image`, showing Pulumi's own account of it. Raises DeliveryError where it fails."""
        with self._settings(image) as file:
            command = self._command("up", "--yes", "--config-file", str(file), "--suppress-outputs")
            sys.stdout.flush()
            if subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode != 0:
                raise DeliveryError(f"stack {self.name} is not up; Pulumi's account of it stands above")

    @contextmanager
    def _settings(self, image: str) -> Iterator[Path]:
        """Write the settings with `image` into a file of their own: the committed one stays as it is."""
        committed = self._folder / f"Pulumi.{self.name}.yaml"
        if not committed.exists():
            raise DeliveryError(f"there is no {committed}: STACK names a stack whose settings are committed")
        settings = yaml.safe_load(committed.read_text())
        chosen = self._chosen(image)
        if chosen:
            group = settings["config"].get("story-tts:image", {})
            kept = {key: value for key, value in group.items() if not key.startswith("existing_")}
            settings["config"]["story-tts:image"] = kept | chosen
            # The tag that a build would get: the program refuses it beside an image that is there.
            settings["config"].pop("story-tts:app_image_tag", None)
        with tempfile.TemporaryDirectory(prefix="story-tts-ops-") as folder:
            file = Path(folder) / f"Pulumi.{self.name}.yaml"
            file.write_text(yaml.safe_dump(settings))
            yield file

    def _chosen(self, image: str) -> dict[str, str]:
        if image == RUNNING:
            # A stack that was never up runs nothing: its preview builds.
            image = str(self.outputs().get("image_digest", ""))
        if not image:
            return {}
        if DIGEST.fullmatch(image):
            return {"existing_digest": image}
        if TAG.fullmatch(image):
            return {"existing_tag": image}
        raise DeliveryError("the image is neither a tag nor a digest, like v1.4.0 or sha256:0123...")

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = self._command(*arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def _command(self, *arguments: str) -> list[str]:
        built = self._folder.resolve() / ".tools/bin/pulumi"
        pulumi = shutil.which("pulumi") or (str(built) if built.exists() else None)
        if pulumi is None:
            raise DeliveryError("the Pulumi CLI is not on PATH: www.pulumi.com/docs/iac/download-install")
        return [
            pulumi,
            "--cwd",
            str(self._folder),
            *arguments,
            "--stack",
            self.name,
            "--non-interactive",
            "--color",
            "never",
        ]


def _reason(done: "subprocess.CompletedProcess[str]", document: Mapping[str, Any] | None = None) -> str:
    """Return what an operation says of its failure: errors first, notices left out."""
    told = [
        str(entry.get("message", "")).strip()
        for entry in (document or {}).get("diagnostics", [])
        if entry.get("severity") == "error"
    ]
    lines = told or [line for line in done.stderr.splitlines() if line.startswith("error:")]
    if any(_NOT_LOGGED_IN in line for line in lines):
        return "Pulumi is not logged in: set PULUMI_BACKEND_URL, or pulumi login s3://your-state-bucket"
    return "\n".join(lines) or f"exit code {done.returncode}, without a word"
