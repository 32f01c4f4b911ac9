"""Signals that end a command as Ctrl-C does, so that it cleans up."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Have SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread for the block.

    SIGHUP stays ignored where it is: `nohup` asks for that.
    """
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if number is signal.SIGHUP and before is signal.SIG_IGN:
                continue
            stack.callback(signal.signal, number, before)
            signal.signal(number, signal.default_int_handler)
        yield
