"""An account on this machine: AWS and GitHub on loopback, the real Pulumi engine, both committed stacks."""

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.local.emulator import EVERY_SERVICE, emulator
from tests.e2e.deployed import DeployedContainer, free_port
from tests.e2e.engine import Engine, local_endpoints, pulumi_cli
from tests.e2e.platform import lay_platform
from tests.ops.servers import TOKEN, GitHubServer, serve_json
from tests.ops.workflows import Run, Runner
from tests.tree import ROOT

CLUSTER = "story-tts-cluster"


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    """GitHub for one test."""
    server = GitHubServer()
    with serve_json(server.answer) as server.url:
        yield server


STORY_INFRA = {
    "production": {"source": "s3"},
    # Quicker than a platform of its own, which tests/e2e/test_own_foundation.py creates.
    "staging": {"source": "s3", "workspace": "staging"},
}


class Account:
    """The embedded AWS with story-infra in it, and a checkout whose stacks live there."""

    def __init__(self, cloud: str, home: Path, folder: Path) -> None:
        self.cloud = cloud
        self._ports = {"production": free_port(), "staging": free_port()}
        engine = Engine(cli=pulumi_cli(), cloud=cloud, home=home)
        self.plugins = engine.plugins
        path = f"{engine.environment['PATH']}{os.pathsep}{ROOT / '.tools/bin'}"
        own = {"PATH": path, "PULUMI_HOME": str(home), "HOME": str(home), "SMOKE_TIMEOUT": "90"}
        self.runner = Runner(folder, engine.environment | own)

    def settings(self, stack: str, **changes: Any) -> None:
        """Write the committed settings of a stack, moved to this account, with `changes`."""
        file = self.runner.checkout / f"Pulumi.{stack}.yaml"
        config = yaml.safe_load((ROOT / file.name).read_text())["config"]
        config |= {
            "aws:endpoints": local_endpoints(self.cloud),
            "aws:accessKey": "local",
            "aws:secretKey": "local",
            "story-tts:story_infra": {**STORY_INFRA[stack], "endpoint_url": self.cloud},
            "story-tts:worker": {"speech_engine": "espeak"},
            "story-tts:app_port": self._ports[stack],
            **{f"story-tts:{key}": value for key, value in changes.items()},
        }
        salted = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**salted, "config": config}))

    def run(self, file: str, job: str, **context: Any) -> Run:
        """Run a job with the variables and secrets that the documentation asks for."""
        own = self.runner.environment
        variables = {"PULUMI_BACKEND_URL": own["PULUMI_BACKEND_URL"], "AWS_REGION": "us-east-1"}
        pull_request = {"number": 7, "head": {"sha": "0123456789abcdef0123"}}
        return self.runner.run(
            file,
            job,
            {
                "vars": variables,
                "secrets": {"PULUMI_CONFIG_PASSPHRASE": own["PULUMI_CONFIG_PASSPHRASE"]},
                "github": {"token": TOKEN, "event": {"pull_request": pull_request}},
                **context,
            },
        )

    def outputs(self, stack: str) -> dict[str, Any]:
        """Return the outputs of a stack."""
        code, log = self.runner.shell(f"pulumi stack output --json --show-secrets --stack {stack}")
        assert code == 0, log
        found: dict[str, Any] = json.loads(log)
        return found

    def worker(self, service: str, folder: Path) -> AbstractContextManager[Any]:
        """Run the worker of a service as its task definition says."""
        deployed = DeployedContainer.of(self.cloud, cluster=CLUSTER, service=service)
        return deployed.running(self.cloud, folder)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Both stacks deployed once by hand, as the documentation says."""
    with emulator(services=EVERY_SERVICE) as cloud:
        lay_platform(cloud).beside("env:/staging/terraform")
        account = Account(cloud, tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("runner"))
        for stack in ("production", "staging"):
            account.settings(stack)
            code, log = account.runner.shell(f"pulumi stack init {stack} && make release STACK={stack}")
            assert code == 0, log
        # From then on production is deployed by digest, as the image that staging ran.
        assert account.runner.shell("make release STACK=production IMAGE=running")[0] == 0
        yield account
        account.plugins.close()
