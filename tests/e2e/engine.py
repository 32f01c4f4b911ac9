"""Runs the program with the real Pulumi engine: previews, ups, destroys, against the embedded AWS."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from pulumi import automation

from app.local.emulator import CREDENTIALS, REGION
from tests.e2e.plugin import Plugins
from tests.stack.loops import closed_loops
from tests.stack.program import program
from tests.tree import ROOT

PROJECT = "story-tts"


def pulumi_cli() -> automation.PulumiCommand:
    """Return the CLI from PATH, or the one that `make tools` builds; without either the test fails."""
    if shutil.which("pulumi"):
        return automation.PulumiCommand()
    if not (ROOT / ".tools" / "bin" / "pulumi").exists():
        pytest.fail("there is no Pulumi CLI: run `make tools` once")
    return automation.PulumiCommand(root=str(ROOT / ".tools"))


def local_endpoints(cloud: str) -> list[dict[str, str]]:
    """Return the endpoints of Pulumi.local.yaml, as it is committed, moved to the test's emulator."""
    committed = yaml.safe_load((ROOT / "Pulumi.local.yaml").read_text())["config"]["aws:endpoints"]
    return [dict.fromkeys(committed[0], cloud)]


@dataclass(frozen=True)
class Summary:
    """What an operation did."""

    changes: Mapping[str, int]
    """Operation -> number of resources, as the engine counts them."""
    outputs: Mapping[str, Any]

    @property
    def changed(self) -> dict[str, int]:
        """What was counted beside what stays."""
        return {kind: count for kind, count in self.changes.items() if kind != "same"}


def _summary(log: Sequence[str]) -> str:
    """Return the engine's own summary, the lines under `Resources:` and the duration, on one line."""
    lines = [line.strip() for line in log]
    counted = takewhile(bool, lines[lines.index("Resources:") + 1 :])
    return ", ".join([*counted, *(line for line in lines if line.startswith("Duration:"))])


def _errors(log: Sequence[str]) -> list[str]:
    """Return errors that an operation logged, which can succeed all the same.

    On a busy machine the engine stops waiting for a plugin's goodbye, and takes it for an early end.
    """
    lines = (line.strip() for line in "\n".join(log).splitlines())
    return [line for line in lines if line.startswith("error:") and "exited prematurely" not in line]


class Engine:
    """One home and one backend for the stacks of a test module."""

    def __init__(self, *, cli: automation.PulumiCommand, cloud: str, home: Path) -> None:
        self.cli = cli
        self.cloud = cloud
        self.home = home
        self.summaries: list[str] = []
        """The engine's summaries, in the order of the operations."""
        self._calls = home / "calls"
        self._calls.touch()
        for folder in ("backend", "plugins"):
            (home / folder).mkdir()
        self.plugins = Plugins(home / "plugins", os.environ | self.environment)

    @property
    def called(self) -> list[str]:
        """Every operation that the stand-in called so far: service:Operation."""
        return self._calls.read_text().splitlines()

    @property
    def environment(self) -> dict[str, str]:
        """What the CLI and the plugins run with: all on this machine, nothing of the user's account."""
        return {
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.cloud,
            "STANDIN_CALLS": str(self._calls),
            "PATH": f"{self.home / 'plugins'}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{self.home / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def stack(
        self, name: str, settings: Mapping[str, Any], main: Callable[[], Any] | None = None
    ) -> "StackUnderTest":
        """Return a stack with these settings in its YAML file, groups as YAML."""
        return StackUnderTest(self, name, settings, main or (lambda: pulumi.run(program)))


class StackUnderTest:
    """One stack; its settings can change between operations."""

    def __init__(
        self, engine: Engine, name: str, settings: Mapping[str, Any], main: Callable[[], Any]
    ) -> None:
        self.name = name
        self.address = f"organization/{PROJECT}/{name}"
        """What a stack reference to it has to say."""
        self._engine = engine
        self._folder = engine.home / name
        self._folder.mkdir()
        self.set(settings)
        described = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
        self._stack = automation.create_or_select_stack(
            name,
            project_name=PROJECT,
            program=main,
            opts=automation.LocalWorkspaceOptions(
                work_dir=str(self._folder),
                pulumi_home=str(engine.home),
                pulumi_command=engine.cli,
                env_vars=engine.environment,
                project_settings=automation.ProjectSettings(name=PROJECT, runtime="python", config=described),
            ),
        )

    def set(self, settings: Mapping[str, Any]) -> None:
        """Write Pulumi.<stack>.yaml as an operator would, keeping the salt that Pulumi put there."""
        path = self._folder / f"Pulumi.{self.name}.yaml"
        before = yaml.safe_load(path.read_text()) if path.exists() else {}
        provider = {
            "aws:region": REGION,
            "aws:endpoints": local_endpoints(self._engine.cloud),
            "aws:accessKey": "local",
            "aws:secretKey": "local",
        }
        own = {f"story-tts:{key}": value for key, value in settings.items()}
        path.write_text(yaml.safe_dump({**before, "config": {**provider, **own}}))

    @contextmanager
    def _operation(self) -> Iterator[None]:
        # The program runs in this process, and reads the state with boto3's own credentials.
        with pytest.MonkeyPatch.context() as patch, closed_loops():
            for name, value in CREDENTIALS.items():
                patch.setenv(name, value)
            yield

    def _run(self, operation: str) -> Any:
        log: list[str] = []
        with self._operation():
            done = getattr(self._stack, operation)(on_output=log.append, color="never")
        assert _errors(log) == []
        self._engine.summaries.append(f"pulumi {operation} --stack {self.name}: {_summary(log)}")
        return done

    def preview(self) -> Summary:
        """`pulumi preview`."""
        changes = self._run("preview").change_summary
        return Summary({str(kind): count for kind, count in changes.items()}, {})

    def up(self) -> Summary:
        """`pulumi up`."""
        done = self._run("up")
        outputs = {name: output.value for name, output in done.outputs.items()}
        return Summary(dict(done.summary.resource_changes), outputs)

    def destroy(self) -> None:
        """`pulumi destroy`."""
        self._run("destroy")

    def preview_destroy(self) -> None:
        """Run the preview that `pulumi destroy` shows before it asks."""
        with self._operation():
            self._stack.preview_destroy(color="never")

    def state(self) -> dict[str, Any]:
        """Return the stack's state as exported."""
        return dict(self._stack.export_stack().deployment or {})

    def stored(self) -> str:
        """Return the state as it lies in the backend."""
        return (self._engine.home / "backend/.pulumi/stacks" / PROJECT / f"{self.name}.json").read_text()
