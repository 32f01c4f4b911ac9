"""`story-tts speak`: story files to audio and subtitles, on this machine alone."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.voices import DEFAULT_ENGINE, EngineOption, complete_voice

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from app.client.file_narrator import FileResult


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
    engine: EngineOption = DEFAULT_ENGINE,
    no_alignment: Annotated[
        bool, typer.Option("--no-alignment", help="Take the engine's own word times; do not listen for them.")
    ] = False,
    children: Annotated[
        bool, typer.Option("--children", help="Subtitles for children: 17 characters a second at most.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came out as JSON.")] = False,
) -> None:
    """
    Narrate stories into audio and subtitle files, named after each story.

    Files of an earlier run are replaced, in one step each, when their successors are complete.
    """
    from app.cli.console import LiteralConsole, literal
    from app.client.file_narrator import FileNarrator
    from app.narration.options import CHILDRENS_READING_SPEED, NarrationOptions
    from app.settings import SpeechSettings
    from app.text.readers import story_files

    options = NarrationOptions.from_settings(
        SpeechSettings.read(),
        engine=engine,
        voice=voice,
        speed=speed,
        use_alignment=not no_alignment,
        reading_speed=CHILDRENS_READING_SPEED if children else None,
    )
    errors = LiteralConsole(stderr=True)
    results: list[FileResult] = []
    with FileNarrator(options=options, output=output) as narrator, _bars(errors) as bars:
        for story in story_files(stories):
            task = bars.add_task(literal(story.stem), total=1.0, audio=_clock(0.0))
            result = narrator.narrate(
                story,
                on_progress=lambda progress, task=task: bars.update(  # type: ignore[misc]
                    task, completed=progress.fraction, audio=_clock(progress.audio_secs)
                ),
            )
            if result.narration:
                bars.update(task, completed=1.0, audio=_clock(result.narration.duration_secs))
            else:
                bars.remove_task(task)
                errors.print_line(f"error: {result.error}")
            results.append(result)
    if as_json:
        _print_json(results)
    else:
        _print_table(results, output)
    if any(result.error for result in results):
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


def _print_json(results: "list[FileResult]") -> None:
    import json

    print(json.dumps([result.summary() for result in results], indent=2))


def _print_table(results: "list[FileResult]", output: Path) -> None:
    from rich.table import Table

    from app.cli.console import LiteralConsole

    table = Table("files", "audio", "words", "cues", "timed by", "real-time factor", box=None)
    table.columns[0].overflow = "fold"
    spoken = ""
    for result in results:
        narration = result.narration
        if narration is None:
            continue
        spoken = f"spoken by {narration.engine} as {narration.voice}"
        table.add_row(
            " ".join([result.story.stem, *(kind.suffix for kind in narration.media)]),
            _clock(narration.duration_secs),
            f"{narration.words:,}",
            f"{narration.cues:,}",
            narration.alignment,
            f"{narration.elapsed_secs / narration.duration_secs:.3f}",
        )
    if table.row_count:
        console = LiteralConsole()
        console.print(table)
        console.print_line(f"in {output}, {spoken}")


def _clock(secs: float) -> str:
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
