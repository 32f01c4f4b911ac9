"""
ministack, a second emulator of AWS, so that no test leans on the mistakes of one. `make tools` installs it.

Where the two differ, the documentation of AWS decides. What differs in calls that the worker makes:

| call | AWS | moto | ministack |
|---|---|---|---|
| DeleteMessage with an earlier receipt | succeeds, deletes nothing | deletes | ReceiptHandleIsInvalid |
| DeleteMessage, repeated | succeeds | succeeds | ReceiptHandleIsInvalid |
| ChangeMessageVisibility with an earlier receipt | an error | succeeds | ReceiptHandleIsInvalid |
| SendMessage with control characters | InvalidMessageContents | succeeds | InvalidMessageContents |
| Publish of 256 KiB to 1 MiB, if the topic is set to it | succeeds | succeeds | InvalidParameter |
| PutObject with a checksum that does not match | BadDigest | succeeds | BadDigest |
| CompleteMultipartUpload with If-Match | obeyed | ignored | obeyed |
| TransactWriteItems, repeated with its token | has no effect | takes effect again | has no effect |
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.local.emulator import REGION, stop, wait_until
from app.local.parent_death import tied
from tests.tree import ROOT

EXECUTABLE = ROOT / ".tools/ministack/bin/ministack"
MINISTACK = "ministack"
EMULATORS = [pytest.param(name, marks=pytest.mark.slow) for name in ("moto", MINISTACK)]
"""Parameters of a test or fixture that runs on both: the fixture `endpoint_url` looks for them."""
on_both_emulators = pytest.mark.parametrize("endpoint_url", EMULATORS, indirect=True)
START_SECS = 60.0


@contextmanager
def ministack() -> Iterator[str]:
    """Run it for the block on a free port of loopback; yield its address."""
    if not EXECUTABLE.exists():
        pytest.fail("there is no ministack: run `make tools` once")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        # The account of moto, whose ARNs the tests spell.
        "MINISTACK_ACCOUNT_ID": "123456789012",
        "LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen(
        tied([str(EXECUTABLE)]),
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: process.poll() is not None or _listens(port), secs=START_SECS)
        assert process.poll() is None, "ministack did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process, START_SECS)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
