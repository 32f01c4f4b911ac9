"""The manifest of model files: the JSON file in this package, or the operator's own in the same format."""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.errors import ConfigurationError

PACKAGED = Path(__file__).with_name("manifest.json")

_HUB = "https://huggingface.co"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSet(_Strict):
    """A set of files that belong together."""

    about: str
    default: bool
    """Whether `models fetch` includes it by default."""


class ModelFile(_Strict):
    """One file to download."""

    set: str
    path: str
    """Its path in the models folder. For an archive, the folder to unpack it into."""
    url: str
    size: Annotated[int, Field(gt=0)] | None
    """Bytes, or None if unknown before the first download."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    """None if unknown: the first download is then trusted, and its digest recorded."""
    licence: str
    unpack: bool = False
    """Whether it is a ZIP archive (such as a wheel) to unpack."""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if not parts or value.startswith("/") or ".." in parts or "\\" in value:
            raise ValueError("must be a relative path inside the models folder")
        return value

    @field_validator("url")
    @classmethod
    def _is_web(cls, value: str) -> str:
        if urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError("must begin with https:// or http://")
        return value

    @property
    def name(self) -> str:
        """The last part of its URL, for display."""
        return PurePosixPath(urlsplit(self.url).path).name


class Manifest(_Strict):
    """All known model files, by set."""

    sets: Mapping[str, ModelSet]
    files: tuple[ModelFile, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        unknown = {file.set for file in self.files} - set(self.sets)
        if unknown:
            raise ValueError(f"files name sets that are not declared: {', '.join(sorted(unknown))}")
        paths = [file.path for file in self.files]
        if len(set(paths)) < len(paths):
            raise ValueError("two files have the same path")
        return self

    @classmethod
    def read(cls, path: Path = PACKAGED) -> Self:
        """Read and validate a manifest. Raises ConfigurationError with one line per fault."""
        try:
            return cls.model_validate(json.loads(path.read_text("utf-8")))
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
        except ValidationError as error:
            faults = (
                f"{path}: {'.'.join(map(str, fault['loc'])) or 'manifest'}: {fault['msg']}"
                for fault in error.errors()
            )
            raise ConfigurationError(*faults) from None
        except ValueError as error:
            raise ConfigurationError(f"{path}: not valid JSON: {error}") from None

    def of(self, names: tuple[str, ...]) -> tuple[ModelFile, ...]:
        """Return the files of the named sets, or of the default sets if no name is given."""
        for name in names:
            if name not in self.sets:
                known = ", ".join(self.sets)
                raise ConfigurationError(f"unknown set of models {name!a}; available sets: {known}")
        chosen = set(names) or {name for name, entry in self.sets.items() if entry.default}
        return tuple(file for file in self.files if file.set in chosen)


def address(file: ModelFile, *, hub: str | None, mirror: str | None) -> str:
    """
    Return the URL to download `file` from.

    `hub` replaces https://huggingface.co. `mirror` serves files of all other hosts, below /HOST/PATH.
    """
    if file.url.startswith(f"{_HUB}/"):
        return file.url if hub is None else hub.rstrip("/") + file.url.removeprefix(_HUB)
    if mirror is None:
        return file.url
    parts = urlsplit(file.url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}"
