"""
A program in an image's files, as a container of the stack's runs it: read-only root, no root user, no rights.

    unshare --mount ─▶ root bound read-only, a tmpfs on /tmp ─▶ chroot ─▶ setpriv ─▶ the program

One process all the way, so that a signal reaches the program itself. The network is the machine's own: the
emulator listens on its loopback.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

_ENTER = """
root=$1 user=$2 group=$3 folder=$4; shift 4
mount --bind "$root" "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,ro,bind "$root"
exec chroot "$root" /usr/bin/env -i --chdir="$folder" setpriv \
  --reuid="$user" --regid="$group" --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs \
  /usr/bin/env "$@"
"""


class Room:
    """The files of an image and its configuration, to run programs in."""

    def __init__(self, root: Path, configuration: Mapping[str, Any]) -> None:
        self.root = root
        self.configuration = configuration

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a command with the image's user, folder and environment, and `environment` over it."""
        user, _, group = self.configuration["User"].partition(":")
        places = [str(self.root), user, group, self.configuration["WorkingDir"]]
        variables = dict(line.split("=", 1) for line in self.configuration["Env"]) | dict(environment or {})
        settings = [f"{name}={value}" for name, value in variables.items()]
        return subprocess.Popen(
            ["unshare", "--mount", "/bin/sh", "-euc", _ENTER, "room", *places, *settings, *command],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run a command to its end; return its exit code and what it printed, errors included."""
        process = self.start(
            command, environment=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = process.communicate(timeout=120)
        return process.returncode, output.decode()
