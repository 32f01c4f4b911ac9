"""`story-tts pronounce`: show how a text is said, word by word, without synthesizing it."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.voices import DEFAULT_ENGINE, EngineOption, VoiceOption

if TYPE_CHECKING:
    from app.speech.pronounce import PronouncedText

LexiconOption = Annotated[
    Path | None,
    typer.Option(
        "--lexicon",
        metavar="FILE",
        help="JSON or PLS file of pronunciations.",
        show_default=False,
        exists=True,
        dir_okay=False,
    ),
]


def pronounce(  # noqa: PLR0917 - typer makes them options, and options have names
    text: Annotated[str, typer.Argument(help="Text to pronounce; - for standard input.")] = "-",
    engine: EngineOption = DEFAULT_ENGINE,
    voice: VoiceOption = None,
    lexicon: LexiconOption = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Pronounce each line of the text on its own.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with --lines one object per line.")
    ] = False,
) -> None:
    """
    Show what is said for a text, and its phonemes, word by word.

    Use it to write a lexicon. Positions are those of the source, in characters from 0. With Kokoro it
    needs the extra speech and the English pipeline from `story-tts models fetch`, but not the weights of the
    network.

    Exit codes: 0 success; 2 wrong usage or settings.
    """
    from app.narration.options import lexicons_of, voice_language
    from app.settings import SpeechSettings
    from app.speech.pronounce import pronouncing
    from app.text.lexicon import NO_LEXICON
    from app.text.lexicon_files import read_lexicon

    settings = SpeechSettings.read()
    name = voice or settings.default_voice
    entries = lexicons_of(settings).of(voice_language(engine, name))
    entries = entries.merged(read_lexicon(lexicon) if lexicon else NO_LEXICON)
    with pronouncing(engine, voice=name, models_dir=settings.models_dir) as say:
        for part in _parts(text, lines=lines):
            said = say(part, entries)
            if as_json:
                indent = None if lines else 2
                print(
                    json.dumps({"text": part} | asdict(said), ensure_ascii=False, indent=indent), flush=lines
                )
            else:
                _print(said)


def _parts(text: str, *, lines: bool) -> Iterator[str]:
    """Yield the texts to pronounce; standard input is read line by line where lines are asked for."""
    stream: Iterator[str]
    if text == "-":
        stream = (line.decode("utf-8", "replace") for line in sys.stdin.buffer)
    else:
        stream = iter(text.splitlines(keepends=True))
    if lines:
        yield from (line.rstrip("\r\n") for line in stream)
    else:
        yield "".join(stream)


def _print(said: "PronouncedText") -> None:
    from rich.table import Table

    from app.cli.console import LiteralConsole

    console = LiteralConsole()
    console.print_line(said.spoken)
    console.print_line(said.phonemes)
    table = Table("from", "to", "text", "spoken", "phonemes", box=None)
    for word in said.words:
        table.add_row(str(word.start), str(word.end), word.text, word.spoken, word.phonemes)
    console.print(table)
