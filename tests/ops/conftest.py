"""A platform on loopback for the workflows: AWS, Pulumi's engine, GitHub, the two committed stacks."""

import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.local.emulator import EVERY_SERVICE, emulator
from tests.e2e.deployed import DeployedContainer, free_port
from tests.e2e.engine import Engine, local_endpoints, pulumi_cli
from tests.e2e.platform import lay_platform
from tests.ops.github_server import TOKEN, GitHubServer, github_server
from tests.ops.workflows import Ran, Runner, runner_environment
from tests.tree import ROOT

CLUSTER = "story-tts-cluster"
HOSTS = {"pulumi-resource-aws": "tests.ops.standin", "pulumi-language-python": "tests.e2e.language"}


@pytest.fixture
def github() -> Iterator[GitHubServer]:
    """GitHub for one test."""
    with github_server() as server:
        yield server


@dataclass
class Account:
    """The embedded AWS with story-infra in it, and stacks that were brought up as the documents say."""

    cloud: str
    engine: Engine
    runner: Runner
    folder: Path

    def settings(self, stack: str, **changes: Any) -> None:
        """Have checkouts hold the committed settings of a stack, moved to this account, with `changes`."""
        name = f"Pulumi.{stack}.yaml"
        document = yaml.safe_load((ROOT / name).read_text())
        kept = yaml.safe_load(self.runner.settings.get(name, "{}"))
        config = document["config"]
        infra = {**config["story-tts:story_infra"], "endpoint_url": self.cloud}
        config |= {
            "aws:endpoints": local_endpoints(self.cloud),
            "aws:accessKey": "local",
            "aws:secretKey": "local",
            "story-tts:story_infra": infra,
            "story-tts:worker": {"speech_engine": "espeak"},
            "story-tts:app_port": free_port(),
            # What a checkout had before stays unless it is changed.
            **{key: value for key, value in kept.get("config", {}).items() if key == "story-tts:app_port"},
            **{f"story-tts:{key}": value for key, value in changes.items()},
        }
        salt = {key: value for key, value in kept.items() if key != "config"}
        self.runner.settings[name] = yaml.safe_dump({**salt, "config": config})

    def create(self, stack: str) -> None:
        """`pulumi stack init`, once, by hand; the salt that it writes is committed."""
        self.settings(stack)
        checkout = self.runner.checkout(equipped=False)
        subprocess.run(
            ["pulumi", "stack", "init", stack],
            cwd=checkout,
            env=self.environment(),
            check=True,
            capture_output=True,
        )
        name = f"Pulumi.{stack}.yaml"
        self.runner.settings[name] = (checkout / name).read_text()

    def environment(self) -> dict[str, str]:
        """What an operator's shell, or a runner, has in this account."""
        own = self.engine.environment
        path = f"{Path(own['PATH'].split(':')[0])}:{self.cli_folder}:{runner_environment()['PATH']}"
        return runner_environment() | {**own, "PATH": path, "PULUMI_HOME": str(self.engine.home)}

    @property
    def cli_folder(self) -> Path:
        """Where the Pulumi CLI is, as the action that installs it would have it on PATH."""
        found = shutil.which("pulumi")
        return Path(found).parent if found else ROOT / ".tools" / "bin"

    def run(self, file: str, job: str, **context: Any) -> Ran:
        """Run a job as GitHub would, with the variables and secrets that the documents ask for."""
        own = self.engine.environment
        return self.runner.run(
            file,
            job,
            {
                "vars": {"PULUMI_BACKEND_URL": own["PULUMI_BACKEND_URL"], "AWS_REGION": "us-east-1"},
                "secrets": {"PULUMI_CONFIG_PASSPHRASE": own["PULUMI_CONFIG_PASSPHRASE"]},
                "github": {
                    "token": TOKEN,
                    "event": {"pull_request": {"number": 7, "head": {"sha": "0123456789abcdef0123"}}},
                },
                **context,
            },
        )

    def step(self, command: str, **environment: str) -> str:
        """Run one command in a fresh checkout, as an operator would, and return what it said."""
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.runner.checkout(),
            env=self.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def outputs(self, stack: str) -> dict[str, Any]:
        """Return the outputs of a stack."""
        done = subprocess.run(
            ["pulumi", "stack", "output", "--json", "--stack", stack],
            cwd=self.runner.checkout(equipped=False),
            env=self.environment(),
            check=True,
            capture_output=True,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    @contextmanager
    def working(self, service: str) -> Iterator[None]:
        """Have the worker of a service run as its task definition says."""
        folder = self.folder / f"worker-of-{service}"
        folder.mkdir(exist_ok=True)
        with DeployedContainer.of(self.cloud, cluster=CLUSTER, service=service).running(self.cloud, folder):
            yield


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Both stacks exist, and production, which owns the repository of images, was brought up once."""
    folder = tmp_path_factory.mktemp("account")
    with emulator(services=EVERY_SERVICE) as cloud:
        engine = Engine(cli=pulumi_cli(), cloud=cloud, home=tmp_path_factory.mktemp("pulumi"))
        for name, module in HOSTS.items():
            script = Path(engine.environment["PATH"].split(":")[0]) / name
            script.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m {module} {name} "$@"\n')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        _lay_story_infra(cloud)
        made = Account(cloud, engine, Runner(folder, environment={}), folder)
        made.runner = Runner(folder, environment=made.environment() | {"SMOKE_TIMEOUT": "90"})
        for stack in ("production", "staging"):
            made.create(stack)
        # By hand, as the documents say for the first time: there is no worker yet to take a story.
        made.step("make release", STACK="production")
        # From then on it is deployed by digest, as what staging ran.
        first = made.step("make release", STACK="production", IMAGE="running")
        assert "is up" in first, first
        yield made


def _lay_story_infra(cloud: str) -> None:
    """Lay the platform twice: staging is a workspace of its own, with its own network, topic and queue."""
    laid = lay_platform(cloud)
    sqs = laid.client("sqs")
    url = sqs.create_queue(QueueName="staging-jobs")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns = laid.client("sns")
    topic = sns.create_topic(Name="staging-tasks")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    laid.beside(
        "env:/staging/terraform",
        sns_topic_arn=topic,
        task_queue_urls={**laid.outputs["task_queue_urls"], "TTS": url},
        task_queue_arns={**laid.outputs["task_queue_arns"], "TTS": arn},
    )
