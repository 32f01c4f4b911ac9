"""
Runs configurations of the stack through the AWS provider of Terraform: `make test-provider`.

    python -m tests.provider [--jobs N] [--folder DIR] [NAME...]

Each configuration is validated, planned, applied, planned again (nothing may change), given a new image tag
(only task definition and service may change), given other settings, and destroyed. A full run writes the
journal.
"""

import argparse
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

from tests.provider.configurations import CONFIGURATIONS
from tests.provider.journal import FILE, Journal, dump, merge, parse
from tests.provider.terraform import Terraform, provider_folder
from tests.provider.terraform_json import NEWER

NOT_SHOWN = (
    *((f"{type_}.{name}", "newer than the provider that is built here") for type_, name in sorted(NEWER)),
    ("docker-build images", "no resource of AWS: digests are made up from the tags"),
    ("ECS deployments", "moto runs no tasks: each deployment ends at once, in success"),
    ("deletions that wait", "network interfaces of tasks and endpoints are gone at once in moto"),
    ("buckets with objects", "moto keeps to their policy, which wants TLS, so nothing can be put there"),
    ("permissions", "moto checks none: the journal is held against the policies in tests/stack"),
)


def main() -> int:
    """Run the configurations; return the exit code."""
    arguments = _arguments()
    folder = Path(arguments.folder or mkdtemp(prefix="story-tts-provider-"))
    print(f"logs and plans: {folder}", flush=True)
    names = arguments.names or list(CONFIGURATIONS)
    Terraform(folder / "schema", provider_folder()).schema()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        codes = pool.map(lambda name: _run(name, folder), names)
        failed = [name for name, code in zip(names, codes, strict=True) if code]
    print("\nnot shown here:")
    for what, why in NOT_SHOWN:
        print(f"  {what:<36} {why}")
    if not failed and set(names) == set(CONFIGURATIONS):
        journals: list[Journal] = [parse((folder / name / "journal.json").read_text()) for name in names]
        FILE.write_text(dump(merge(*journals)))
        print(f"\nwrote {FILE.relative_to(Path.cwd())}")
    print(f"\n{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _run(name: str, folder: Path) -> int:
    """Run one configuration in a process of its own: moto's state is the process's."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    report = place / "report.txt"
    with report.open("w") as output, (place / "errors.txt").open("w") as errors:
        done = subprocess.run(
            [sys.executable, "-m", "tests.provider.lifecycle", name, str(place)],
            env={**os.environ, "STANDIN_CALLS": os.devnull},
            stdout=output,
            stderr=errors,
            check=False,
        )
    print(f"\n{name}\n{report.read_text()}", end="", flush=True)
    if done.returncode:
        print(f"  FAILED: see {place / 'errors.txt'}", flush=True)
    return done.returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder")
    parser.add_argument("names", nargs="*", choices=[*CONFIGURATIONS, []], metavar="NAME")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
