"""The command `story-tts`, also available as `python -m app`."""

import sys

from app.healthcheck import run_if_requested


def main() -> None:
    """Run the command given by the arguments."""
    run_if_requested(sys.argv[1:])
    # Imported late: the health check does not need it.
    from app.cli.app import main as run_command  # noqa: PLC0415

    run_command()


if __name__ == "__main__":
    main()
