"""
The contract of objects: a write names what it may overwrite, and is refused if that has changed.

It holds for S3 and for the in-memory store that the worker's rules are tested with.
"""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from botocore.stub import Stubber

from app.aws.objects import Digest, ObjectChangedError, Objects, ObjectVersion, UnreadableObjectError
from app.aws.session import AwsClients
from app.errors import InfrastructureError
from app.job import S3Address
from app.local.emulator import REGION
from app.local.platform import Platform
from tests.app.worker.in_memory import InMemoryMedia
from tests.ministack import EMULATORS, MINISTACK


@pytest.fixture
def objects(platform: Platform) -> Objects:  # noqa: ARG001  # its environment names the emulator
    """Objects of the emulator, which the platform's environment names."""
    return Objects(s3=AwsClients(region=REGION).client("s3"))


@pytest.fixture(params=[*EMULATORS, "in memory"])
def any_objects(request: pytest.FixtureRequest) -> Objects | InMemoryMedia:
    """Objects of S3 or in memory."""
    if request.param == "in memory":
        return InMemoryMedia()
    return cast("Objects", request.getfixturevalue("objects"))


@pytest.fixture
def address(platform: Platform) -> S3Address:
    """An address in the test's own bucket, with nothing there."""
    return S3Address(platform.bucket, "story-1/a1.wav")


def written(folder: Path, content: bytes) -> Path:
    """Return a file of `content`."""
    path = folder / "a1.wav"
    path.write_bytes(content)
    return path


def test_an_object_is_written_with_type_and_checksum(
    objects: Objects, address: S3Address, platform: Platform, tmp_path: Path
) -> None:
    """What lies in the bucket is the file, with its type, verified by SHA-256."""
    path = written(tmp_path, b"RIFF" * 1000)
    digest = Digest.of(path)

    objects.put(path, address, content_type="audio/wav", digest=digest, replacing=None)

    answer = platform.client("s3").get_object(Bucket=address.bucket, Key=address.key, ChecksumMode="ENABLED")
    assert answer["Body"].read() == b"RIFF" * 1000
    assert answer["ContentType"] == "audio/wav"
    assert answer["ChecksumSHA256"] == digest.base64
    assert objects.download(address, tmp_path / "back") == 4000
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_where_nothing_was_nothing_newer_is_overwritten(
    any_objects: Objects | InMemoryMedia, address: S3Address, tmp_path: Path
) -> None:
    """A writer that saw no object is refused when there is one now."""
    first, second = written(tmp_path, b"first"), written(tmp_path, b"second")
    any_objects.put(first, address, content_type="audio/wav", digest=Digest.of(first), replacing=None)

    with pytest.raises(ObjectChangedError):
        any_objects.put(second, address, content_type="audio/wav", digest=Digest.of(second), replacing=None)


def test_what_was_seen_is_overwritten_and_nothing_else(
    any_objects: Objects | InMemoryMedia, address: S3Address, tmp_path: Path
) -> None:
    """A writer that saw an object may replace that one, once."""
    assert any_objects.etag(address) is None
    path = written(tmp_path, b"first")
    any_objects.put(path, address, content_type="audio/wav", digest=Digest.of(path), replacing=None)
    seen = any_objects.etag(address)
    path = written(tmp_path, b"second")
    any_objects.put(path, address, content_type="audio/wav", digest=Digest.of(path), replacing=seen)

    with pytest.raises(ObjectChangedError):
        any_objects.put(path, address, content_type="audio/wav", digest=Digest.of(path), replacing=seen)
    assert any_objects.etag(address) not in {None, seen}


@pytest.mark.slow
@pytest.mark.parametrize("endpoint_url", [MINISTACK], indirect=True)
def test_bytes_that_do_not_match_their_digest_are_not_stored(
    objects: Objects, address: S3Address, tmp_path: Path
) -> None:
    """S3 refuses a body that is not the one whose digest was sent; moto, unlike AWS, stores it."""
    path = written(tmp_path, b"as sent")
    digest = replace(Digest.of(path), sha256=bytes(32))

    with pytest.raises(InfrastructureError, match="BadDigest"):
        objects.put(path, address, content_type="audio/wav", digest=digest, replacing=None)

    assert objects.etag(address) is None


def test_objects_are_listed_by_folder_and_deleted(
    any_objects: Objects | InMemoryMedia, address: S3Address, tmp_path: Path
) -> None:
    """A folder lists its own objects alone; a deleted one is gone, and deleting it again does nothing."""
    path = written(tmp_path, b"segment")
    folder = S3Address(address.bucket, "segments/one/")
    inside = [S3Address(address.bucket, f"segments/one/{name}") for name in ("a", "b")]
    for each in (*inside, S3Address(address.bucket, "segments/ones"), address):
        any_objects.put(path, each, content_type="audio/wav", digest=Digest.of(path), replacing=None)

    assert any_objects.names(folder) == ["a", "b"]
    any_objects.download(inside[0], tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"segment"
    for _ in range(2):
        any_objects.delete(inside[0])
    assert any_objects.names(folder) == ["b"]
    assert any_objects.etag(address) is not None


def test_a_version_is_read_or_gone(
    any_objects: Objects | InMemoryMedia, address: S3Address, tmp_path: Path
) -> None:
    """What is read is the version that was seen; after it was replaced, nothing."""
    assert any_objects.version(address) is None
    first, second = written(tmp_path, b"first"), tmp_path / "second"
    second.write_bytes(b"second")
    etag = any_objects.put(first, address, content_type="text/plain", digest=Digest.of(first), replacing=None)
    seen = any_objects.version(address)
    assert seen is not None
    assert (seen.size, any_objects.read_version(address, seen)) == (5, b"first")

    any_objects.put(second, address, content_type="text/plain", digest=Digest.of(second), replacing=etag)

    assert any_objects.read_version(address, seen) is None


def test_a_version_that_is_kept_is_read_after_it_was_replaced(
    objects: Objects, address: S3Address, platform: Platform
) -> None:
    """In a bucket with versions, a replaced text can still be narrated."""
    s3 = platform.client("s3")
    s3.put_bucket_versioning(Bucket=address.bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=address.bucket, Key=address.key, Body=b"first")
    seen = objects.version(address)
    s3.put_object(Bucket=address.bucket, Key=address.key, Body=b"second")

    assert seen is not None
    assert objects.read_version(address, seen) == b"first"
    assert objects.read_version(address, replace(seen, version_id="")) is None


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState", "InvalidRequest"])
def test_an_object_that_only_shows_its_metadata_is_unreadable(address: S3Address, code: str) -> None:
    """HEAD tells nothing of a key that the role may not use, an archive, or a customer's own key."""
    s3 = AwsClients(region=REGION).client("s3")
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_object", service_error_code=code)
        with pytest.raises(UnreadableObjectError, match=code):
            Objects(s3=s3).read_version(address, ObjectVersion("e", 5))
