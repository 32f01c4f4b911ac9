"""Segment files: complete or absent, and never believed without their checksum."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.segments.base import ChunkRecord, SegmentRecord
from app.segments.folder import FolderSegments, is_intact

KEY, OTHER = "a" * 64, "b" * 64
PCM = bytes(range(200)) * 3000
RECORD = SegmentRecord(
    sample_rate=24_000,
    samples=len(PCM) // 2,
    opens_with_pause=True,
    closing_pause_secs=0.1 + 0.2,
    chunks=(ChunkRecord(0, ((0.0, 1 / 3),), "engine", 0), ChunkRecord(7, ((0.5, 0.7), (0.7, 0.9)), "", 2)),
)


def store(folder: Path, key: str = KEY) -> Path:
    """Store a segment, and return its path."""
    with FolderSegments(folder).create(key) as writer:
        writer.write(PCM[:1000])
        writer.write(PCM[1000:])
        return folder / writer.finish(RECORD)


def test_a_segment_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    """Samples and record are the same, floating-point numbers to the last bit."""
    path = store(tmp_path)

    found = FolderSegments(tmp_path).find(KEY)

    assert found is not None
    assert (RECORD, PCM) == (found.record, b"".join(found.pcm()))
    assert is_intact(path)
    assert [path] == list(tmp_path.iterdir())


def test_an_unfinished_segment_leaves_no_file(tmp_path: Path) -> None:
    """An error while a segment is written drops it, and none is found."""
    writer = FolderSegments(tmp_path).create(KEY)
    with suppress(OSError), writer:
        writer.write(PCM)
        raise OSError
    assert [] == list(tmp_path.iterdir())
    assert FolderSegments(tmp_path).find(KEY) is None


def flip(position: int) -> Callable[[bytes], bytes]:
    """Return a function that changes one bit of a file's content."""

    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        changed[position] ^= 1
        return bytes(changed)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        flip(0),
        flip(5000),
        flip(-200),
        flip(-35),
        flip(-1),
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: content + b"x",
        lambda content: b"RIFF" + content,
        lambda _: b"",
    ],
    ids=["magic", "samples", "record", "length", "digest", "cut", "stub", "longer", "foreign", "empty"],
)
def test_a_damaged_segment_is_removed(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A file that differs in any part counts as missing, and goes, so that it is made again."""
    path = store(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert not is_intact(path)
    assert FolderSegments(tmp_path).find(KEY) is None
    assert not path.exists()


def test_a_renamed_segment_is_not_believed(tmp_path: Path) -> None:
    """A segment stored under the key of another one counts as missing."""
    store(tmp_path).rename(tmp_path / f"{OTHER}.segment")
    assert FolderSegments(tmp_path).find(OTHER) is None


def test_segments_are_ignored_when_a_run_starts_afresh(tmp_path: Path) -> None:
    """Without reading, a segment that is there counts as missing, and is replaced."""
    path = store(tmp_path)
    afresh = FolderSegments(tmp_path, reads=False)
    assert afresh.find(KEY) is None
    assert path.exists()


def test_a_sweep_bounds_age_and_size(tmp_path: Path) -> None:
    """Old files go first by age, then by size, the unfinished of killed runs too; a user's file stays."""
    now = time.time()
    paths = [store(tmp_path, f"{number:064x}") for number in range(4)]
    part = tmp_path / "0123-x.part"
    part.write_bytes(b"left by a killed run")
    own = tmp_path / "notes.txt"
    own.write_text("mine")
    for age, path in enumerate([*paths, part, own]):
        os.utime(path, (now - 100 * age, now - 100 * age))

    FolderSegments(tmp_path).sweep(max_bytes=2 * paths[0].stat().st_size, max_age_secs=350)

    assert {*paths[:2], own} == set(tmp_path.iterdir())
    FolderSegments(tmp_path).sweep(max_bytes=1 << 30, max_age_secs=50)
    assert {paths[0], own} == set(tmp_path.iterdir())


def test_only_unfinished_files_of_ones_own_children_are_removed(tmp_path: Path) -> None:
    """A killed child leaves what it was writing; a child of another command may still be writing."""
    store = FolderSegments(tmp_path)
    writer = store.create("0" * 64)
    writer.__enter__()
    store.remove_unfinished(parent=os.getpid())
    assert len(list(tmp_path.iterdir())) == 1
    store.remove_unfinished(parent=os.getppid())
    assert list(tmp_path.iterdir()) == []
    writer.__exit__(None, None, None)
