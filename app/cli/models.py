"""`story-tts models`: fetch, verify and list the model files of Kokoro and WhisperX."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.help import PlainCommand, PlainGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from app.models.manifest import Manifest, ModelFile

app = typer.Typer(
    no_args_is_help=True, help="Fetch, verify and list the models of Kokoro and WhisperX.", cls=PlainGroup
)

SetsArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Sets, as listed by `story-tts models list`; the default sets if omitted."),
]
FolderOption = Annotated[
    Path | None, typer.Option("--dir", help="Models folder; MODELS_DIR if omitted.", show_default=False)
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        envvar="MODELS_MANIFEST",
        help="Manifest to use in place of the bundled one.",
        show_default=False,
    ),
]


@app.command(cls=PlainCommand)
def fetch(
    sets: SetsArgument = None,
    folder: FolderOption = None,
    manifest: ManifestOption = None,
    hub: Annotated[
        str | None,
        typer.Option(
            envvar="HF_ENDPOINT", help="Hub to use in place of https://huggingface.co.", show_default=False
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="MODELS_MIRROR",
            help="Base URL of a mirror of the other hosts: MIRROR/HOST/PATH.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """
    Download missing or damaged model files.

    An interrupted download resumes. Each file is verified against the SHA-256 in the manifest; if the
    manifest has none, the digest of the first download is recorded in models.lock.json and must not change.

    Exit codes: 0 success; 1 a source cannot be reached, or the disk is full; 2 wrong usage, or a file
    differs from the manifest.
    """
    from app.models.fetch import Fetcher
    from app.models.store import ModelStore

    if folder is None:
        _check_extra()
    store = ModelStore(_folder(folder))
    files = _manifest(manifest).of(tuple(sets or ()))
    with _bars() as bars:
        fetched = Fetcher(store, hub=hub, mirror=mirror, on_bytes=_reporter(bars)).fetch(files)
    print(f"{store.folder}: {fetched} files fetched, {len(files) - fetched} already present")


@app.command(cls=PlainCommand)
def verify(folder: FolderOption = None) -> None:
    """
    Compare every file in the models folder with models.lock.json.

    Exit codes: 0 all files match; 1 a file differs or is missing.
    """
    from app.cli.console import literal
    from app.models.store import ModelStore

    store = ModelStore(_folder(folder))
    faults = [(name, fault) for name, fault in store.faults() if fault]
    for name, fault in faults:
        typer.echo(literal(f"error: {store.folder / name} {fault}"), err=True)
    if faults:
        raise typer.Exit(1)
    total = sum(entry.size for entry in store.lock.values())
    print(f"{store.folder}: {len(store.lock)} files, {total / 1e6:,.0f} MB, all intact")


@app.command("list", cls=PlainCommand)
def list_sets(
    manifest: ManifestOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every file as JSON.")] = False,
) -> None:
    """List the sets of models with their sizes and licences."""
    known = _manifest(manifest)
    if as_json:
        print(known.model_dump_json(indent=2))
        return
    from rich.table import Table

    from app.cli.console import LiteralConsole

    table = Table("set", "by default", "files", "MB", "licence", "what it is", box=None)
    for name, entry in known.sets.items():
        files = known.of((name,))
        sizes = [file.size for file in files if file.size]
        licences = ", ".join(sorted({file.licence for file in files}))
        megabytes = f"{sum(sizes) / 1e6:,.0f}" if sizes else "?"
        table.add_row(
            name, "yes" if entry.default else "no", str(len(files)), megabytes, licences, entry.about
        )
    LiteralConsole().print(table)


def _check_extra() -> None:
    """Raise MissingExtraError if nothing here could use the models. An image gets them without the extra."""
    from importlib.util import find_spec

    from app.errors import MissingExtraError

    missing = [name for name in ("kokoro", "whisperx") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{' and '.join(missing)} not installed, so nothing here can use the models: run `make speech`,"
            " or set --dir to fetch them for another machine"
        )


def _folder(folder: Path | None) -> Path:
    if folder:  # the image stage that fetches models does not contain app.settings
        return folder
    from app.settings import SpeechSettings

    return SpeechSettings.read().models_dir


def _manifest(path: Path | None) -> "Manifest":
    from app.models.manifest import Manifest

    return Manifest.read(path) if path else Manifest.read()


def _bars() -> "Progress":
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from app.cli.console import LiteralConsole

    console = LiteralConsole(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _reporter(bars: "Progress") -> "Callable[[ModelFile, int, int | None], None]":
    from app.cli.console import literal

    tasks: dict[str, object] = {}

    def report(file: "ModelFile", done: int, total: int | None) -> None:
        if file.url not in tasks:
            tasks[file.url] = bars.add_task(literal(file.name), total=total)
        bars.update(tasks[file.url], completed=done, total=total)  # type: ignore[arg-type]

    return report
