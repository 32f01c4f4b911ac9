"""Closes the event loops that Pulumi's SDK makes in its threads and leaves open."""

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
    """Remembers every loop that is made under it."""

    def __init__(self) -> None:
        super().__init__()
        self._loops: list[asyncio.AbstractEventLoop] = []

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A new loop, remembered."""
        loop = super().new_event_loop()
        self._loops.append(loop)
        return loop

    def wait(self) -> None:
        """A loop that still runs in a thread ends by itself once its engine has gone."""
        for loop in self._loops:
            assert wait_until(lambda loop=loop: not loop.is_running(), secs=END_SECS)  # type: ignore[misc]

    def close(self) -> None:
        """Close all loops; where the engine ended early, what still waits for it is ended first."""
        for loop in self._loops:
            if not loop.is_closed():
                _end_tasks(loop)
                loop.close()


def _end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what is pending and let it end; a task of a run that broke off may stop the loop as it ends."""

    def run_on() -> bool:
        loop.call_later(STEP_SECS, loop.stop)
        loop.run_forever()
        return not asyncio.all_tasks(loop)

    for task in asyncio.all_tasks(loop):
        task.cancel()
    assert wait_until(run_on, secs=END_SECS)


@cache
def _set_modules_aside() -> None:
    """Once a process: the provider's modules are large, and stay; nothing need go through them again."""
    gc.collect()
    gc.freeze()


@contextmanager
def closed_loops() -> Iterator[None]:
    """Close, at the end of the block, every event loop that was made in it."""
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
