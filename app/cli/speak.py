"""`story-tts speak`: story files to audio and subtitles, on this machine alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.voices import EngineOption, complete_voice

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from app.client.files import Outcome


def speak(  # noqa: PLR0917 - typer makes them options, and options have names
    stories: Annotated[
        list[str], typer.Argument(help="Text files in UTF-8; - for standard input.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the media.")] = Path(),
    voice: Annotated[
        str | None,
        typer.Option(
            help="A voice of `story-tts voices`; by default KOKORO_VOICE, else af_heart.",
            autocompletion=complete_voice,
        ),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.5, max=2.0, help="Factor of the speed of speech.")] = 1.0,
    engine: EngineOption = "espeak",
    no_alignment: Annotated[
        bool, typer.Option("--no-alignment", help="Take the engine's own word times; do not listen for them.")
    ] = False,
    children: Annotated[
        bool, typer.Option("--children", help="Subtitles for children: 17 characters a second at most.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came out as JSON.")] = False,
) -> None:
    """
    Narrate stories into .wav, .srt, .vtt and .words.json files, named after each story.

    Files of an earlier run are replaced, in one step each, when their successors are complete.
    """
    from rich.console import Console

    from app.client.files import Manner, Teller, story_files
    from app.settings import SpeechSettings

    manner = Manner.of(
        SpeechSettings.read(),
        engine=engine,
        voice=voice,
        speed=speed,
        use_alignment=not no_alignment,
        is_for_children=children,
    )
    errors = Console(stderr=True)
    outcomes: list[Outcome] = []
    with Teller(engine=engine, manner=manner, output=output) as teller, _bars(errors) as bars:
        for story in story_files(stories):
            task = bars.add_task(story.stem, total=1.0, audio=_clock(0.0))
            outcome = teller.tell(
                story,
                on_progress=lambda progress, task=task: bars.update(  # type: ignore[misc]
                    task, completed=progress.fraction, audio=_clock(progress.audio_secs)
                ),
            )
            if outcome.narration:
                bars.update(task, completed=1.0, audio=_clock(outcome.narration.duration_secs))
            else:
                bars.remove_task(task)
                errors.print(f"error: {outcome.error}", markup=False, highlight=False, soft_wrap=True)
            outcomes.append(outcome)
    if as_json:
        _print_json(outcomes)
    else:
        _print_table(outcomes, output)
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


def _bars(console: "Console") -> "Progress":
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[audio]} of audio"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _print_json(outcomes: "list[Outcome]") -> None:
    import json

    print(json.dumps([outcome.summary() for outcome in outcomes], indent=2))


def _print_table(outcomes: "list[Outcome]", output: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("files", "audio", "words", "cues", "timed by", "real-time factor", box=None)
    table.columns[0].overflow = "fold"
    spoken = ""
    for outcome in outcomes:
        narration = outcome.narration
        if narration is None:
            continue
        spoken = f"spoken by {narration.engine} as {narration.voice}"
        table.add_row(
            f"{outcome.story.stem} .wav .srt .vtt .words.json",
            _clock(narration.duration_secs),
            f"{narration.words:,}",
            f"{narration.cues:,}",
            narration.alignment,
            f"{narration.elapsed_secs / narration.duration_secs:.3f}",
        )
    if table.row_count:
        Console().print(table, markup=False)
        print(f"in {output}, {spoken}")


def _clock(secs: float) -> str:
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
