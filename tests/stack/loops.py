"""Closes the event loops that Pulumi's SDK makes in its threads and leaves open."""

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from app.local.emulator import wait_until

END_SECS = 60
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
        """Close all loops."""
        for loop in self._loops:
            loop.close()


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
    # The provider's modules are large: what stood before the block need not be gone through.
    gc.freeze()
    try:
        yield
    finally:
        policy.wait()
        gc.collect()
        policy.close()
        gc.collect()
        gc.unfreeze()
        sys.unraisablehook = hook
        asyncio.set_event_loop_policy(before)
