"""Media in S3, written with conditions: a worker that woke late cannot overwrite newer media."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from app.aws.session import code_of, translated
from app.errors import InfrastructureError
from app.job import S3Address

MAX_OBJECT_BYTES = 5 * 1000**3
"""S3's limit of one PutObject, rounded down."""
_READ_BYTES = 1024 * 1024

# A HEAD by a role that may not list the bucket answers 403 for a key that is not there.
_ABSENT = frozenset({"404", "403", "NoSuchKey", "NotFound", "Forbidden"})
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


class ObjectChangedError(InfrastructureError):
    """The object is not what the condition said: someone else wrote it, or wrote at the same time."""

    code = "OBJECT_CHANGED"


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file, and its size in bytes."""

    sha256: bytes
    size: int

    @classmethod
    def of(cls, path: Path) -> "Digest":
        """Read `path` once, a piece at a time."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
                size += len(piece)
        return cls(digest.digest(), size)

    @property
    def hex(self) -> str:
        """As rows and people write it."""
        return self.sha256.hex()

    @property
    def base64(self) -> str:
        """As S3 writes it."""
        return base64.b64encode(self.sha256).decode()


@dataclass(frozen=True, slots=True)
class Found:
    """What S3 says of an object: its size in bytes, and what it is said to be."""

    size: int
    content_type: str


class Objects:
    """Objects of any bucket the role may write to."""

    def __init__(self, *, s3: Any) -> None:
        self._s3 = s3

    def etag(self, address: S3Address) -> str | None:
        """Return the entity tag of the object at `address`, None where there is none."""
        answer = self._head(address)
        return None if answer is None else str(answer["ETag"])

    def find(self, address: S3Address) -> Found | None:
        """Return what the object at `address` is, None where there is none."""
        answer = self._head(address)
        return None if answer is None else Found(int(answer["ContentLength"]), str(answer["ContentType"]))

    def _head(self, address: S3Address) -> dict[str, Any] | None:
        with translated("s3"):
            try:
                answer: dict[str, Any] = self._s3.head_object(Bucket=address.bucket, Key=address.key)
            except ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
        return answer

    def put(
        self, path: Path, address: S3Address, *, content_type: str, digest: Digest, replacing: str | None
    ) -> None:
        """
        Write the file at `path`, which `digest` describes, in one request.

        `replacing` is the entity tag of the object it may overwrite; None: only where there is no object.
        Raises ObjectChangedError where that does not hold (any more).
        """
        condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
        with translated("s3"), path.open("rb") as body:
            try:
                self._s3.put_object(
                    Bucket=address.bucket,
                    Key=address.key,
                    Body=body,
                    ContentLength=digest.size,
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=digest.base64,
                    **condition,
                )
            except ClientError as error:
                # 404 answers If-Match where the object was deleted meanwhile.
                if code_of(error) in _CHANGED or (
                    replacing is not None and code_of(error) in {"404", "NoSuchKey"}
                ):
                    raise ObjectChangedError(f"s3: {address.uri} changed meanwhile") from error
                raise

    def download(self, address: S3Address, path: Path) -> int:
        """Write the object at `address` to `path`, a piece at a time, and return its size in bytes."""
        size = 0
        with translated("s3"):
            body = self._s3.get_object(Bucket=address.bucket, Key=address.key)["Body"]
            with path.open("wb") as file:
                for piece in body.iter_chunks(_READ_BYTES):
                    size += file.write(piece)
        return size
