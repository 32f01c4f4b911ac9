"""Reads the committed workflows, and runs the `run:` steps of a job in a checkout."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.tree import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in WORKFLOWS.iterdir())
CI = set(re.findall(r"^(make .+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE))
"""Scripts that .ci/run runs itself; jobs skip them here."""
Step = tuple[str, str, str]
"""File, job and script of a `run:` step."""


def workflow(name: str) -> dict[Any, Any]:
    """Return a workflow; YAML 1.1 parses the key `on` as True."""
    document: dict[Any, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    return document


def run_steps() -> set[Step]:
    """Return the `run:` steps of all workflows."""
    return {
        (file, job, step["run"])
        for file in NAMES
        for job, content in workflow(file)["jobs"].items()
        for step in content.get("steps", [])
        if "run" in step
    }


def evaluate(text: Any, context: Mapping[str, Any]) -> str:
    """Replace `${{ a.b || c.d }}` by values of the context; fail for any other expression."""

    def value(match: re.Match[str]) -> str:
        for name in match[1].split(" || "):
            assert re.fullmatch(r"[\w.]+", name), f"the tests cannot evaluate {name}"
            found: Any = context
            for part in name.split("."):
                found = found.get(part, {})
            if found:
                return str(found)
        return ""

    return re.sub(r"\$\{\{ (.*?) \}\}", value, str(text))


@dataclass
class Run:
    """The result of a job, and the outputs of its steps."""

    succeeded: bool = True
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


class Runner:
    """Runs jobs in one checkout; they share nothing but artifacts and the settings of the stacks."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.checkout = folder / "checkout"
        self.environment = dict(environment)
        self.executed: set[Step] = set()
        """The steps that succeeded."""
        listing = ["git", "ls-files", "-co", "--exclude-standard"]
        for name in subprocess.check_output(listing, cwd=ROOT, text=True).splitlines():
            if (ROOT / name).is_file():
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.checkout / name)
        subprocess.run(["git", "init", "--quiet"], cwd=self.checkout, check=True)
        # The environment of this process stands in for what `make setup` installs.
        (self.checkout / ".venv").mkdir()
        for part in ("bin", "include", "lib", "pyvenv.cfg"):
            (self.checkout / ".venv" / part).symlink_to(Path(sys.prefix) / part)
        (self.checkout / ".tools").mkdir()
        (self.checkout / ".tools" / "policies").symlink_to(ROOT / ".tools" / "policies")
        for stamp in ("demo", "dev", "speech"):
            (self.checkout / ".venv" / f".{stamp}-installed").touch()

    def run(self, file: str, job: str, context: Mapping[str, Any]) -> Run:
        """Run the steps of a job until one fails, and after that those with `!cancelled()`."""
        shutil.rmtree(self.checkout / "out", ignore_errors=True)
        content, run = workflow(file)["jobs"][job], Run()
        for step in content["steps"]:
            if not run.succeeded and "cancelled()" not in step.get("if", ""):
                continue
            if step.get("run") in CI:
                self.executed.add((file, job, step["run"]))
            elif "run" in step:
                own = {**content.get("env", {}), **step.get("env", {})}
                own = {name: evaluate(value, context) for name, value in own.items()}
                if self._run(step["run"], own, run):
                    self.executed.add((file, job, step["run"]))
            elif "artifact" in step["uses"]:
                self._hand_over(step)
        return run

    def _run(self, script: str, own: Mapping[str, str], run: Run) -> bool:
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.write_text("")
        code, log = self.shell(
            script,
            CI="true",
            GITHUB_ACTIONS="true",
            **{name: str(file) for name, file in files.items()},
            **own,
        )
        run.log += f"$ {script}\n{log}"
        run.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        run.outputs |= dict(
            re.findall(r"^(\w+)<<\w+\n(.*)\n", files["GITHUB_OUTPUT"].read_text(), re.MULTILINE)
        )
        run.succeeded &= code == 0
        return code == 0

    def shell(self, script: str, **environment: str) -> tuple[int, str]:
        """Run a script in the checkout as GitHub's runner does; return its exit code and its log."""
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.checkout,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
            timeout=280,
        )
        return done.returncode, done.stdout

    def _hand_over(self, step: Mapping[str, Any]) -> None:
        path, store = self.checkout / step["with"]["path"], self.folder / step["with"]["name"]
        if "upload" in step["uses"]:
            store.mkdir(exist_ok=True)
            for file in path.iterdir() if path.is_dir() else [path]:
                shutil.copy2(file, store)
        else:
            shutil.copytree(store, path, dirs_exist_ok=True)
