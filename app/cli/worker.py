"""`story-tts worker`: the container's command."""

from typing import Annotated

import typer


def worker(
    drain: Annotated[bool, typer.Option("--drain", help="Exit once the queue is empty.")] = False,
    host: Annotated[str, typer.Option(help="Address of the health endpoint.")] = "0.0.0.0",  # noqa: S104
) -> None:
    """
    Process jobs from the queue until SIGTERM: narrate, store, commit.

    Settings come from the environment; `story-tts doctor` checks them. Exit codes: 0 stopped by a signal or
    the queue is empty (--drain); 2 wrong settings; 3 the queue was deleted.
    """
    import sys
    from contextlib import ExitStack

    from app.narration.options import NarrationOptions
    from app.settings import Settings
    from app.shutdown import Shutdown
    from app.speech_process.client import SpeechProcess
    from app.work_folder import WorkFolder

    settings = Settings.read()
    options = NarrationOptions.from_settings(settings)
    shutdown = Shutdown(stop_timeout_secs=settings.stop_timeout_secs)
    shutdown.install()
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    with ExitStack() as ending:
        work_folder = ending.enter_context(WorkFolder(settings.work_dir))
        speech = ending.enter_context(SpeechProcess(options=options, scratch=work_folder.path))
        # The child loads its models while the remaining imports take most of a second.
        from app.bootstrap import build_worker
        from app.errors import ConfigurationError
        from app.health import health_server
        from app.telemetry import configure_logging

        configure_logging(level=settings.log_level, log_format=settings.log_format)
        made, health = build_worker(
            settings,
            options=options,
            work_folder=work_folder,
            speech=speech,
            shutdown=shutdown,
            emit_metrics=as_json,
        )
        try:
            ending.enter_context(health_server(health, host=host, port=settings.port))
        except OSError as error:
            raise ConfigurationError(f"PORT={settings.port}: {error.strerror}") from error
        code = made.run(drain=drain)
        shutdown.ignore_signals()
    raise typer.Exit(int(code))
