"""Limits for native code: threads by the container's quota, bounded caches, memory given back."""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_CPUINFO = Path("/proc/cpuinfo")
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""CPU flags of Linux, on x86 and on ARM."""
_INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_MADV_DONTNEED = 4
_PRIMITIVES = 64
"""
Compiled kernels that oneDNN caches. The default is 1,024, one per shape, about 1 MB each for convolutions.
"""


def processors(*, cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """
    Return how many processors this process may use, rounded up, at least 1.

    That is the minimum of the processor affinity and the quotas of the control group and its parents; the
    number of processors does not show a container's quota. Reads cgroup version 2 (cpu.max) and 1
    (cpu.cfs_quota_us).
    """
    counts = [float(len(os.sched_getaffinity(0)))]
    for folder in _groups(cgroups, membership):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text("ascii").split()
            counts.append(int(quota) / int(period))
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota = (folder / "cpu.cfs_quota_us").read_text("ascii")
            if int(quota) > 0:
                counts.append(int(quota) / int((folder / "cpu.cfs_period_us").read_text("ascii")))
    return max(1, -int(-min(counts) // 1))


def _groups(cgroups: Path, membership: Path) -> list[Path]:
    """Return the folders of the process's control groups and their parents."""
    folders = [cgroups, cgroups / "cpu"]
    with suppress(OSError):
        for line in membership.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            inner = (cgroups / "cpu" if controllers else cgroups) / path.lstrip("/")
            folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(cgroups)]
    return list(dict.fromkeys(folders))


def has_bfloat16(*, cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor has bfloat16 instructions; without them bfloat16 is slower than float32."""
    return not _BFLOAT16_FLAGS.isdisjoint(_flags(cpuinfo))


def has_int8(*, cpuinfo: Path = _CPUINFO) -> bool:
    """Whether the processor multiplies 8-bit integers into 32-bit sums, in one instruction (x86 only)."""
    return not _INT8_FLAGS.isdisjoint(_flags(cpuinfo))


def _flags(cpuinfo: Path) -> list[str]:
    with suppress(OSError):
        for line in cpuinfo.read_text("utf-8").splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in {"flags", "Features"}:
                return flags.split()
    return []


def bound_caches() -> None:
    """
    Bound oneDNN's cache of compiled kernels, and let waiting threads sleep.

    Effective only before torch is imported, because its libraries read these variables once. By default,
    waiting OpenMP threads spin, which in a container uses up the quota of the working ones.
    """
    # putenv, not os.environ: only native code reads these
    os.putenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_PRIMITIVES))
    os.putenv("OMP_WAIT_POLICY", "passive")


def mappings(folder: Path, *, maps: Path = Path("/proc/self/maps")) -> list[tuple[int, int]]:
    """Return (address, size in bytes) of each memory mapping of a file in `folder`."""
    found = []
    with suppress(OSError):
        for line in maps.read_text("utf-8").splitlines():
            addresses, *_, path = line.split(maxsplit=5)
            if path.startswith(f"{folder.resolve()}/"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                found.append((start, end - start))
    return found


def unload(regions: Iterable[tuple[int, int]]) -> None:
    """
    Release the pages of mapped files; the next access reads them from the file again.

    Only for mappings that are never written to: changes would be lost. Linux only.
    """
    with suppress(AttributeError, OSError):
        madvise = ctypes.CDLL(None).madvise
        for address, length in regions:
            madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _MADV_DONTNEED)


def return_memory() -> None:
    """Return free memory to the system, if the C library supports it (glibc)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
