"""`story-tts smoke`: send a short story through a deployed service and check the result."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.client.smoke import Check, SmokeRun

TIMED_OUT = 3


def smoke(
    timeout: Annotated[float, typer.Option(min=1.0, help="Time limit, in seconds.")] = 900.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """
    Send a short story through a running service and check its rows, audio and subtitles.

    The service is the one that the environment names. The rows and media stay in place under ids that begin
    with `smoke-`.

    Exit codes: 0 all checks passed; 1 the story or a check failed; 2 wrong usage or settings; 3 timed out.
    """
    from rich.text import Text

    from app.aws.objects import Objects
    from app.aws.session import AwsClients
    from app.bootstrap import build_submitter
    from app.cli.console import LiteralConsole
    from app.client.smoke import run_checks, send_story
    from app.settings import Settings

    settings = Settings.read()
    clients = AwsClients(region=settings.region)
    with LiteralConsole(stderr=True).status("sending a story") as status:
        run = send_story(
            build_submitter(settings, clients),
            timeout_secs=timeout,
            on_progress=lambda job_status: status.update(
                # Text, because rich reads a string here as markup.
                Text(f"{job_status.submission.audio.id}: {job_status.state.value}, {job_status.progress:.0%}")
            ),
        )
        checks = list(run_checks(run, Objects(s3=clients.client("s3"))))
    (_print_json if as_json else _print)(run, checks)
    if run.is_timed_out:
        raise typer.Exit(TIMED_OUT)
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


def _print(run: "SmokeRun", checks: "list[Check]") -> None:
    from app.cli.console import BAD, GOOD, LiteralConsole

    console = LiteralConsole()
    for check in checks:
        console.print_line(GOOD if check.ok else BAD, f"{check.name:<13} {check.found}")
    timings = run.timings
    console.print_line(
        f"  {'timings':<13} waited {timings.waited_secs:.1f} s, narrated in {timings.narrated_secs:.1f} s,"
        f" {timings.audio_secs:.1f} s of audio, real-time factor {timings.real_time_factor:.2f}"
    )


def _print_json(run: "SmokeRun", checks: "list[Check]") -> None:
    import json
    from dataclasses import asdict

    report = {
        "parent_id": run.job_status.submission.audio.id,
        "state": run.job_status.state.value,
        "ok": all(check.ok for check in checks),
        "checks": [asdict(check) for check in checks],
        "timings": asdict(run.timings) | {"real_time_factor": run.timings.real_time_factor},
    }
    typer.echo(json.dumps(report))
