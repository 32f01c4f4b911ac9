"""`story-tts doctor`: check whether a worker could run here, one line per check."""

from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per check.")] = False,
) -> None:
    """
    Check settings, credentials, queue, table, bucket, engine, models and disk.

    Prints one line per check, with advice where a check fails. Changes nothing.

    Exit codes: 0 all checks passed; 1 a check failed.
    """
    import json

    from app.cli.console import BAD, GOOD, LiteralConsole
    from app.client.doctor import diagnose

    console = LiteralConsole()
    findings = []
    for finding in diagnose():
        findings.append(finding)
        if as_json:
            typer.echo(
                json.dumps(
                    {
                        "check": finding.check,
                        "ok": finding.ok,
                        "found": finding.found,
                        "advice": finding.advice,
                    }
                )
            )
        elif finding.ok:
            console.print_line(GOOD, f"{finding.check:<12} {finding.found}")
        else:
            console.print_line(BAD, f"{finding.check:<12} {finding.found}")
            if finding.advice:
                console.print_line(f"  {'':<12} → {finding.advice}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
