"""`story-tts models`: fetch, verify and list the model files of Kokoro and WhisperX."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from app.models.manifest import Manifest, ModelFile

app = typer.Typer(no_args_is_help=True, help="Fetch, verify and list the models of Kokoro and WhisperX.")

SetsArgument = Annotated[
    list[str] | None, typer.Argument(help="Sets from `story-tts models list`. Default: the default sets.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--dir", help="Models folder. Default: MODELS_DIR.", show_default=False)
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        envvar="MODELS_MANIFEST",
        help="Your own manifest, in the format of the packaged one.",
        show_default=False,
    ),
]


@app.command()
def fetch(
    sets: SetsArgument = None,
    folder: FolderOption = None,
    manifest: ManifestOption = None,
    hub: Annotated[
        str | None,
        typer.Option(envvar="HF_ENDPOINT", help="Replaces https://huggingface.co.", show_default=False),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            envvar="MODELS_MIRROR",
            help="Base URL for files of other hosts, at /HOST/PATH.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """
    Download missing and damaged files, and record them in the folder's models.lock.json.

    Interrupted downloads are resumed. A file must match the SHA-256 in the manifest. If the manifest has
    none, the digest of the first download is recorded, and later downloads must match it.
    """
    from app.models.fetch import Fetcher
    from app.models.store import ModelStore

    store = ModelStore(_folder(folder))
    files = _manifest(manifest).of(tuple(sets or ()))
    with _bars() as bars:
        fetched = Fetcher(store, hub=hub, mirror=mirror, on_bytes=_reporter(bars)).fetch(files)
    print(f"{store.folder}: {fetched} files fetched, {len(files) - fetched} already present")


@app.command()
def verify(folder: FolderOption = None) -> None:
    """Check size and digest of every file in the models folder. Exits with 1 if one differs."""
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


@app.command("list")
def list_sets(
    manifest: ManifestOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every file as JSON.")] = False,
) -> None:
    """List the sets of models, their sizes and licences."""
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


def _folder(folder: Path | None) -> Path:
    if folder:  # the image's download stage has neither settings nor the settings module
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
