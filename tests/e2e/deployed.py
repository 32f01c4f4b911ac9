"""The worker as the deployed task definition starts it, on this machine."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.local.emulator import CREDENTIALS
from tests import logs
from tests.e2e.platform import client

SCRIPTS = Path(sys.executable).parent


def free_port() -> int:
    """A port of loopback that nobody has: tests that run side by side deploy to one machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(frozen=True)
class DeployedContainer:
    """The container of the task definition that a service runs, as AWS has it."""

    definition: dict[str, Any]
    task: dict[str, Any]

    @classmethod
    def of(cls, cloud: str, *, cluster: str, service: str) -> "DeployedContainer":
        """The one that the service runs now."""
        ecs = client(cloud, "ecs")
        (found,) = ecs.describe_services(cluster=cluster, services=[service])["services"]
        task = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
        (container,) = task["containerDefinitions"]
        return cls(container, task)

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return {item["name"]: item["value"] for item in self.definition["environment"]}

    @property
    def role(self) -> str:
        """The name of the role that it acts as."""
        return str(self.task["taskRoleArn"].rsplit("/", 1)[-1])

    def _start(
        self, words: list[str], address: str, folder: Path, **streams: Any
    ) -> "subprocess.Popen[bytes]":
        executable = shutil.which(words[0], path=str(SCRIPTS))
        assert executable, f"{words[0]} is no command of this project"
        # Beside the definition's own: where AWS is, credentials, and a /tmp of its own, as the task's volume.
        environment = {
            **self.environment,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": address,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(folder),
            "WORK_DIR": str(folder / "story-tts"),
        }
        return subprocess.Popen(
            [executable, *words[1:]], env=environment, cwd="/", stdin=subprocess.DEVNULL, **streams
        )

    @contextmanager
    def running(self, address: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the worker with the definition's entry point, command and environment for the block."""
        # In the task it listens on all addresses; on this machine it may listen on loopback only.
        words = [*self.definition["entryPoint"], *self.definition["command"], "--host", "127.0.0.1"]
        with (folder / "log").open("wb") as log, (folder / "metrics").open("wb") as metrics:
            process = self._start(words, address, folder, stdout=metrics, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            logs.check(folder / "log", folder / "metrics")

    def is_healthy(self, address: str, folder: Path) -> bool:
        """Run the definition's health check once."""
        kind, *words = self.definition["healthCheck"]["command"]
        assert kind == "CMD"
        return self._start(words, address, folder, stdout=subprocess.DEVNULL).wait(timeout=60) == 0
