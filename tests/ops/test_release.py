"""The jobs of release.yml: real make, setuptools, pip and espeak, with a stand-in for Docker."""

import os
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.ops.workflows import Runner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        int(version("setuptools").split(".")[0]) < 77, reason="builds with the setuptools of the locks"
    ),
]

DOCKER = """#!{python}
# `docker run` with the worker of this environment in place of the image's.
import os, shutil, subprocess, sys
arguments = sys.argv[1:]
if arguments[0] == "info":
    sys.exit()
assert os.environ["IMAGE"] in arguments
volumes = [item for flag, item in zip(arguments, arguments[1:]) if flag == "--volume"]
mounts = dict(reversed(item.split(":")[:2]) for item in volumes)
story, out = arguments[-3], mounts[arguments[-1]]
shutil.copy(mounts[story], "story.txt")
command = ["{bin}/story-tts", "speak", "story.txt", "-o", out]
sys.exit(subprocess.call(command, env={{**os.environ, "SPEECH_ENGINE": "espeak"}}))
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A checkout; packages of this environment stand in for what pip would download."""
    packages = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    stubs = tmp_path / "bin"
    stubs.mkdir()
    (stubs / "docker").write_text(DOCKER.format(python=sys.executable, bin=Path(sys.executable).parent))
    (stubs / "docker").chmod(0o755)
    environment = {
        "PATH": f"{stubs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": packages,
        "WHEEL_REQUIREMENTS": "/dev/null",
    }
    return Runner(tmp_path, environment)


def context(tag: str) -> dict[str, Any]:
    """What GitHub says about a tag."""
    return {"github": {"ref_name": tag, "repository": "story-tts/story-tts"}, "matrix": {}}


def test_a_tag_becomes_a_wheel_that_narrates(runner: Runner) -> None:
    """The wheel and the source distribution of the version are built, tried and handed over."""
    released = version("story-tts")
    run = runner.run("release.yml", "wheel", context(f"v{released}"))
    assert run.succeeded, run.log
    built = sorted(path.name for path in (runner.folder / "distributions").iterdir())
    assert built == [f"story_tts-{released}-py3-none-any.whl", f"story_tts-{released}.tar.gz"]
    with tarfile.open(runner.folder / "distributions" / built[1]) as source:
        assert f"story_tts-{released}/LICENSE" in source.getnames()


def test_a_tag_of_another_version_is_no_release(runner: Runner) -> None:
    """The first step ends the job, and says what to make equal."""
    run = runner.run("release.yml", "wheel", context("v9.9.9"))
    assert not run.succeeded
    assert "the tag is v9.9.9 and pyproject.toml says" in run.log
    assert not (runner.checkout / "out").exists()


def test_the_image_is_tried(runner: Runner) -> None:
    """`docker run` of the image narrates a file into a folder of the caller."""
    run = runner.run("release.yml", "image", context("v1.0.0"))
    assert run.succeeded, run.log
    assert (runner.checkout / "out/image/story.wav").stat().st_size > 1000
