"""What the process's native code may take: threads from the container's quota, and caches with an end."""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""As Linux names them: of x86 processors, and of ARM's."""
_MADV_DONTNEED = 4
_PRIMITIVES = 64
"""
Compiled kernels that oneDNN keeps: it keeps 1,024 by default, one a shape, about 1 MB each for convolutions.
"""


def processors(*, cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """
    Return how many processors this process may use, at least 1, rounded up.

    The least of the processor affinity and the quotas of the control group and those around it; a container's
    quota does not show in the number of processors. Reads version 2 (cpu.max) and 1 (cpu.cfs_quota_us).
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
    """Return the folders of the process's control groups, and of all around them."""
    folders = [cgroups, cgroups / "cpu"]
    with suppress(OSError):
        for line in membership.read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            inner = (cgroups / "cpu" if controllers else cgroups) / path.lstrip("/")
            folders += [folder for folder in (inner, *inner.parents) if folder.is_relative_to(cgroups)]
    return list(dict.fromkeys(folders))


def has_bfloat16(*, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has instructions for bfloat16; where it has none, it is slower than float32."""
    with suppress(OSError):
        for line in cpuinfo.read_text("utf-8").splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in {"flags", "Features"}:
                return not _BFLOAT16_FLAGS.isdisjoint(flags.split())
    return False


def bound_caches() -> None:
    """
    Bound oneDNN's cache of compiled kernels, and let threads that wait sleep.

    Of use only before torch is imported: its libraries read this once. By default OpenMP's threads spin while
    they wait, which in a container takes the quota from those that work.
    """
    # putenv and not a change of Python's own copy: native code alone reads it
    os.putenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(_PRIMITIVES))
    os.putenv("OMP_WAIT_POLICY", "passive")


def mappings(folder: Path, *, maps: Path = Path("/proc/self/maps")) -> list[tuple[int, int]]:
    """Return (address, bytes) of each stretch of this process's memory that is a file in `folder`."""
    found = []
    with suppress(OSError):
        for line in maps.read_text("utf-8").splitlines():
            addresses, *_, path = line.split(maxsplit=5)
            if path.startswith(f"{folder.resolve()}/"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                found.append((start, end - start))
    return found


def unload(stretches: Iterable[tuple[int, int]]) -> None:
    """
    Let go of the pages of mapped files; whoever reads them next gets them from the file again.

    Only for mappings that nobody writes to: what was written would be lost. Linux alone.
    """
    with suppress(AttributeError, OSError):
        madvise = ctypes.CDLL(None).madvise
        for address, length in stretches:
            madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _MADV_DONTNEED)


def return_memory() -> None:
    """Give free memory back to the system, where the C library can (glibc)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
