"""
The image as the Dockerfile builds it, and the worker inside it.

Run by `make test-image` alone: it takes root, buildah, debootstrap, the network and minutes.
"""

import http.client
import io
import os
import subprocess
import time
import wave
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from app.local.platform import Platform
from app.local.service import reserved_port
from app.speech_process.child import SCRATCH_PREFIX
from stack import worker_interface as contract
from stack.image import SOURCES
from tests.image.building import Buildah
from tests.image.room import Room
from tests.image.stand_in_models import stand_in_models
from tests.tree import ROOT
from tests.workers import Jobs, until

TAG = "localhost/story-tts:test"
MOST_BYTES = 2_500_000_000
ENGINE = os.environ.get("ENGINE", "espeak")
TORCH = os.environ.get("TORCH") or "cpu"
STORY = "The keeper lit the lamp. He waited for the boat.\n\nIt came at dawn."

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="session")
def buildah() -> Buildah:
    """buildah, its storage kept between runs: a second one builds what changed."""
    return Buildah()


@pytest.fixture(scope="session")
def image(buildah: Buildah) -> str:
    """The image, built from this tree."""
    arguments = {"BASE": os.environ.get("BASE") or buildah.base(), "ENGINE": ENGINE, "TORCH": TORCH}
    for name in ("TORCH_INDEX", "HF_ENDPOINT", "MODELS_MIRROR", "MODELS"):
        if value := os.environ.get(name):
            arguments[name] = value
    with ExitStack() as stack:
        sources = ROOT
        if os.environ.get("STAND_IN_MODELS"):
            folder = stack.enter_context(TemporaryDirectory(dir=buildah.folder))
            sources, where = stack.enter_context(stand_in_models(Path(folder)))
            arguments |= where
        began = time.monotonic()
        buildah.build(TAG, sources, **arguments)
        print(f"\nbuilt in {time.monotonic() - began:.0f} s")
    return TAG


@pytest.fixture(scope="session")
def configuration(buildah: Buildah, image: str) -> dict[str, Any]:
    """The image's configuration."""
    return buildah.configuration(image)


@pytest.fixture(scope="session")
def room(buildah: Buildah, image: str, configuration: dict[str, Any]) -> Iterator[Room]:
    """The image's files, to run programs in."""
    with buildah.mounted(image) as root:
        yield Room(root, configuration)


def test_it_runs_as_the_task_definition_says(configuration: dict[str, Any]) -> None:
    """The image's program, user, health check and volume are those of the task definition."""
    assert {
        "Entrypoint": list(contract.ENTRY_POINT),
        "Cmd": list(contract.COMMAND),
        "User": contract.USER,
        "Volumes": {contract.TEMPORARY_FOLDER: {}},
    } == {name: configuration[name] for name in ("Entrypoint", "Cmd", "User", "Volumes")}
    assert list(contract.HEALTH_COMMAND) == configuration["Healthcheck"]["Test"]
    assert f"SPEECH_ENGINE={ENGINE}" in configuration["Env"]
    assert configuration["Labels"]["org.opencontainers.image.title"] == "story-tts"


def test_its_size(buildah: Buildah, image: str, room: Room) -> None:
    """All layers unpacked are 2.5 GB at most, not counting what torch has for GPUs alone."""
    layers = buildah.layers(image)
    for step, size in layers:
        print(f"\n{size / 1e6:9.1f} MB  {step[:90] or 'the base'}", end="")
    for_gpus = sum(path.lstat().st_size for path in _for_gpus(room.root / "opt" / "torch"))
    print(f"\n{for_gpus / 1e6:9.1f} MB  of it for GPUs alone")
    assert (for_gpus > 0) == (ENGINE == "kokoro" and TORCH == "cuda")
    assert sum(size for _, size in layers) - for_gpus <= MOST_BYTES


def _for_gpus(torch: Path) -> Iterator[Path]:
    """The files of the CUDA build that the build for processors lacks."""
    for name in ("nvidia*", "triton*"):
        yield from (file for folder in torch.glob(name) for file in folder.rglob("*") if file.is_file())
    for name in ("*cuda*", "*cudnn*", "*nvshmem*", "*nccl*", "*cupti*"):
        yield from torch.glob(f"torch/lib/{name}.so*")


def test_it_holds_the_worker_and_what_that_needs(room: Room) -> None:
    """The image has no tests, no stack, no installer and no other engine's packages."""
    opt = room.root / "opt"
    assert {"app", "bin", "story_tts-0.1.0.dist-info"} == {path.name for path in (opt / "app").iterdir()}
    (site,) = opt.glob("story-tts/lib/python3*/site-packages")
    there = {path.name for path in site.iterdir()}
    assert {"boto3", "fastapi"} <= there
    assert set() == there & {"pip", "setuptools", "pytest", "moto", "pulumi"}
    assert (ENGINE == "kokoro") == ("kokoro" in there) == (opt / "torch" / "torch").exists()


def test_its_sources_are_those_that_its_tag_covers() -> None:
    """The build context of .dockerignore is the sources of which stack/image.py computes the tag."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert sorted(SOURCES) == sorted(line[1:] for line in lines if line.startswith("!"))


def test_its_root_is_read_only_and_its_user_nobody(room: Room) -> None:
    """The root is read-only, /tmp is writable, and the user is the task definition's."""
    code, said = room.run("sh", "-c", "id -u; touch /opt/app/x /var/x; touch /tmp/x && echo in /tmp")
    assert code == 0
    assert said.splitlines()[0] == contract.USER.partition(":")[0]
    assert said.count("Read-only file system") == 2
    assert said.splitlines()[-1] == "in /tmp"


@pytest.fixture
def environment(platform: Platform) -> Iterator[dict[str, str]]:
    """The environment of the task definition, and a port of this test's own."""
    with reserved_port() as reserved:
        port = reserved.getsockname()[1]
        yield platform.environment() | {"PORT": str(port), "RECEIVE_WAIT_SECS": "1"}


def test_a_story(room: Room, platform: Platform, environment: dict[str, str], tmp_path: Path) -> None:
    """The worker becomes healthy, narrates a story, leaves no files, and exits with 0 after SIGTERM."""
    jobs = Jobs(platform)
    log_path = tmp_path / "worker.log"
    began = time.monotonic()
    with log_path.open("wb") as log:
        command = [*contract.ENTRY_POINT, *contract.COMMAND]
        process = room.start(command, environment=environment, stdout=subprocess.DEVNULL, stderr=log)
    try:
        until(lambda: process.poll() is not None or _status(environment["PORT"]) == 200)
        print(f"\nhealthy after {time.monotonic() - began:.1f} s")
        assert (0, "ok\n") == room.run(*contract.HEALTH_COMMAND[1:], environment=environment)
        assert _owner(process.pid) == contract.USER.partition(":")[0]
        row = jobs.wait_for(jobs.story(STORY), "COMPLETED")
        with wave.open(io.BytesIO(jobs.media(row))) as audio:
            assert audio.getnframes() / audio.getframerate() > 3
        assert [] == _files(process.pid)
        process.send_signal(SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        print(log_path.read_text("utf-8"))
    assert room.run(*contract.HEALTH_COMMAND[1:], environment=environment)[0] == 1


def _status(port: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)
    try:
        connection.request("GET", contract.HEALTH_PATH)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def _owner(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("Uid:"))
    return line.split()[1]


def _files(pid: int) -> list[str]:
    """Return the files in the process's /tmp, except those of its living child."""
    folder = Path(f"/proc/{pid}/root/tmp")
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and not any(parent.name.startswith(SCRATCH_PREFIX) for parent in path.parents)
    ]
