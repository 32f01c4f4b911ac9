"""
Ties a process to the one that started it: the kernel ends it when its parent ends, however that ends.

    python -m app.local.parent_death PARENT_PID COMMAND...

runs COMMAND in place of itself; the tie outlives the exec. Linux only: elsewhere COMMAND runs untied.

The kernel watches the thread that started the process, not the whole parent. Start a tied process from a
thread that lives as long as the process is needed.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def exit_with_parent(parent: int) -> None:
    """Have the kernel kill this process when process `parent`, which started it, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before the call above.
    if os.getppid() != parent:
        sys.exit(1)


def tied(command: list[str]) -> list[str]:
    """Return the command that runs `command`, whose first word is a path, tied to this process."""
    return [sys.executable, "-m", "app.local.parent_death", str(os.getpid()), *command]


if __name__ == "__main__":
    exit_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  # no shell is wanted
