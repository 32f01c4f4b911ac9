"""Threads as the container's quota has them, read from control groups of both versions."""

import mmap
import os
from pathlib import Path

import pytest

from app.speech.native import has_bfloat16, has_int8, mappings, processors, unload


def _allowed(quota: float) -> int:
    return max(1, min(len(os.sched_getaffinity(0)), -int(-quota // 1)))


@pytest.mark.parametrize(
    ("content", "expected"), [("100000 100000", 1.0), ("50000 100000", 0.5), ("max 100000", 1e9), ("", 1e9)]
)
def test_the_quota_of_version_two_counts(tmp_path: Path, content: str, expected: float) -> None:
    """cpu.max of the process's own group limits the threads; "max" and nonsense do not."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "cpu.max").write_text(content)
    (tmp_path / "membership").write_text("0::/a/b\n")
    assert _allowed(expected) == processors(cgroups=tmp_path, membership=tmp_path / "membership")


def test_the_group_around_counts_too(tmp_path: Path) -> None:
    """A task's limit stands one level above its container's group."""
    (tmp_path / "task" / "container").mkdir(parents=True)
    (tmp_path / "task" / "cpu.max").write_text("100000 100000")
    (tmp_path / "task" / "container" / "cpu.max").write_text("max 100000")
    (tmp_path / "membership").write_text("0::/task/container\n")
    assert processors(cgroups=tmp_path, membership=tmp_path / "membership") == 1


def test_the_quota_of_version_one_counts(tmp_path: Path) -> None:
    """cpu.cfs_quota_us over cpu.cfs_period_us limits the threads; -1 does not."""
    group = tmp_path / "cpu" / "a"
    group.mkdir(parents=True)
    (tmp_path / "membership").write_text("3:cpu,cpuacct:/a\n1:memory:/a\n")
    (group / "cpu.cfs_period_us").write_text("100000")
    (group / "cpu.cfs_quota_us").write_text("100000")
    assert processors(cgroups=tmp_path, membership=tmp_path / "membership") == 1
    (group / "cpu.cfs_quota_us").write_text("-1")
    assert _allowed(1e9) == processors(cgroups=tmp_path, membership=tmp_path / "membership")


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    """On a machine without any the processors that the process may run on are all there is to know."""
    assert _allowed(1e9) == processors(cgroups=tmp_path / "none", membership=tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16\n", True),
        ("flags\t\t: fpu avx512f amx_bf16\n", True),
        ("Features\t: fp asimd bf16\n", True),
        ("flags\t\t: fpu avx2 avx512f\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_used_where_the_processor_has_it(tmp_path: Path, content: str, expected: bool) -> None:
    """The kernel's list of features decides, on x86 and on ARM; without one the answer is no."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{content}")
    assert expected is has_bfloat16(cpuinfo=cpuinfo)
    assert not has_bfloat16(cpuinfo=tmp_path / "none")


@pytest.mark.parametrize(("flags", "expected"), [("avx2 avx512f avx512_vnni", True), ("avx2 avx512f", False)])
def test_int8_is_used_where_the_processor_has_it(tmp_path: Path, flags: str, expected: bool) -> None:
    """Without these instructions, sums of 8-bit products overflow or take longer than float32."""
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nflags\t\t: fpu {flags}\n")
    assert expected is has_int8(cpuinfo=cpuinfo)


def test_pages_of_a_mapped_file_can_be_let_go(tmp_path: Path) -> None:
    """Unloaded, a file's pages take no memory, and are read again when somebody asks for them."""
    path = tmp_path / "weights"
    path.write_bytes(b"w" * (1 << 24))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[:].count(b"w") == 1 << 24
        stretches = mappings(tmp_path)
        assert [1 << 24] == [length for _, length in stretches]
        before = _resident_kib(path)
        unload(stretches)
        assert (1 << 14, 0) == (before, _resident_kib(path))
        assert mapped[-1:] == b"w"
    assert [] == mappings(tmp_path)


def _resident_kib(path: Path) -> int:
    lines = Path("/proc/self/smaps").read_text("utf-8").splitlines()
    at = next(index for index, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) for line in lines[at:] if line.startswith("Rss:"))
