"""Closes the event loops that Pulumi's SDK creates in its threads and never closes."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from app.local.emulator import wait_until

END_SECS = 60
STEP_SECS = 0.01
# By name: the program's own coroutine, and the calls that its cleaning up begins when nobody waits for them.
ABANDONED = {
    "run_in_stack",
    "run_pulumi_func",
    "run_in_stack.<locals>.run",
    "RPCManager.do_rpc.<locals>.rpc_wrapper",
}


class CollectingPolicy(asyncio.DefaultEventLoopPolicy):
    """An event loop policy that records every loop it creates."""

    def __init__(self) -> None:
        super().__init__()
        self._loops: list[asyncio.AbstractEventLoop] = []

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Create and record a loop."""
        loop = super().new_event_loop()
        self._loops.append(loop)
        return loop

    def wait(self) -> None:
        """Wait until no loop runs: loops in threads end when their engine has ended."""
        for loop in self._loops:
            assert wait_until(lambda loop=loop: not loop.is_running(), secs=END_SECS)  # type: ignore[misc]

    def close(self) -> None:
        """Close all loops, cancelling the tasks that still wait for an engine that ended early."""
        for loop in self._loops:
            if not loop.is_closed():
                _end_tasks(loop)
                loop.close()


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel all tasks and wait for them; a task of an aborted run may stop the loop while it ends."""

    def run_on() -> bool:
        loop.call_later(STEP_SECS, loop.stop)
        loop.run_forever()
        return not asyncio.all_tasks(loop)

    for task in asyncio.all_tasks(loop):
        task.cancel()
    assert wait_until(run_on, secs=END_SECS)


@cache
def _set_modules_aside() -> None:
    """Exclude the provider's large modules from garbage collection, once per process."""
    gc.collect()
    gc.freeze()


@contextmanager
def closed_loops() -> Iterator[None]:
    """Close every event loop that was created in the block."""
    policy, before, hook = CollectingPolicy(), asyncio.get_event_loop_policy(), sys.unraisablehook

    def pass_on(raised: "sys.UnraisableHookArgs") -> None:
        # When the engine ends early the SDK drops the program's coroutine where it stands.
        if getattr(raised.object, "__qualname__", "") not in ABANDONED:
            hook(raised)

    asyncio.set_event_loop_policy(policy)
    sys.unraisablehook = pass_on
    _set_modules_aside()
    try:
        yield
    finally:
        policy.wait()
        gc.collect()
        policy.close()
        gc.collect()
        sys.unraisablehook = hook
        asyncio.set_event_loop_policy(before)
