"""`story-tts speak`: narrate story files on this machine."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.pronounce import LexiconOption
from app.cli.voices import DEFAULT_ENGINE, EngineOption, VoiceOption
from app.media import STORY_FORMATS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from app.cli.console import LiteralConsole
    from app.client.file_narrator import Existing, FileResult
    from app.narration.base import Progress as NarrationProgress


STORIES_HELP = "Text, Markdown, HTML, EPUB, Word or PDF files, or folders of them; - for standard input."
LONG_SECS = 1800
SPEED_HELP = "Speed of speech, 0.5 to 2.0."
BoilerplateOption = Annotated[
    bool,
    typer.Option("--keep-boilerplate", help="Narrate Project Gutenberg's header and licence too."),
]


def parse_speed(value: object) -> float:
    """Return the speed that an option names. Raises BadParameter."""
    try:
        speed = float(str(value))
    except ValueError:
        speed = math.nan
    if not 0.5 <= speed <= 2.0:  # noqa: PLR2004 - as in the text
        raise typer.BadParameter(f"{value} is not a speed; give a number from 0.5 (slow) to 2.0 (fast)")
    return speed


def complete_format(incomplete: str) -> list[str]:
    """Return the formats that start with what was typed."""
    return [name for name in STORY_FORMATS if name.startswith(incomplete)]


def speak(  # noqa: PLR0917 - typer makes them options, and options have names
    stories: Annotated[list[str], typer.Argument(help=STORIES_HELP, show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the media.")
    ] = Path(),
    voice: VoiceOption = None,
    speed: Annotated[float, typer.Option(parser=parse_speed, metavar="NUMBER", help=SPEED_HELP)] = 1.0,
    engine: EngineOption = DEFAULT_ENGINE,
    no_alignment: Annotated[
        bool,
        typer.Option("--no-alignment", help="Use the engine's own word times instead of forced alignment."),
    ] = False,
    children: Annotated[
        bool, typer.Option("--children", help="Subtitles for children: at most 17 characters per second.")
    ] = False,
    formats: Annotated[
        list[str],
        typer.Option(
            "--format",
            metavar="FORMAT",
            help=f"Format: {', '.join(STORY_FORMATS)}. Repeat it for several.",
            autocompletion=complete_format,
        ),
    ] = ["wav"],  # noqa: B006 - typer copies it
    split_chapters: Annotated[
        bool,
        typer.Option("--split-chapters", help="Write files for each chapter too, into a folder."),
    ] = False,
    lexicon: LexiconOption = None,
    keep_boilerplate: BoilerplateOption = False,
    no_resume: Annotated[
        bool, typer.Option("--no-resume", help="Do not use the finished segments of an earlier run.")
    ] = False,
    no_clobber: Annotated[
        bool, typer.Option("--no-clobber", help="Skip stories that have any of their files already.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Narrate unchanged stories again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """
    Narrate stories into audio and subtitle files (.srt, .vtt, .words.json) named after each story.

    A page, STORY.html, plays the audio in a browser and marks each word as it is heard. Existing files
    are replaced, each in one step, when the new ones are complete. A story is skipped if neither its
    text nor an option has changed since its files were written.

    Finished parts of a narration are kept for a week. After Ctrl-C the same command continues where it
    stopped, and an edited story is synthesized only where it changed.

    Exit codes: 0 success; 1 a story failed; 2 wrong usage or settings; 130 interrupted.
    """
    from app.cli.console import LiteralConsole, literal
    from app.client.file_narrator import FileNarrator
    from app.client.publications import Publisher
    from app.narration.options import CHILDRENS_READING_SPEED, NarrationOptions
    from app.settings import SpeechSettings
    from app.text.lexicon import NO_LEXICON
    from app.text.lexicon_files import read_lexicon
    from app.text.readers.files import story_files

    settings = SpeechSettings.read()
    publisher = Publisher(
        formats=formats,
        split_chapters=split_chapters,
        reading_speed=CHILDRENS_READING_SPEED if children else settings.reading_speed,
    )
    publisher.check()
    options = NarrationOptions.from_settings(
        settings,
        engine=engine,
        voice=voice,
        speed=speed,
        use_alignment=not no_alignment,
        reading_speed=publisher.reading_speed,
        formats=publisher.narrated_audio,
        lexicon=read_lexicon(lexicon) if lexicon else NO_LEXICON,
    )
    errors = LiteralConsole(stderr=True)
    results: list[FileResult] = []
    narrator = FileNarrator(
        options=options,
        output=output,
        publisher=publisher,
        work_dir=settings.work_dir,
        existing=_existing(no_clobber=no_clobber, force=force, no_resume=no_resume),
        resume=not no_resume,
        keep_boilerplate=keep_boilerplate,
    )
    with narrator, _bars(errors) as bars:
        if narrator.warning:
            errors.print_line(f"warning: {narrator.warning}; an interrupted narration will start afresh")
        for story in story_files(stories):
            task = bars.add_task(literal(story.stem), total=1.0, audio=_clock(0.0))
            reuse = _ReuseNotice(story.stem, errors)

            def show(
                progress: "NarrationProgress", task: "TaskID" = task, reuse: _ReuseNotice = reuse
            ) -> None:
                bars.update(task, completed=progress.fraction, audio=_clock(progress.audio_secs))
                reuse.watch(progress)

            try:
                result = narrator.narrate(
                    story,
                    on_progress=show,
                    on_start=lambda secs, name=story.name: _announce(errors, name, secs),  # type: ignore[misc]
                )
            except KeyboardInterrupt:
                reuse.interrupted()
                raise
            if result.narration:
                bars.update(task, completed=1.0, audio=_clock(result.narration.duration_secs))
                reuse.finished(result.narration.reused_secs)
            else:
                bars.remove_task(task)
                what = f"skipped: {result.skipped}" if result.skipped else f"error: {result.error}"
                errors.print_line(what)
            for note in result.notes:
                errors.print_line(f"note: {story.name}: {note}")
            results.append(result)
    if as_json:
        _print_json(results)
    else:
        _print_table(results)
    if any(result.error for result in results):
        raise typer.Exit(1)


class _ReuseNotice:
    """Says once for a story that a part of it comes from an earlier run, and after Ctrl-C how to go on."""

    def __init__(self, name: str, console: "LiteralConsole") -> None:
        self._name = name
        self._console = console
        self._is_said = False
        self._kept_secs = 0.0

    def watch(self, progress: "NarrationProgress") -> None:
        """Say it as soon as synthesis begins after stored segments."""
        if progress.segment or not progress.synthesis_secs:
            self._kept_secs = max(self._kept_secs, progress.audio_secs)
        if progress.synthesis_secs:
            self.finished(progress.reused_secs)

    def finished(self, reused_secs: float) -> None:
        """Say it at the end, if all segments were stored."""
        if reused_secs and not self._is_said:
            self._is_said = True
            self._console.print_line(
                f"{self._name}: {_clock(reused_secs)} of audio is kept from an earlier run;"
                " --no-resume starts afresh"
            )

    def interrupted(self) -> None:
        """Say what is kept."""
        if self._kept_secs:
            self._console.print_line(
                f"{self._name}: interrupted; about {_clock(self._kept_secs)} of audio is kept,"
                " and the same command goes on from there"
            )


def _existing(*, no_clobber: bool, force: bool, no_resume: bool) -> "Existing":
    from app.client.file_narrator import Existing
    from app.errors import ConfigurationError

    if no_clobber and force:
        raise ConfigurationError("--no-clobber and --force contradict each other: use one of them")
    if no_clobber:
        return Existing.KEEP
    return Existing.REPLACE if force or no_resume else Existing.UPDATE


def _announce(console: "LiteralConsole", name: str, secs: float) -> None:
    """Tell how long the audio of a long story will be."""
    if secs > LONG_SECS:
        console.print_line(f"{name}: about {_clock(secs)} of audio")


def _bars(console: "LiteralConsole") -> "Progress":
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


def _print_table(results: "list[FileResult]") -> None:
    from rich.table import Table

    from app.cli.console import LiteralConsole

    table = Table("story", "audio", "words", "cues", "timed by", box=None)
    table.columns[0].overflow = "fold"
    narrations = [(result, result.narration) for result in results if result.narration]
    for result, narration in narrations:
        table.add_row(
            result.story.stem,
            _clock(narration.duration_secs),
            f"{narration.words:,}",
            f"{narration.cues:,}",
            narration.alignment,
        )
    if not narrations:
        return
    _, last = narrations[-1]
    console = LiteralConsole()
    console.print(table)
    console.print_line(f"spoken by {last.engine} as {last.voice}; files:")
    for result, _ in narrations:
        for path in result.files:
            console.print_line(f"  {path}")
    console.print_line(f"open {narrations[-1][0].publications['page']} to listen and read along")


def _clock(secs: float) -> str:
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
