"""The emulator: moto's server in a process of its own, on loopback, gone when its parent is gone."""

import copy
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local"}
START_SECS = 60.0
STOP_SECS = 5.0
_PR_SET_PDEATHSIG = 1


class EmulatorError(RuntimeError):
    """The emulator did not start."""


@contextmanager
def emulator(*, port: int = 0) -> Iterator[str]:
    """Run the emulator for the block and yield its address, `http://127.0.0.1:PORT`; 0: any free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.local.emulator", str(port), str(os.getpid())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | CREDENTIALS | {"AWS_DEFAULT_REGION": REGION},
        # A Ctrl-C in the terminal is for the program that started us; it ends the emulator last.
        start_new_session=True,
    )
    try:
        yield _address(process)
    finally:
        stop(process, STOP_SECS)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _address(process: subprocess.Popen[str]) -> str:
    if process.stdout is None or process.stderr is None:
        raise EmulatorError("the emulator has no pipes")
    line = process.stdout.readline().strip()
    if not line:
        process.wait(timeout=START_SECS)
        last = process.stderr.read().strip().splitlines()[-1:]
        raise EmulatorError(f"the embedded AWS did not start: {' '.join(last) or 'it said nothing'}")
    return line


def stop(process: subprocess.Popen[Any], secs: float) -> int:
    """End a process we started: SIGTERM, and SIGKILL after `secs`; return its exit code."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(timeout=secs)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def wait_until(condition: Callable[[], bool], *, secs: float, every_secs: float = 0.05) -> bool:
    """Return whether `condition` came to hold within `secs`."""
    deadline = time.monotonic() + secs
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_secs)
    return True


def die_with_parent(parent: int) -> None:
    """Have the kernel end this process when process `parent`, which started it, is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _one_at_a_time(handler: type, name: str) -> None:
    """Let no other request come between a condition and the write that it guards, as AWS does."""
    method, lock = getattr(handler, name), threading.Lock()

    def alone(self: Any) -> Any:
        with lock:
            return method(self)

    setattr(handler, name, alone)


def _forget_instances(model: type) -> None:
    """
    Let models go with their last reference.

    For its dashboard moto lists every one ever made, and each transaction copies its whole table: a thousand
    jobs would take gigabytes.
    """

    def made(cls: type, *_: Any, **__: Any) -> Any:
        return object.__new__(cls)

    model.__new__ = made  # type: ignore[method-assign,assignment]


def _copy_rows_on_write(backend: type, table: type) -> None:
    """
    Let a transaction copy the rows that it changes, in place of its whole table.

    moto copies the table to restore it should the transaction fail: with it each commit costs more than the
    one before. A shallow copy will do where an update changes a copy of its row.
    """
    update = backend.update_item  # type: ignore[attr-defined]

    def update_copy(self: Any, table_name: str, key: Any, *args: Any, **kwargs: Any) -> Any:
        row = self.get_item(table_name, key)
        if row is not None and row.range_key is not None:
            self.get_table(table_name).items[row.hash_key][row.range_key] = copy.deepcopy(row)
        elif row is not None:
            self.get_table(table_name).items[row.hash_key] = copy.deepcopy(row)
        return update(self, table_name, key, *args, **kwargs)

    def shallow(self: Any, _: Any) -> Any:
        twin = copy.copy(self)
        twin.items = type(self.items)(self.items.default_factory)
        twin.items.update({part: copy.copy(rows) for part, rows in self.items.items()})
        return twin

    backend.update_item = update_copy  # type: ignore[attr-defined]
    table.__deepcopy__ = shallow  # type: ignore[attr-defined]


def _serve(port: int) -> None:
    # What moto says of every request is for nobody here.
    import logging  # noqa: PLC0415  # the emulator's own process alone needs moto

    from moto.core.common_models import BaseModel  # noqa: PLC0415  # as above
    from moto.dynamodb.models import DynamoDBBackend  # noqa: PLC0415  # as above
    from moto.dynamodb.models.table import Table  # noqa: PLC0415  # as above
    from moto.dynamodb.responses import DynamoHandler  # noqa: PLC0415  # as above
    from moto.s3.responses import S3Response  # noqa: PLC0415  # as above
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # as above

    _forget_instances(BaseModel)
    _copy_rows_on_write(DynamoDBBackend, Table)
    _one_at_a_time(DynamoHandler, "call_action")
    _one_at_a_time(S3Response, "put_object")
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    host, bound_port = server.get_host_and_port()
    print(f"http://{host}:{bound_port}", flush=True)  # noqa: T201  # the parent reads it
    signal.pause()


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    _serve(int(sys.argv[1]))
