"""The workflows as they are committed, and a runner for the `run:` steps of one job."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.tree import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
Context = Mapping[str, Any]


def workflow(name: str) -> dict[str, Any]:
    """Return a workflow; its `on` under that name, which YAML 1.1 takes for a truth value."""
    document: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    return {("on" if key is True else key): value for key, value in document.items()}


def names() -> list[str]:
    """Return the names of all workflow files."""
    return sorted(path.name for path in WORKFLOWS.iterdir())


@dataclass(frozen=True)
class Step:
    """One `run:` step and where it stands."""

    workflow: str
    job: str
    name: str
    run: str

    def __str__(self) -> str:
        return f"{self.workflow}: {self.job}: {self.name}"


def run_steps() -> list[Step]:
    """Return every `run:` step of every workflow."""
    return [
        Step(file, job, step.get("name", ""), step["run"])
        for file in names()
        for job, content in workflow(file)["jobs"].items()
        for step in content.get("steps", [])
        if "run" in step
    ]


def evaluate(text: Any, context: Context) -> str:
    """Replace `${{ a.b || c.d }}` by what the context holds; anything more than that fails the test."""

    def found(match: re.Match[str]) -> str:
        for part in match.group(1).split("||"):
            assert re.fullmatch(r"[\w.]+", part.strip()), f"{part} is more than the tests' runner knows"
            value: Any = context
            for name in part.strip().split("."):
                value = value.get(name, "") if isinstance(value, Mapping) else ""
            if value != "":
                return str(value)
        return ""

    return _EXPRESSION.sub(found, str(text))


@dataclass
class Ran:
    """What a job did."""

    succeeded: bool
    log: str
    summary: str
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of each step with an id."""
    artifacts: dict[str, list[str]] = field(default_factory=dict)


class Runner:
    """Runs jobs one after another as GitHub's runner does: a fresh checkout each, artifacts handed on."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self.environment = dict(environment)
        self._jobs = 0
        self.executed: set[Step] = set()
        """Every step that was run and ended well."""
        self.settings: dict[str, str] = {}
        """Files that differ from the committed ones: the name in the checkout -> content."""

    def checkout(self, *, equipped: bool = True) -> Path:
        """Return a fresh checkout; the environment that `make setup` would fill is lent to it."""
        self._jobs += 1
        checkout = self._folder / f"job-{self._jobs}"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, checkout / name)
        for name, content in self.settings.items():
            (checkout / name).write_text(content)
        # What looks for the project's root takes it for one.
        subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
        if equipped:
            self._lend_environment(checkout / ".venv")
        return checkout

    @staticmethod
    def _lend_environment(venv: Path) -> None:
        venv.mkdir()
        for part in Path(sys.prefix).iterdir():
            if not part.name.startswith("."):
                (venv / part.name).symlink_to(part)
        for stamp in ("demo", "dev", "speech"):
            (venv / f".{stamp}-installed").touch()

    def run(self, file: str, job: str, context: Context, *, equipped: bool = True) -> Ran:
        """Run the steps of a job until one fails; after that only those that ask for it."""
        content = workflow(file)["jobs"][job]
        checkout = self.checkout(equipped=equipped)
        ran = Ran(succeeded=True, log="", summary="")
        steps = dict(context.get("steps", {}))
        for step in content["steps"]:
            if not ran.succeeded and "cancelled()" not in str(step.get("if", "")):
                continue
            if "run" in step:
                own = {**content.get("env", {}), **step.get("env", {})}
                evaluated = {
                    name: evaluate(value, {**context, "steps": steps}) for name, value in own.items()
                }
                if self._run(step, checkout, evaluated, ran):
                    self.executed.add(Step(file, job, step.get("name", ""), step["run"]))
            elif "artifact" in step["uses"]:
                self._hand_on(step, checkout, ran)
        return ran

    def _run(self, step: Mapping[str, Any], checkout: Path, own: Mapping[str, str], ran: Ran) -> bool:
        assert "${{" not in step["run"], "an expression in a script is text that becomes a command"
        output, summary = checkout / ".output", checkout / ".summary"
        output.touch()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=checkout,
            env={
                **self.environment,
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "CI": "true",
                **own,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=280,
        )
        ran.log += f"$ {step['run']}\n{done.stdout}"
        ran.succeeded &= done.returncode == 0
        ran.summary = summary.read_text() if summary.exists() else ""
        if "id" in step:
            ran.outputs[step["id"]] = dict(_outputs(output.read_text()))
        return done.returncode == 0

    def _hand_on(self, step: Mapping[str, Any], checkout: Path, ran: Ran) -> None:
        store = self._folder / "artifacts" / step["with"]["name"]
        path = checkout / step["with"]["path"]
        if "upload" in step["uses"]:
            assert path.exists(), f"{step['with']['path']} is not there to upload"
            store.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, store / path.name)
        else:
            shutil.copytree(store, path, dirs_exist_ok=True)
            ran.artifacts[step["with"]["name"]] = sorted(file.name for file in store.iterdir())


def _outputs(text: str) -> Iterator[tuple[str, str]]:
    """Parse what a step wrote: `name<<DELIMITER`, the value, the delimiter."""
    for match in re.finditer(r"^(\w+)<<(\w+)\n(.*?)\n\2$", text, re.MULTILINE | re.DOTALL):
        yield match.group(1), match.group(3)


def runner_environment(**more: str) -> dict[str, str]:
    """Return what a runner starts a step with: nothing of this process but where programs are."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"} | more
