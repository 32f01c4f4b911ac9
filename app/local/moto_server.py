"""
The emulator's own process: moto's server on loopback.

    python -m app.local.moto_server --port PORT --parent PID --services s3,sqs

It prints one line, its address, once it serves. If it cannot start, its last line on standard error says why.
"""

import argparse
import errno
import logging
import os
import signal
import socket
import sys
import threading

from app.local.parent_death import exit_with_parent

HOST = "127.0.0.1"
_BACKLOG = 128


def main() -> None:
    """Listen, load moto, report the address, and serve until a signal."""
    arguments = _arguments()
    exit_with_parent(arguments.parent)
    # A port that is taken is reported before a second is spent on moto's imports.
    listener = _listen(arguments.port)

    from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: PLC0415  # as above
    from werkzeug.serving import make_server  # noqa: PLC0415  # as above

    from app.local.gate import guarded_moto  # noqa: PLC0415  # as above
    from app.local.moto_patches import patch_moto  # noqa: PLC0415  # as above

    patch_moto()
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server(
        HOST,
        arguments.port,
        guarded_moto(frozenset(arguments.services.split(","))),
        threaded=True,
        request_handler=MotoRequestHandler,
        fd=listener.fileno(),
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _report(f"http://{HOST}:{listener.getsockname()[1]}")
    signal.pause()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(f"port {port} is in use: choose another with --port, or 0 for any free one")
        sys.exit(f"port {port}: {str(error.strerror).lower()}")


def _report(address: str) -> None:
    """Tell the parent the address; what moto prints later goes to standard error, which the parent reads."""
    print(address, flush=True)  # noqa: T201
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m app.local.moto_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--services", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
