"""`story-tts voices`: list the voices of an engine."""

from typing import TYPE_CHECKING, Annotated

import typer

from app.speech.registry import ENGINES, engine_spec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.speech.voices import Voice


DEFAULT_ENGINE = "espeak"
"""Of the commands on this machine: it comes with the package. A deployed worker's default is kokoro."""


def _known_engine(name: str) -> str:
    if name not in ENGINES:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(ENGINES)}")
    return name


def complete_engine(incomplete: str) -> list[str]:
    """Return the engines that start with what was typed."""
    return [name for name in ENGINES if name.startswith(incomplete)]


def complete_voice(context: typer.Context, incomplete: str) -> list[str]:
    """Return the voices that start with what was typed, of the engine named before it."""
    engine = context.params.get("engine") or DEFAULT_ENGINE
    return [name for name in engine_spec(engine).voices if name.startswith(incomplete)]


VoiceOption = Annotated[
    str | None,
    typer.Option(
        help="Voice, as listed by `story-tts voices`; KOKORO_VOICE if omitted, else af_heart.",
        autocompletion=complete_voice,
    ),
]


EngineOption = Annotated[
    str,
    typer.Option(
        envvar="SPEECH_ENGINE",
        help="Speech engine: "
        + " or ".join(f"{spec.name} ({spec.about})" for spec in ENGINES.values())
        + ".",
        callback=_known_engine,
        autocompletion=complete_engine,
    ),
]


def voices(
    engine: EngineOption = DEFAULT_ENGINE,
    as_json: Annotated[bool, typer.Option("--json", help="Print the voices as JSON.")] = False,
) -> None:
    """
    List the voices of an engine.

    espeak accepts Kokoro's voice names and uses a voice of the same language and sex.

    Exit codes: 0 success; 2 wrong usage.
    """
    known = engine_spec(engine).voices.values()
    if as_json:
        _print_json(known)
    else:
        _print_table(known)


def _print_json(known: "Iterable[Voice]") -> None:
    import json

    entries = [{"name": voice.name, "language": voice.language, "sex": voice.sex or None} for voice in known]
    print(json.dumps(entries, indent=2, ensure_ascii=False))


def _print_table(known: "Iterable[Voice]") -> None:
    from rich.table import Table

    from app.cli.console import LiteralConsole

    rows: dict[tuple[str, str], list[str]] = {}
    for voice in known:
        rows.setdefault((voice.language, voice.sex), []).append(voice.name)
    table = Table("language", "sex", "voices", box=None)
    # English, the language of the default voice, comes first.
    ordered = sorted(rows.items(), key=lambda row: (not row[0][0].startswith("English"), row[0]))
    for (language, sex), names in ordered:
        table.add_row(language, sex, " ".join(names))
    LiteralConsole().print(table)
