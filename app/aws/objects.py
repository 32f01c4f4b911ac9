"""Media in S3. Writes are conditional, so that a worker that lost its lease cannot overwrite newer media."""

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
"""S3's limit for one PutObject request, rounded down."""
_READ_BYTES = 1024 * 1024

# Without s3:ListBucket, HEAD answers 403 for a key that does not exist.
_ABSENT = frozenset({"404", "403", "NoSuchKey", "NotFound", "Forbidden"})
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
# Of a GET, where HEAD succeeds: no permission for the version or its key, an archive, a customer's own key.
_UNREADABLE = frozenset({"AccessDenied", "InvalidObjectState", "InvalidRequest"})


class ObjectChangedError(InfrastructureError):
    """The condition of the write failed: another writer changed the object or is writing to it."""

    code = "OBJECT_CHANGED"


class UnreadableObjectError(InfrastructureError):
    """The object exists, but S3 does not hand its content out."""

    code = "UNREADABLE_OBJECT"


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file, and its size in bytes."""

    sha256: bytes
    size: int

    @classmethod
    def of(cls, path: Path) -> "Digest":
        """Return the digest of the file at `path`, read in blocks of 1 MiB."""
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
                size += len(block)
        return cls(digest.digest(), size)

    @property
    def hex(self) -> str:
        """The SHA-256 in hexadecimal, as rows store it."""
        return self.sha256.hex()

    @property
    def base64(self) -> str:
        """The SHA-256 in base64, as S3 expects it."""
        return base64.b64encode(self.sha256).decode()


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object's metadata: its size in bytes and its content type."""

    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object: its entity tag, size in bytes, and id where its bucket keeps versions."""

    etag: str
    size: int
    version_id: str = ""


class Objects:
    """Objects in any bucket that the role may access. Methods raise InfrastructureError if S3 is down."""

    def __init__(self, *, s3: Any) -> None:
        self._s3 = s3

    def etag(self, address: S3Address) -> str | None:
        """Return the entity tag of the object at `address`, None if it does not exist."""
        head = self._head(address)
        return None if head is None else str(head["ETag"])

    def find(self, address: S3Address) -> ObjectInfo | None:
        """Return the metadata of the object at `address`, None if it does not exist."""
        head = self._head(address)
        return None if head is None else ObjectInfo(int(head["ContentLength"]), str(head["ContentType"]))

    def version(self, address: S3Address) -> ObjectVersion | None:
        """Return the current version of the object at `address`, None if it does not exist."""
        head = self._head(address)
        if head is None:
            return None
        version_id = str(head.get("VersionId", "")).removeprefix("null")
        return ObjectVersion(str(head["ETag"]), int(head["ContentLength"]), version_id)

    def read_version(self, address: S3Address, version: ObjectVersion) -> bytes | None:
        """
        Return the content of one version of an object, None if that is gone or was replaced.

        Raises UnreadableObjectError if S3 refuses to hand it out.
        """
        wanted = {"VersionId": version.version_id} if version.version_id else {}
        with translated("s3"):
            try:
                answer = self._s3.get_object(
                    Bucket=address.bucket, Key=address.key, IfMatch=version.etag, **wanted
                )
            except ClientError as error:
                if code_of(error) in _ABSENT | _CHANGED | {"NoSuchVersion"}:
                    return None
                if code_of(error) in _UNREADABLE:
                    raise UnreadableObjectError(f"s3: {address.uri}: {code_of(error)}") from error
                raise
            content: bytes = answer["Body"].read()
        return content

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
    ) -> str:
        """
        Upload the file at `path` in one request and return the entity tag; `digest` is the file's digest.

        `replacing` is the entity tag of the object that may be overwritten; None means that no object may
        exist. Raises ObjectChangedError if the object at `address` differs from that.
        """
        condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
        with translated("s3"), path.open("rb") as body:
            try:
                response = self._s3.put_object(
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
                # If-Match answers 404 if the object was deleted in the meantime.
                if code_of(error) in _CHANGED or (
                    replacing is not None and code_of(error) in {"404", "NoSuchKey"}
                ):
                    raise ObjectChangedError(f"s3: {address.uri} has changed in the meantime") from error
                raise
        return str(response["ETag"])

    def create(self, address: S3Address, content: bytes, *, content_type: str) -> None:
        """Store `content` as a new object; an object that exists is kept."""
        with translated("s3"):
            try:
                self._s3.put_object(
                    Bucket=address.bucket,
                    Key=address.key,
                    Body=content,
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
                    IfNoneMatch="*",
                )
            except ClientError as error:
                if code_of(error) not in _CHANGED:
                    raise

    def names(self, folder: S3Address) -> list[str]:
        """Return the names of the objects below `folder`, a key that ends with a slash, in order."""
        names: list[str] = []
        with translated("s3"):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=folder.bucket, Prefix=folder.key
            )
            for page in pages:
                names += [each["Key"].removeprefix(folder.key) for each in page.get("Contents", ())]
        return names

    def delete(self, address: S3Address) -> None:
        """Delete the object at `address`; do nothing if there is none."""
        with translated("s3"):
            self._s3.delete_object(Bucket=address.bucket, Key=address.key)

    def read(self, address: S3Address) -> bytes:
        """Return the content of the object at `address`."""
        with translated("s3"):
            content: bytes = self._s3.get_object(Bucket=address.bucket, Key=address.key)["Body"].read()
        return content

    def download(self, address: S3Address, path: Path) -> int:
        """Download the object at `address` to `path` in blocks, and return its size in bytes."""
        size = 0
        with translated("s3"):
            body = self._s3.get_object(Bucket=address.bucket, Key=address.key)["Body"]
            with path.open("wb") as file:
                for block in body.iter_chunks(_READ_BYTES):
                    size += file.write(block)
        return size
